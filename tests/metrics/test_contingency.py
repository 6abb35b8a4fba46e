import numpy as np
import pytest
from hypothesis import given, strategies
from random_label_maps import label_map_pairs, quickly

from dynseg.metrics import contingency_table, with_columns_joined


def dense(table):
    full = np.zeros((table.row_areas.size, table.column_areas.size), dtype=int)
    full[table.rows, table.columns] = table.counts
    return full


@quickly
@given(label_map_pairs())
def test_every_cell_counts_the_pixels_of_both_labels(pair):
    annotation, prediction = pair
    expected = [
        [np.sum((annotation == row) & (prediction == column)) for column in np.unique(prediction)]
        for row in np.unique(annotation)
    ]
    table = contingency_table(annotation, prediction)
    np.testing.assert_array_equal(dense(table), expected)
    np.testing.assert_array_equal(table.row_areas, np.sum(expected, axis=1))
    np.testing.assert_array_equal(table.column_areas, np.sum(expected, axis=0))
    assert np.all(table.counts > 0)


@quickly
@given(label_map_pairs())
def test_exchanging_the_label_maps_transposes_the_table(pair):
    annotation, prediction = pair
    there, back = contingency_table(annotation, prediction), contingency_table(prediction, annotation)
    np.testing.assert_array_equal(dense(there), dense(back).T)


@quickly
@given(label_map_pairs())
def test_labels_far_apart_and_close_give_the_same_table(pair):
    annotation, prediction = pair
    far = contingency_table(annotation.astype(np.int64) * 10**15, prediction.astype(np.uint32) * 70_001 + 65_536)
    np.testing.assert_array_equal(dense(far), dense(contingency_table(annotation, prediction)))


@quickly
@given(label_map_pairs())
def test_void_pixels_are_left_out(pair):
    annotation, prediction = pair
    table = contingency_table(annotation, prediction, void=0)
    scored = annotation != 0
    assert table.pixels == scored.sum()
    assert table.row_areas.size == np.unique(annotation[scored]).size
    assert table.column_areas.size == np.unique(prediction[scored]).size


def test_a_label_for_every_pixel():
    labels = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    table = contingency_table(labels, labels[::-1])
    assert table.counts.size == table.row_areas.size == table.column_areas.size == 65_536


@pytest.mark.parametrize("highest", [254, 255, 65_534, 65_535])
def test_the_highest_label_of_a_type_does_not_overflow(highest):
    labels = np.array([[0, highest]], dtype=np.min_scalar_type(highest))
    np.testing.assert_array_equal(dense(contingency_table(labels, labels)), np.eye(2))


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (np.zeros((2, 3), dtype=int), r"shape \(2, 3\) isn't the annotation's \(2, 2\)"),
        (np.array([[0, -1], [0, 0]]), "negative label -1"),
        (np.zeros((2, 2)), "whole-number labels, not float64"),
        (np.zeros((0, 2), dtype=int), "empty"),
        (np.array([[0, 2**64 - 1], [0, 0]], dtype=np.uint64), "highest possible"),
    ],
)
def test_unusable_labels_are_refused(prediction, message):
    with pytest.raises(ValueError, match=message):
        contingency_table(np.zeros((2, 2), dtype=np.uint8), prediction)


@quickly
@given(label_map_pairs(), strategies.lists(strategies.integers(0, 3), min_size=6, max_size=6))
def test_joining_columns_is_joining_labels(pair, joined):
    annotation, prediction = pair
    present, numbered = np.unique(prediction, return_inverse=True)
    segment_of_column = np.array(joined)[present]
    expected = contingency_table(annotation, segment_of_column[numbered].reshape(prediction.shape))
    found = with_columns_joined(contingency_table(annotation, prediction), segment_of_column)
    np.testing.assert_array_equal(dense(found), dense(expected))
    np.testing.assert_array_equal(found.column_areas, expected.column_areas)
    np.testing.assert_array_equal(found.row_areas, expected.row_areas)
