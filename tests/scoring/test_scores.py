import numpy as np
import pandas as pd
import pytest
from ground_truth_files import write_ground_truth
from skimage.segmentation import felzenszwalb

from dynseg.datasets.preparing import prepare
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_annotated_ids
from dynseg.io.images import read_image
from dynseg.io.label_maps import write_label_maps
from dynseg.metrics import (
    best_overlaps,
    connected_components,
    covering,
    miou,
    probabilistic_rand_index,
    variation_of_information,
)
from dynseg.result import Segmentation
from dynseg.scoring.measures import BY_NAME
from dynseg.scoring.pooling import image_sums, pool, pool_scales
from dynseg.scoring.scores import (
    SCORE_COLUMNS,
    read_scores,
    score_image,
    score_run,
    score_scales,
    score_table,
    write_scores,
)


def random_annotations(images=5, seed=0):
    """Annotations and predictions of images of several sizes and numbers of annotators."""
    random = np.random.default_rng(seed)
    annotations, predictions = {}, {}
    for number in range(images):
        shape = (6 + number, 9)
        annotators = [random.integers(1, 2 + random.integers(1, 6), shape) for _ in range(2 + number % 3)]
        annotations[f"{number:03}"] = np.stack(annotators).astype(np.uint8)
        predictions[f"{number:03}"] = random.integers(0, 4, shape).astype(np.uint8)
    return annotations, predictions


@pytest.fixture
def files(tmp_path):
    annotations, predictions = random_annotations()
    write_ground_truth(tmp_path / "ground_truth.h5", annotations.items(), {})
    items = [(image_id, Segmentation(labels)) for image_id, labels in predictions.items()]
    write_label_maps(tmp_path / "0.h5", items[:2], {})
    write_label_maps(tmp_path / "1.h5", items[2:], {})
    return [tmp_path / "0.h5", tmp_path / "1.h5"], tmp_path / "ground_truth.h5"


def test_a_run_has_a_row_for_each_image_and_annotator(files):
    annotations, _ = random_annotations()
    scores = score_run(*files)
    assert tuple(scores.columns) == SCORE_COLUMNS
    expected = [(image, number) for image in sorted(annotations) for number in range(len(annotations[image]))]
    assert list(zip(scores["image"], scores["annotator"], strict=True)) == expected


@pytest.mark.parametrize("connectivity", [4, 8])
def test_pooled_measures_are_those_of_the_definitions(files, connectivity):
    annotations, predictions = random_annotations()
    pooled = pool(score_run(*files, connectivity))
    for prefix, neighbours in (("", connectivity), ("raw_", None)):
        labels = {
            image: each if neighbours is None else connected_components(each, neighbours)
            for image, each in predictions.items()
        }
        expected = miou(annotations.values(), labels.values(), connectivity=None)
        pixels = [each.size for each in annotations.values()]
        expected["covering"] = np.average([covering(annotations[i], labels[i]) for i in annotations], weights=pixels)
        expected["pri"] = np.mean([probabilistic_rand_index(annotations[i], labels[i]) for i in annotations])
        informations = [[variation_of_information(each, labels[i]) for each in annotations[i]] for i in annotations]
        expected["voi"] = np.mean([np.mean(each) for each in informations])
        assert {name: pooled[prefix + name] for name in expected} == pytest.approx(expected)
    assert pooled["images"] == len(annotations)
    assert pooled["annotations"] == sum(map(len, annotations.values()))
    assert pooled["segments"] == sum(np.unique(each).size for image in annotations.values() for each in image)


def test_pooling_a_subset_needs_no_rescoring(files):
    annotations, predictions = random_annotations()
    scores = score_run(*files)
    subset = ["001", "003"]
    expected = miou([annotations[image] for image in subset], [predictions[image] for image in subset])
    pooled = pool(scores[scores["image"].isin(subset)])
    assert {name: pooled[name] for name in expected} == pytest.approx(expected)


def test_scores_come_back_from_their_file(files, tmp_path):
    scores = score_run(*files)
    write_scores(scores, tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(read_scores(tmp_path / "scores.csv"), scores)


def test_ids_stay_text(tmp_path):
    rows = score_image("0012", np.ones((1, 2, 2), dtype=np.uint8), np.zeros((2, 2), dtype=np.uint8))
    rows += score_image("NA", np.ones((1, 2, 2), dtype=np.uint8), np.zeros((2, 2), dtype=np.uint8))
    write_scores(score_table(rows), tmp_path / "scores.csv")
    assert list(read_scores(tmp_path / "scores.csv")["image"]) == ["0012", "NA"]


def test_pictures_without_annotations_give_an_empty_table(tmp_path):
    write_ground_truth(tmp_path / "ground_truth.h5", [], {})
    write_label_maps(tmp_path / "0.h5", [("a", Segmentation(np.zeros((2, 2), dtype=np.uint8)))], {})
    scores = score_run([tmp_path / "0.h5"], tmp_path / "ground_truth.h5")
    assert tuple(scores.columns) == SCORE_COLUMNS
    assert len(scores) == 0
    write_scores(scores, tmp_path / "scores.csv")
    pooled = pool(read_scores(tmp_path / "scores.csv"))
    assert pooled["images"] == 0
    assert all(np.isnan(pooled[name]) for name in BY_NAME)


def test_an_annotation_that_is_all_void_is_no_annotation():
    segments = np.stack([np.zeros((2, 3), dtype=np.uint8), np.array([[1, 1, 2], [1, 1, 0]], dtype=np.uint8)])
    rows = score_image("a", segments, np.array([[0, 0, 1], [0, 0, 1]]))
    assert [(row["annotator"], row["segments"], row["pixels"]) for row in rows] == [(1, 2, 5)]
    assert pool(score_table(rows))["coarse"] == 1


def test_an_annotated_image_without_label_map_is_named(files):
    label_maps, ground_truth = files
    with pytest.raises(UserError, match="image 002, but no label map"):
        score_run(label_maps[:1], ground_truth)


def test_two_label_maps_of_an_image_are_named(files):
    label_maps, ground_truth = files
    with pytest.raises(UserError, match="both have a label map of image 000"):
        score_run([*label_maps, label_maps[0]], ground_truth)


def test_a_label_map_of_another_size_is_named(files, tmp_path):
    label_maps, ground_truth = files
    write_label_maps(label_maps[0], [(i, Segmentation(np.zeros((3, 3), dtype=np.uint8))) for i in ("000", "001")], {})
    with pytest.raises(UserError, match=r"0\.h5.*image 000.*\(3, 3\).*\(6, 9\)"):
        score_run(label_maps, ground_truth)


@pytest.mark.parametrize("content", ["", "image,annotator\na,0\n", "\0\1"])
def test_a_file_that_is_no_score_table_is_named(tmp_path, content):
    (tmp_path / "scores.csv").write_text(content)
    with pytest.raises(UserError, match=r"scores\.csv .*score the run again"):
        read_scores(tmp_path / "scores.csv")


def test_a_score_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match=r"scores\.csv"):
        read_scores(tmp_path / "scores.csv")


def scales_of(annotations, scales=4):
    random = np.random.default_rng(5)
    return {
        image: [random.integers(0, 1 + scale, segments.shape[1:]) for scale in range(scales)]
        for image, segments in annotations.items()
    }


def tables_of_scales(annotations, label_maps):
    scales, best = [], []
    for image, segments in annotations.items():
        rows, best_rows = score_scales(image, segments, label_maps[image])
        scales.append(rows)
        best += best_rows
    tables = [score_table([row for rows in of_scale for row in rows]) for of_scale in zip(*scales, strict=True)]
    return tables, score_table(best)


def test_each_scale_is_scored_as_if_alone():
    annotations, _ = random_annotations()
    label_maps = scales_of(annotations)
    tables, _ = tables_of_scales(annotations, label_maps)
    for scale, table in enumerate(tables):
        alone = [row for i, segments in annotations.items() for row in score_image(i, segments, label_maps[i][scale])]
        pd.testing.assert_frame_equal(table, score_table(alone))


def test_a_scale_that_repeats_the_label_map_repeats_its_scores():
    annotations, predictions = random_annotations(images=1)
    rows, _ = score_scales("000", annotations["000"], [predictions["000"]] * 2)
    assert rows[0] == rows[1]


def test_optimal_scales_follow_their_definitions():
    annotations, _ = random_annotations()
    label_maps = scales_of(annotations)
    tables, best = tables_of_scales(annotations, label_maps)
    pooled = pool_scales(tables, best)
    of_scales = [pool(table) for table in tables]
    for name in BY_NAME:
        choose = min if name.endswith("voi") else max
        assert pooled[name]["ods"] == pytest.approx(choose(scores[name] for scores in of_scales))
    of_images = [[pool(table[table["image"] == image]) for table in tables] for image in annotations]
    informations = [min(scores["voi"] for scores in scales) for scales in of_images]
    assert pooled["voi"]["ois"] == pytest.approx(np.mean(informations))
    pixels = [segments.size for segments in annotations.values()]
    coverings = [max(scores["covering"] for scores in scales) for scales in of_images]
    assert pooled["covering"]["ois"] == pytest.approx(np.average(coverings, weights=pixels))


def test_best_covering_takes_the_best_segment_of_any_scale():
    annotations, _ = random_annotations()
    label_maps = scales_of(annotations)
    tables, best = tables_of_scales(annotations, label_maps)
    covered = pixels = 0
    for image, segments in annotations.items():
        components = [connected_components(labels) for labels in label_maps[image]]
        for annotation in segments:
            overlaps = np.max([best_overlaps(annotation, each) for each in components], axis=0)
            areas = np.unique(annotation, return_counts=True)[1]
            covered += areas @ overlaps
            pixels += annotation.size
    pooled = pool_scales(tables, best)
    assert pooled["covering"]["best"] == pytest.approx(covered / pixels)
    assert pooled["covering"]["best"] >= pooled["covering"]["ois"] >= pooled["covering"]["ods"]
    assert "best" not in pooled["pri"]
    assert "best" not in pooled["voi"]
    assert "best" not in pool_scales(tables)["covering"]


def test_scales_of_other_images_are_refused():
    annotations, _ = random_annotations()
    tables, _ = tables_of_scales(annotations, scales_of(annotations))
    with pytest.raises(UserError, match="same images"):
        pool_scales([tables[0], tables[1].iloc[1:]])


def test_sums_are_one_row_an_image(files):
    sums = image_sums(score_run(*files))
    assert list(sums.index) == ["000", "001", "002", "003", "004"]
    assert (sums["images"] == 1).all()
    assert (sums["fine_segments"] >= sums["coarse_segments"]).all()


def score_test_set(folder, segment):
    """Scores of a method on all of BSD500's test images, from the images as they were prepared in a folder."""
    ground_truth = folder / "ground_truth.h5"
    images = {path.stem: path for path in (folder / "images").iterdir()}
    segmentations = ((i, Segmentation(segment(read_image(images[i])))) for i in read_annotated_ids(ground_truth))
    write_label_maps(folder / "labels.h5", segmentations, {})
    return pool(score_run([folder / "labels.h5"], ground_truth))


@pytest.fixture(scope="module")
def bsd500(archives, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bsd500")
    prepare("bsd500", archives / "BSR_bsds500.tgz", folder, "bsd500", split="test")
    return folder


@pytest.mark.archives
def test_published_figures_of_the_blank_image(bsd500):
    pooled = score_test_set(bsd500, lambda image: np.zeros(image.shape[:2], dtype=np.uint8))
    assert [round(pooled[name], 4) for name in ("all", "fine", "coarse")] == [0.0458, 0.0249, 0.1001]
    assert [pooled[name] for name in ("segments", "fine_segments", "coarse_segments")] == [23192, 8022, 1999]
    assert (pooled["images"], pooled["annotations"]) == (200, 1063)


@pytest.mark.archives
@pytest.mark.slow
def test_measured_figures_of_graph_based_segmentation(bsd500):
    pooled = score_test_set(bsd500, lambda image: felzenszwalb(image, scale=300, sigma=0.5, min_size=20))
    relabelled = [pooled[name] for name in ("all", "fine", "coarse")]
    raw = [pooled[name] for name in ("raw_all", "raw_fine", "raw_coarse")]
    assert relabelled == pytest.approx([0.3571, 0.3361, 0.3789], abs=5e-4)
    assert raw == pytest.approx([0.3539, 0.3315, 0.3780], abs=5e-4)
