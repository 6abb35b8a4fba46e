import doctest
import io
import tarfile

import numpy as np
import pytest
from hypothesis import assume, given, strategies
from hypothesis.extra import numpy as arrays
from PIL import Image
from random_label_maps import label_map_pairs, quickly
from scipy.optimize import linear_sum_assignment

from dynseg.io.mat_files import read_mat_annotations, read_mat_contour_map, read_mat_label_map_series
from dynseg.metrics import (
    BoundarySums,
    boundaries,
    boundary_f_measure,
    boundary_map,
    boundary_scores,
    boundary_sums,
    boundary_sums_by_annotator,
    connected_components,
    contour_boundaries,
    contour_boundary_sums,
    label_boundaries,
    match_boundaries,
)

tolerances = strategies.floats(0, 0.6)


@strategies.composite
def boundary_pairs(draw, dtype=np.bool_):
    """Two maps of one shape with boundaries anywhere."""
    shape = draw(arrays.array_shapes(min_dims=2, max_dims=2, max_side=7))
    return tuple(draw(arrays.arrays(dtype, shape)) for _ in range(2))


def boundary_map_by_definition(labels):
    """The benchmark's boundaries in double size: pixels at odd places, and what is between them at even ones."""
    height, width = labels.shape
    double = np.zeros((2 * height + 1, 2 * width + 1), dtype=bool)
    double[2:-1:2, 1::2] = labels[:-1] != labels[1:]
    double[1::2, 2:-1:2] = labels[:, :-1] != labels[:, 1:]
    for row in range(2, 2 * height, 2):
        for column in range(2, 2 * width, 2):
            around = double[row - 1, column], double[row + 1, column], double[row, column - 1], double[row, column + 1]
            double[row, column] = any(around)
    # The frame has what is next to it.
    double[0], double[:, 0], double[-1], double[:, -1] = double[1], double[:, 1], double[-2], double[:, -2]
    return double[2::2, 2::2]


def largest_matching(first, second, tolerance):
    """The most pairs within a tolerance, and their least total distance, by a method that takes all pairs."""
    squared = np.square(np.argwhere(first)[:, np.newaxis] - np.argwhere(second)).sum(axis=2)
    within = squared <= (tolerance * np.hypot(*first.shape)) ** 2
    rows, columns = linear_sum_assignment(np.where(within, np.sqrt(squared), 1000.0))
    paired = within[rows, columns]
    return paired.sum(), np.sqrt(squared[rows, columns])[paired].sum()


@quickly
@given(label_map_pairs(labels=3))
def test_boundaries_are_those_of_the_definition(pair):
    np.testing.assert_array_equal(boundary_map(pair[0]), boundary_map_by_definition(pair[0]))


@quickly
@given(label_map_pairs(labels=3), strategies.permutations(range(3)))
def test_numbers_of_the_labels_do_not_matter(pair, numbers):
    np.testing.assert_array_equal(label_boundaries(pair[0]), label_boundaries(np.array(numbers)[pair[0]]))


@quickly
@given(label_map_pairs(labels=3))
def test_thinned_boundaries_are_part_of_the_boundaries_with_as_many_pieces(pair):
    wide, narrow = boundary_map(pair[0]), label_boundaries(pair[0])
    assert not np.any(narrow & ~wide)
    np.testing.assert_array_equal(contour_boundaries(narrow, 1), narrow)
    pieces = [np.unique(connected_components(each, 8)[each]).size for each in (wide, narrow)]
    assert pieces[0] == pieces[1]


@quickly
@given(boundary_pairs(), tolerances)
def test_as_many_pixels_are_matched_as_can_be(pair, tolerance):
    matched_first, matched_second = match_boundaries(*pair, tolerance)
    assert not np.any(matched_first & ~pair[0])
    assert not np.any(matched_second & ~pair[1])
    assert matched_first.sum() == matched_second.sum() == largest_matching(*pair, tolerance)[0]


@quickly
@given(boundary_pairs(), tolerances)
def test_the_pixels_matched_are_the_closest(pair, tolerance):
    # Which pixels are matched isn't unique; what they cost is, but for the rounding to hundredths of a pixel.
    matched = match_boundaries(*pair, tolerance)
    count, cost = largest_matching(*pair, tolerance)
    assert largest_matching(*matched, tolerance) == (count, pytest.approx(cost, abs=0.011 * max(count, 1)))


@quickly
@given(boundary_pairs(), tolerances)
def test_either_map_may_be_the_first(pair, tolerance):
    there = boundary_sums([pair[0]], pair[1], tolerance)
    back = boundary_sums([pair[1]], pair[0], tolerance)
    assert (there.recall, there.precision) == (back.precision, back.recall)
    assert there.f_measure == pytest.approx(back.f_measure)


@quickly
@given(boundary_pairs(), tolerances)
def test_mirrored_maps_match_as_well(pair, tolerance):
    expected = match_boundaries(*pair, tolerance)[0].sum()
    for change in (np.flipud, np.fliplr, np.transpose):
        assert match_boundaries(change(pair[0]), change(pair[1]), tolerance)[0].sum() == expected


@quickly
@given(boundary_pairs(), tolerances, tolerances)
def test_a_wider_tolerance_never_matches_fewer(pair, one, other):
    narrow, wide = (match_boundaries(*pair, tolerance)[0].sum() for tolerance in sorted((one, other)))
    assert narrow <= wide


@quickly
@given(label_map_pairs(), tolerances)
def test_the_annotation_itself_is_found_whole(pair, tolerance):
    annotation = pair[0]
    assume(np.unique(annotation).size > 1)
    itself = label_boundaries(annotation)
    sums = boundary_sums([itself], itself, tolerance)
    assert sums == (itself.sum(),) * 4
    assert sums.recall == sums.precision == sums.f_measure == 1
    assert boundary_f_measure(annotation, annotation, tolerance) == 1


@quickly
@given(label_map_pairs(), strategies.integers(-3, 3), strategies.integers(-3, 3))
def test_boundaries_shifted_within_the_tolerance_are_found_whole(pair, down, right):
    padded = np.pad(label_boundaries(pair[0]), 3)
    assume(padded.any())
    shifted = np.roll(padded, (down, right), axis=(0, 1))
    distance, diagonal = np.hypot(down, right), np.hypot(*padded.shape)
    assert boundary_sums([padded], shifted, (distance + 1e-6) / diagonal).f_measure == 1
    lone = np.zeros_like(padded)
    lone[3, 3] = True
    moved = np.roll(lone, (down, right), axis=(0, 1))
    just_too_little = max(0, (distance - 1e-6) / diagonal)
    assert boundary_sums([lone], moved, just_too_little).f_measure == (distance == 0)


@quickly
@given(boundary_pairs(), boundary_pairs(), tolerances)
def test_annotators_add_up(pair, other, tolerance):
    height, width = (min(sizes) for sizes in zip(pair[0].shape, other[0].shape, strict=True))
    annotated, predicted = [each[:height, :width] for each in (*pair, other[0])], other[1][:height, :width]
    of_all = boundary_sums(annotated, predicted, tolerance)
    of_each = [boundary_sums([boundaries], predicted, tolerance) for boundaries in annotated]
    assert of_all.matched_annotated == sum(sums.matched_annotated for sums in of_each)
    assert of_all.annotated == sum(sums.annotated for sums in of_each)
    assert of_all.predicted == predicted.sum()
    matched = [sums.matched_predicted for sums in of_each]
    assert max(matched) <= of_all.matched_predicted <= min(sum(matched), of_all.predicted)
    twice = boundary_sums([*annotated, *annotated], predicted, tolerance)
    assert (twice.recall, twice.precision) == (of_all.recall, of_all.precision)


@quickly
@given(boundary_pairs(np.uint8), tolerances)
def test_contours_are_cut_at_each_threshold(pair, tolerance):
    annotated, strengths = [pair[0] > 100], pair[1]
    thresholds = [0, 50, 50, 200, 255, 256]
    expected = [boundary_sums(annotated, contour_boundaries(strengths, each), tolerance) for each in thresholds]
    assert contour_boundary_sums(annotated, strengths, thresholds, tolerance) == expected
    assert contour_boundary_sums(annotated, strengths, reversed(thresholds), tolerance) == expected[::-1]


def test_contours_as_strong_as_the_threshold_count():
    strengths = np.array([[0.0, 0.5, 0.0]])
    assert contour_boundaries(strengths, 0.5).sum() == 1
    assert contour_boundaries(strengths, 0.501).sum() == 0


def test_a_pixel_exactly_at_the_tolerance_is_matched():
    first, second = np.zeros((2, 300, 400), dtype=bool)
    first[10, 10] = second[13, 14] = True
    assert match_boundaries(first, second, 5 / 500)[0].sum() == 1
    assert match_boundaries(first, second, 4.999 / 500)[0].sum() == 0


def test_more_pairs_go_before_closer_pairs():
    first = np.array([[1, 0, 0, 1, 0, 0, 0]], dtype=bool)
    second = np.array([[0, 0, 1, 0, 0, 0, 1]], dtype=bool)
    # The closest two leave no partner for the other two.
    for one, other in ((first, second), (second, first)):
        matched = match_boundaries(one, other, 3 / np.hypot(1, 7))
        np.testing.assert_array_equal(matched, [one, other])


def test_the_closest_of_several_pixels_is_matched():
    first = np.array([[0, 0, 1, 0, 0, 0]], dtype=bool)
    second = np.array([[1, 0, 0, 1, 1, 1]], dtype=bool)
    np.testing.assert_array_equal(match_boundaries(first, second, 1)[1], [[0, 0, 0, 1, 0, 0]])
    np.testing.assert_array_equal(match_boundaries(second, first, 1)[0], [[0, 0, 0, 1, 0, 0]])


def test_one_region_has_no_boundaries_to_agree_on():
    blank, halves = np.ones((4, 6), dtype=int), np.repeat([[1, 2]], 3, axis=1).repeat(4, axis=0)
    assert not label_boundaries(blank).any()
    assert (
        boundary_f_measure(blank, blank) == boundary_f_measure(blank, halves) == boundary_f_measure(halves, blank) == 0
    )
    assert boundary_sums([], label_boundaries(halves)) == (0, 0, 0, 4)


def test_one_of_two_annotators_is_enough_for_precision():
    annotations = np.array([[[1, 2, 2, 2, 2, 2]], [[1, 1, 1, 1, 2, 2]]])
    prediction = np.array([[1, 2, 2, 2, 3, 3]])
    sums = boundary_sums(map(label_boundaries, annotations), label_boundaries(prediction))
    assert (sums.recall, sums.precision) == (1, 1)
    sums = boundary_sums([label_boundaries(annotations[0])], label_boundaries(prediction))
    assert (sums.recall, sums.precision, sums.f_measure) == (1, 0.5, pytest.approx(2 / 3))
    assert boundary_f_measure(annotations, prediction) == 1


counts = strategies.tuples(*[strategies.integers(0, 50)] * 4).map(
    lambda four: BoundarySums(min(four[:2]), max(four[:2]), min(four[2:]), max(four[2:]))
)


@quickly
@given(
    strategies.integers(1, 4).flatmap(
        lambda scales: strategies.lists(strategies.tuples(*[counts] * scales), min_size=1, max_size=4)
    )
)
def test_the_best_scale_is_no_worse_than_any_counted(sums):
    scales = np.arange(len(sums[0])) + 1
    scores = boundary_scores(sums, scales)
    added_up = [BoundarySums(*each) for each in np.sum(sums, axis=0)]
    assert scores.dataset_f_measure >= max(each.f_measure for each in added_up) - 1e-12
    assert 1 <= scores.dataset_scale <= len(scales)
    for image, best in zip(sums, scores.image_scales, strict=True):
        assert image[best].f_measure == max(each.f_measure for each in image)
    chosen = np.sum([image[best] for image, best in zip(sums, scores.image_scales, strict=True)], axis=0)
    assert scores.image_recall == pytest.approx(BoundarySums(*chosen).recall)
    assert scores.image_precision == pytest.approx(BoundarySums(*chosen).precision)
    assert scores.image_f_measure == pytest.approx(BoundarySums(*chosen).f_measure)
    assert 0 <= scores.average_precision <= 1.01


def test_the_best_scale_may_lie_between_two():
    # Recall falls from .9 to .3 and precision rises from .3 to .9: in the middle both are .6.
    scores = boundary_scores([[(90, 100, 30, 100), (30, 100, 90, 100)]], [10, 20])
    assert scores.dataset_scale == pytest.approx(15, abs=0.06)
    assert scores.dataset_f_measure == pytest.approx(0.6, abs=1e-4)
    assert scores.dataset_recall + scores.dataset_precision == pytest.approx(1.2)
    # From .3 to .9, 61 of the recalls have precisions from .9 to .3.
    assert scores.average_precision == pytest.approx(61 * 0.6 / 100, abs=0.01)


def test_each_image_has_its_best_scale_the_first_on_a_tie():
    better_late = [(1, 10, 1, 10), (8, 10, 8, 10), (8, 10, 8, 10)]
    better_early = [(6, 10, 6, 10), (1, 10, 1, 10), (0, 10, 0, 10)]
    scores = boundary_scores([better_late, better_early], [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(scores.image_scales, [1, 0])
    assert scores.image_recall == scores.image_precision == scores.image_f_measure == pytest.approx(0.7)
    assert scores.dataset_scale == pytest.approx(0.2)
    assert scores.dataset_f_measure == pytest.approx(0.45)


def test_one_scale_has_no_area():
    scores = boundary_scores([[(5, 10, 5, 10)]], [0.5])
    assert (scores.dataset_scale, scores.dataset_f_measure, scores.image_f_measure) == (0.5, 0.5, 0.5)
    assert scores.average_precision == 0


LINE = np.array([[True, False]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: boundary_map(np.zeros((2, 2))), "whole-number"),
        (lambda: boundary_map(np.zeros((2, 2, 2), dtype=int)), "two dimensions"),
        (lambda: label_boundaries(np.zeros((0, 2), dtype=int)), "empty"),
        (lambda: contour_boundaries(np.zeros((2, 2, 2)), 0.5), "two dimensions"),
        (lambda: contour_boundary_sums([LINE], np.zeros((0, 2)), [0.5]), "non-empty"),
        (lambda: match_boundaries(LINE, LINE.T), r"\(1, 2\) and \(2, 1\) differ"),
        (lambda: match_boundaries(LINE, LINE.astype(int)), "boolean"),
        (lambda: match_boundaries(LINE[0], LINE[0]), "boolean"),
        (lambda: match_boundaries(LINE, LINE, -0.1), "0 or more, not -0.1"),
        (lambda: match_boundaries(LINE, LINE, np.nan), "0 or more, not nan"),
        (lambda: boundary_scores([[(1, 1, 1, 1)]], [0.1, 0.2]), "don't fit"),
        (lambda: boundary_scores([(1, 1, 1, 1)], [0.1]), "don't fit"),
        (lambda: boundary_scores(np.zeros((0, 2, 4)), [0.1, 0.2]), "nothing to collect"),
    ],
)
def test_unusable_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_examples_of_the_documentation():
    assert doctest.testmod(boundaries).failed == 0


@pytest.fixture(scope="module")
def sample(archives):
    """The files of the Berkeley benchmark's own five images, by their names below `bench/data`."""
    with tarfile.open(archives / "bsds_bench_sample.tgz") as archive:
        members = (member for member in archive if member.isfile() and "/bench/data/" in f"/{member.name}")
        return {
            f"/{member.name}".partition("/bench/data/")[2]: archive.extractfile(member).read() for member in members
        }


@pytest.fixture(scope="module")
def annotated(sample):
    names = sorted(name for name in sample if name.startswith("groundTruth/"))
    return {
        name.removeprefix("groundTruth/").removesuffix(".mat"): [
            label_boundaries(labels) for labels in read_mat_annotations(sample[name], name)
        ]
        for name in names
    }


# What the benchmark prints: ODS's scale, recall, precision and F, OIS's recall, precision and F, and AP.
PRINTED = {"ucm2": "test_1", "png": "test_2", "segs": "test_3"}


@pytest.mark.archives
@pytest.mark.parametrize("form", PRINTED)
def test_the_benchmark_prints_the_same(sample, annotated, form):
    # Not k/6 to the last bit, which a grey of 85/255 would tell from these.
    thresholds = np.linspace(1 / 6, 1 - 1 / 6, 5)
    sums = []
    for image_id, of_image in annotated.items():
        if form == "segs":
            series = read_mat_label_map_series(sample[f"segs/{image_id}.mat"], image_id)
            sums.append([boundary_sums(of_image, label_boundaries(labels)) for labels in series])
            continue
        if form == "ucm2":
            strengths = read_mat_contour_map(sample[f"ucm2/{image_id}.mat"], image_id)[2::2, 2::2]
        else:
            strengths = np.asarray(Image.open(io.BytesIO(sample[f"png/{image_id}.png"]))) / 255
        sums.append(contour_boundary_sums(of_image, strengths, thresholds))
    scores = boundary_scores(sums, np.arange(1, 6) if form == "segs" else thresholds)
    names = ("dataset_scale", "dataset_recall", "dataset_precision", "dataset_f_measure", "image_recall")
    names += ("image_precision", "image_f_measure", "average_precision")
    printed = np.array(sample[f"{PRINTED[form]}/eval_bdry.txt"].split(), dtype=float)
    assert [getattr(scores, name) for name in names] == pytest.approx(printed, abs=0.001)
    by_scale = np.array(sample[f"{PRINTED[form]}/eval_bdry_thr.txt"].split(), dtype=float).reshape(5, 4)
    added_up = [BoundarySums(*each) for each in np.sum(sums, axis=0)]
    measured = [(each.recall, each.precision, each.f_measure) for each in added_up]
    np.testing.assert_allclose(measured, by_scale[:, 1:], atol=0.001)


@quickly
@given(strategies.lists(arrays.arrays(np.bool_, (5, 6)), min_size=1, max_size=4), tolerances)
def test_sums_by_annotator_add_up(maps, tolerance):
    *annotated, predicted = maps
    by_annotator = boundary_sums_by_annotator(annotated, predicted, tolerance)
    assert len(by_annotator) == len(annotated)
    assert [each.annotated for each in by_annotator] == [np.count_nonzero(each) for each in annotated]
    assert not any(each.predicted or each.matched_predicted for each in by_annotator[1:])
    together = boundary_sums(annotated, predicted, tolerance)
    assert together.predicted == np.count_nonzero(predicted)
    if annotated:
        assert together == tuple(np.sum(by_annotator, axis=0))
    alone = [boundary_sums([each], predicted, tolerance).matched_annotated for each in annotated]
    assert [each.matched_annotated for each in by_annotator] == alone
