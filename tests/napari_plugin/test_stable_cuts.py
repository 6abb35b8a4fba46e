"""Labels stay with their regions from one cut to the next."""

import numpy as np
import pytest
from hypothesis import given, strategies
from random_hierarchies import hierarchies

from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy, number_regions
from dynseg.napari_plugin.cuts import StableCuts
from dynseg.regions.scribbles import cut_by_scribbles


@given(hierarchies(), strategies.integers(1, 60))
def test_a_cut_has_the_regions_of_the_hierarchy(hierarchy: Hierarchy, regions: int) -> None:
    cut = StableCuts(hierarchy).into(regions)
    assert cut.min() >= 1
    np.testing.assert_array_equal(number_regions(cut), hierarchy.cut_into(regions))


@given(hierarchies())
def test_a_merge_changes_the_label_of_the_smaller_region_alone(hierarchy: Hierarchy) -> None:
    cuts = StableCuts(hierarchy)
    for regions in range(1, cuts.leaf_count):
        fewer, more = cuts.into(regions), cuts.into(regions + 1)
        (gone,) = np.setdiff1d(more, fewer)
        assert ((fewer == more) | (more == gone)).all()
        (taker,) = np.unique(fewer[more == gone])
        assert (more == gone).sum() <= (more == taker).sum()


@given(hierarchies(), strategies.integers(0, 1 << 32))
def test_scribbles_cut_as_they_do_elsewhere(hierarchy: Hierarchy, seed: int) -> None:
    random = np.random.default_rng(seed)
    scribbles = random.choice([0, 0, 0, 3, 255, 900], hierarchy.leaves.shape)
    scribbles[0, 0] = 255
    elsewhere = np.full(scribbles.shape, 255)
    for number, label in enumerate((3, 255, 900)):
        elsewhere[scribbles == label] = number
    cut = StableCuts(hierarchy).by_scribbles(scribbles)
    expected = cut_by_scribbles(hierarchy, elsewhere)
    np.testing.assert_array_equal(number_regions(cut), number_regions(expected))
    assert (cut[scribbles > 0] == scribbles[scribbles > 0]).all()
    # Regions without a scribble have labels that no scribble has.
    assert (cut[expected > 2] > scribbles.max()).all()


def test_more_scribbled_labels_than_bytes() -> None:
    leaves = np.arange(300, dtype=np.int32).reshape(15, 20)
    children = [[0, 1]] + [[298 + node, node] for node in range(2, 300)]
    cuts = StableCuts(Hierarchy(leaves, np.array(children, np.int32), np.linspace(0, 1, 299)))
    scribbles = leaves + 1
    np.testing.assert_array_equal(cuts.by_scribbles(scribbles), scribbles)


@given(hierarchies(), strategies.integers(1, 60))
def test_a_stored_cut_gets_the_same_labels(hierarchy: Hierarchy, regions: int) -> None:
    cuts = StableCuts(hierarchy)
    np.testing.assert_array_equal(cuts.of_label_map(hierarchy.cut_into(regions)), cuts.into(regions))


def test_a_stored_map_that_is_no_cut_keeps_its_labels() -> None:
    hierarchy = Hierarchy(np.array([[0, 0, 1]], np.int32), np.array([[0, 1]], np.int32), np.array([0.5]))
    assert StableCuts(hierarchy).of_label_map(np.array([[0, 1, 1]])).tolist() == [[1, 2, 2]]


def test_steps_go_from_one_region_to_all() -> None:
    hierarchy = Hierarchy(np.array([[0, 0, 1]], np.int32), np.array([[0, 1]], np.int32), np.array([0.5]))
    assert StableCuts(hierarchy).steps(4) == [1, 1, 2, 2]
    single = Hierarchy(np.zeros((1, 3), np.int32), np.zeros((0, 2), np.int32), np.zeros(0))
    assert StableCuts(single).steps(3) == [1, 1, 1]
    assert StableCuts(single).into(1).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    ("scribbles", "words"),
    [
        (np.ones((2, 2), int), "draw them in a labels layer"),
        (np.zeros((1, 3), int), "are empty"),
        (np.full((1, 3), 1 << 40), "smaller numbers"),
    ],
)
def test_scribbles_that_are_refused(scribbles: np.ndarray, words: str) -> None:
    hierarchy = Hierarchy(np.array([[0, 0, 1]], np.int32), np.array([[0, 1]], np.int32), np.array([0.5]))
    with pytest.raises(UserError, match=words):
        StableCuts(hierarchy).by_scribbles(scribbles)
