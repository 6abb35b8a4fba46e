import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import deltaE_ciede2000, rgb2lab

from dynseg.figures.palette import (
    BOUNDARY_COLOUR,
    PALETTE_SIZE,
    VOID,
    VOID_COLOUR,
    adjacent_labels,
    assign_colours,
    colour_differences,
    distinct_colours,
    draw_boundaries,
    mean_colours,
    paint,
    perceived_differences,
)

label_maps = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 60))


def quarters(size: int = 8) -> np.ndarray:
    half = np.repeat([0, 1], size // 2)
    return half[:, None] * 2 + half[None]


def test_each_colour_is_as_far_as_possible_from_those_before_it() -> None:
    levels = np.linspace(0, 255, 14).round().astype(np.uint8)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness, a, b = rgb2lab(candidates).T
    chroma = np.hypot(a, b)
    candidates = candidates[(lightness > 28) & (lightness < 90) & (chroma > 20) & (chroma < 80)]
    # Blue is safe for every reader and calm as the colour of a map's largest cluster.
    chosen = [int(perceived_differences(np.array([[68, 119, 170]], np.uint8), candidates).argmin())]
    nearest = np.full(len(candidates), np.inf)
    while len(chosen) < PALETTE_SIZE:
        nearest = np.minimum(nearest, perceived_differences(candidates[chosen[-1:]], candidates)[0])
        chosen.append(int(nearest.argmax()))
    np.testing.assert_array_equal(distinct_colours(), candidates[chosen])


def test_every_two_colours_of_the_palette_differ_clearly() -> None:
    lab = rgb2lab(distinct_colours())
    differences = deltaE_ciede2000(lab[:, None], lab[None])
    assert differences[~np.eye(PALETTE_SIZE, dtype=bool)].min() > 10


def test_the_first_colours_differ_for_a_deuteranopic_reader() -> None:
    # Viénot, Brettel and Mollon (1999), another model than the one the palette is made with.
    linear = (distinct_colours()[:8] / 255) ** 2.2
    seen = linear @ np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]).T
    lab = rgb2lab(np.clip(seen, 0, 1) ** (1 / 2.2))
    differences = deltaE_ciede2000(lab[:, None], lab[None])
    assert differences[~np.eye(8, dtype=bool)].min() > 5


def test_neighbours_are_pairs_that_share_a_side() -> None:
    assert adjacent_labels(quarters()).tolist() == [[0, 1], [0, 2], [1, 3], [2, 3]]


@given(label_maps)
@settings(max_examples=60, deadline=None)
def test_neighbours_never_share_a_colour_and_a_cluster_has_one(labels: np.ndarray) -> None:
    painted = assign_colours(labels)
    colour_of = {label: set(painted[labels == label].tolist()) for label in np.unique(labels).tolist()}
    assert all(len(colours) == 1 for colours in colour_of.values())
    for first, second in adjacent_labels(labels).tolist():
        assert colour_of[first] != colour_of[second]


@given(label_maps)
@settings(max_examples=30, deadline=None)
def test_a_map_with_few_clusters_uses_no_colour_twice(labels: np.ndarray) -> None:
    labels = labels % PALETTE_SIZE
    painted = assign_colours(labels)
    assert len(np.unique(painted)) == len(np.unique(labels))


@given(label_maps, st.permutations(range(61)))
@settings(max_examples=30, deadline=None)
def test_the_same_map_with_other_numbers_keeps_its_colours(labels: np.ndarray, numbers: list[int]) -> None:
    labels = labels % PALETTE_SIZE
    first = assign_colours(labels)
    np.testing.assert_array_equal(assign_colours(np.array(numbers)[labels], [first]), first)


def test_neighbours_in_a_crowded_map_differ_clearly() -> None:
    labels = np.arange(400).reshape(20, 20).repeat(4, axis=0).repeat(4, axis=1)
    painted = assign_colours(labels)
    colours = dict(zip(labels.ravel().tolist(), painted.ravel().tolist(), strict=True))
    differences = [colour_differences()[colours[a], colours[b]] for a, b in adjacent_labels(labels).tolist()]
    assert min(differences) >= 12


def test_a_cluster_keeps_the_colour_of_its_area_and_a_new_one_gets_another() -> None:
    truth = quarters()
    first = assign_colours(truth)
    moved = 9 - truth
    moved[:2, :4] = 20
    painted = assign_colours(moved, [first])
    assert (painted[2:] == first[2:]).all()
    assert (painted[:2, 4:] == first[:2, 4:]).all()
    assert not np.isin(painted[:2, :4], first).any()


def test_void_is_light_grey_and_takes_no_colour() -> None:
    segments = quarters()
    painted = assign_colours(segments, void=0)
    assert (painted[segments == 0] == VOID).all()
    assert (paint(painted)[segments == 0] == VOID_COLOUR).all()
    assert VOID not in painted[segments > 0]


def test_the_mean_colour_is_that_of_the_clusters_pixels() -> None:
    image = np.zeros((2, 4, 3), np.uint8)
    image[:, :2] = [10, 20, 30]
    image[:, 2] = [100, 0, 0]
    image[:, 3] = [200, 0, 50]
    labels = np.array([[7, 7, 3, 3]] * 2)
    picture = mean_colours(image, labels)
    assert picture[0].tolist() == [[10, 20, 30]] * 2 + [[150, 0, 25]] * 2


@pytest.mark.parametrize("width", [1, 2])
def test_boundaries_run_between_clusters_and_leave_the_rest_alone(width: int) -> None:
    image = np.full((9, 12, 3), 80, np.uint8)
    labels = np.zeros((9, 12), int)
    labels[:, 6:] = 1
    picture = draw_boundaries(image, labels, width)
    drawn = (picture == BOUNDARY_COLOUR).all(axis=2)
    assert drawn[:, 5:7].any(axis=1).all()
    assert not drawn[:, :4].any()
    assert not drawn[:, 8:].any()
    assert (picture[~drawn] == 80).all()
