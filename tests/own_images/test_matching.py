"""The same thing keeps its label through a series, whatever numbers each image's label map has."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.own_images.matching import Series, in_order

SHAPE = (12, 16)
SMALL = st.tuples(st.integers(1, 9), st.integers(1, 9))
MAPS = SMALL.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 5)))


def picture(labels: NDArray, seed: int = 0) -> NDArray[np.float32]:
    """Every label in its own colour, with noise."""
    rng = np.random.default_rng(seed)
    colours = np.random.default_rng(1).random((256, 3))
    return np.clip(colours[labels] + rng.normal(0, 0.02, (*labels.shape, 3)), 0, 1).astype(np.float32)


def scene(shift: int = 0) -> NDArray[np.uint8]:
    """A background with three things, moved to the right."""
    labels = np.zeros((40, 60), np.uint8)
    labels[4:14, 5 + shift : 17 + shift] = 1
    labels[20:34, 8 + shift : 20 + shift] = 2
    labels[10:30, 30 + shift : 40 + shift] = 3
    return labels


def pairs(first: NDArray, second: NDArray) -> set[tuple[int, int]]:
    return set(zip(first.ravel().tolist(), second.ravel().tolist(), strict=True))


def is_one_to_one(found: set[tuple[int, int]]) -> bool:
    return len(found) == len({first for first, _ in found}) == len({second for _, second in found})


@settings(max_examples=25)
@given(labels=MAPS, repeats=st.integers(1, 7))
def test_equal_images_keep_all_labels(labels: NDArray, repeats: int) -> None:
    series, image = Series(), picture(labels)
    first = series.match("0", labels, image)
    assert is_one_to_one(pairs(labels, first))
    assert set(np.unique(first)) == set(range(1, len(np.unique(labels)) + 1))
    for repeat in range(repeats):
        np.testing.assert_array_equal(series.match(str(repeat), labels, image), first)


@settings(max_examples=25)
@given(
    first=arrays(np.uint8, SHAPE, elements=st.integers(0, 6)),
    second=arrays(np.uint8, SHAPE, elements=st.integers(0, 6)),
    order=st.permutations(range(7)),
    numbers=st.permutations(range(40, 47)),
)
def test_the_numbers_of_the_label_maps_do_not_matter(
    first: NDArray, second: NDArray, order: list[int], numbers: list[int]
) -> None:
    images = picture(first), picture(second, 1)
    one, other = Series(), Series()
    for place, (labels, renamed) in enumerate([(first, np.array(order)[first]), (second, np.array(numbers)[second])]):
        expected = one.match(str(place), labels, images[place])
        np.testing.assert_array_equal(other.match(str(place), renamed, images[place]), expected)
        assert is_one_to_one(pairs(labels, expected))


@settings(max_examples=25)
@given(maps=st.lists(arrays(np.uint8, SHAPE, elements=st.integers(0, 6)), min_size=2, max_size=9))
def test_no_label_is_used_for_two_things(maps: list[NDArray]) -> None:
    """A label that an image has first is larger than all that were there before."""
    series, largest, seen = Series(), 0, set()
    for place, labels in enumerate(maps):
        found = set(np.unique(series.match(str(place), labels, picture(labels, place))).tolist())
        new = sorted(found - seen)
        assert new == list(range(largest + 1, largest + 1 + len(new)))
        largest, seen = largest + len(new), seen | found
        assert len(found) == len(np.unique(labels))


@settings(max_examples=25)
@given(steps=st.lists(st.integers(-3, 3), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_things_that_move_by_a_few_pixels_keep_their_labels(steps: list[int], seed: int) -> None:
    series, shift = Series(), 4
    first = series.match("first", scene(shift), picture(scene(shift)))
    expected = {int(label): int(first[scene(4) == label][0]) for label in range(4)}
    rng = np.random.default_rng(seed)
    for step in steps:
        shift = min(max(shift + step, 0), 20)
        labels = scene(shift)
        found = series.match("next", rng.permutation(4)[labels], picture(labels, seed))
        for label, number in expected.items():
            assert (found[labels == label] == number).all()


def test_what_is_new_gets_a_new_label_and_what_was_hidden_for_a_while_its_own() -> None:
    series = Series()
    full = scene()
    hidden = np.where(full == 2, 0, full)
    first = series.match("a", full, picture(full))
    assert series.told == "4 of 4 things are new"
    for name in "bcd":
        assert set(np.unique(series.match(name, hidden, picture(hidden)))) == set(np.unique(first[full != 2]))
    another = np.where(full == 2, 9, full)
    assert series.match("e", another, picture(another)).max() == 5
    assert series.told == "1 of 4 things are new"
    np.testing.assert_array_equal(series.match("f", full, picture(full)), first)


def test_a_series_of_other_sizes_and_what_has_no_data() -> None:
    labels = scene()
    twice = labels.repeat(2, axis=0).repeat(2, axis=1)
    series = Series()
    first = series.match("a", labels, picture(labels))
    valid = np.ones(twice.shape, np.bool_)
    valid[:, :6] = False
    second = series.match("b", twice, picture(twice), valid)
    assert (second[~valid] == 0).all()
    np.testing.assert_array_equal(second[valid], first.repeat(2, axis=0).repeat(2, axis=1)[valid])
    assert (series.match("c", twice, picture(twice), np.zeros_like(valid)) == 0).all()


def test_images_of_8_bits_are_those_of_fractions() -> None:
    labels = scene()
    image = np.rint(picture(labels) * 255).astype(np.uint8)
    series = Series()
    first = series.match("a", labels, image)
    np.testing.assert_array_equal(series.match("b", labels, (image / 255).astype(np.float32)), first)


def test_other_channels_are_refused() -> None:
    series, labels = Series(), scene()
    series.match("a", labels, picture(labels))
    with pytest.raises(UserError, match=r"it has 2 channels and the images before it 3: choose the same"):
        series.match("b", labels, picture(labels)[:, :, :2])
    assert series.names == ["a"]


def test_a_series_goes_on_from_its_file(tmp_path: Path) -> None:
    maps = [scene(shift) for shift in range(7)]
    whole, part = Series(), Series()
    for place, labels in enumerate(maps):
        expected = whole.match(str(place), labels, picture(labels))
        found = part.match(str(place), labels, picture(labels))
        np.testing.assert_array_equal(found, expected)
        part.save(tmp_path / "series.npz")
        part = Series.load(tmp_path / "series.npz")
    assert part.names == whole.names
    Series().save(tmp_path / "empty.npz")
    assert Series.load(tmp_path / "empty.npz").things is None
    (tmp_path / "series.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"series\.npz can't be read .*: leave out --resume"):
        Series.load(tmp_path / "series.npz")


@settings(max_examples=25)
@given(names=st.lists(st.from_regex(r"[a-z]{0,2}[0-9]{0,3}(/[a-z0-9]{1,3})?", fullmatch=True), max_size=6))
def test_the_order_of_names_is_one(names: list[str]) -> None:
    ordered = [names[place] for place in in_order(names)]
    assert sorted(ordered) == sorted(names)
    assert [ordered[place] for place in in_order(ordered)] == ordered


def test_numbers_in_names_count() -> None:
    names = ["f10", "f9", "f1", "f09", "b/f2", "b/f1"]
    assert [names[place] for place in in_order(names)] == ["b/f1", "b/f2", "f1", "f09", "f9", "f10"]
