import json

import numpy as np
import pytest
from click.testing import CliRunner
from ground_truth_files import write_ground_truth
from PIL import Image
from scipy.io import savemat

from dynseg.cli.score import command
from dynseg.cli.score_run import command as score_run_command
from dynseg.errors import UserError
from dynseg.io.label_maps import write_label_maps
from dynseg.metrics import covering, miou, probabilistic_rand_index, variation_of_information
from dynseg.result import Segmentation
from dynseg.scoring.scores import read_scores

MIOU = {f"{prefix}{name}" for prefix in ("", "raw_") for name in ("all", "fine", "coarse", "mean")}


def run(called, *arguments):
    return CliRunner().invoke(called, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def images(tmp_path):
    """Annotations and unconnected predictions of two images, as files."""
    random = np.random.default_rng(0)
    annotations = {name: random.integers(1, 4, (3, 6, 7)).astype(np.uint8) for name in "ab"}
    predictions = {name: random.integers(0, 3, (6, 7)).astype(np.uint8) for name in "ab"}
    write_ground_truth(tmp_path / "ground_truth.h5", annotations.items(), {})
    (tmp_path / "labels").mkdir()
    for name, labels in predictions.items():
        np.save(tmp_path / "labels" / f"{name}.npy", labels)
    return annotations, predictions


def test_the_object_has_every_measure(images, tmp_path):
    annotations, predictions = images
    result = run(
        command, "--prediction", tmp_path / "labels", "--ground-truth", tmp_path / "ground_truth.h5",
        "--json", tmp_path / "scores.json",
    )  # fmt: skip
    assert result.exit_code == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert list(scores) == ["images", "annotations", "miou", "covering", "pri", "voi"]
    assert set(scores["miou"]) == MIOU
    assert (scores["images"], scores["annotations"]) == (2, 6)
    expected = miou(annotations.values(), predictions.values())
    raw = miou(annotations.values(), predictions.values(), connectivity=None)
    assert scores["miou"] == pytest.approx(expected | {f"raw_{name}": value for name, value in raw.items()})
    assert "2 images, 6 annotations" in result.output
    for value in (scores["miou"]["fine"], scores["miou"]["raw_coarse"], scores["covering"], scores["voi"]):
        assert f"{value:.4f}" in result.output


def test_predictions_can_be_left_as_they_are(images, tmp_path):
    annotations, predictions = images
    result = run(
        command, "--prediction", tmp_path / "labels", "--ground-truth", tmp_path / "ground_truth.h5", "--no-relabel",
        "--json", tmp_path / "scores.json",
    )  # fmt: skip
    assert result.exit_code == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["miou"]["all"] == scores["miou"]["raw_all"]
    assert scores["covering"] == pytest.approx(np.mean([covering(annotations[i], predictions[i]) for i in "ab"]))
    pri = [probabilistic_rand_index(annotations[i], predictions[i]) for i in "ab"]
    assert scores["pri"] == pytest.approx(np.mean(pri))
    voi = [variation_of_information(each, predictions[i]) for i in "ab" for each in annotations[i]]
    assert scores["voi"] == pytest.approx(np.mean(voi))


def test_connectivity_joins_corners(tmp_path):
    diagonal = np.array([[1, 2], [2, 1]])
    np.save(tmp_path / "truth.npy", diagonal)
    np.save(tmp_path / "labels.npy", diagonal)
    arguments = ["--prediction", tmp_path / "labels.npy", "--ground-truth", tmp_path / "truth.npy", "--json"]
    assert run(command, *arguments, tmp_path / "4.json").exit_code == 0
    assert run(command, *arguments, tmp_path / "8.json", "--connectivity", 8).exit_code == 0
    assert json.loads((tmp_path / "4.json").read_text())["miou"]["all"] == 0.5
    assert json.loads((tmp_path / "8.json").read_text())["miou"]["all"] == 1


@pytest.fixture
def contour_maps(tmp_path):
    """Two images: annotated as left and right, one contour map weak between them, one strong."""
    (tmp_path / "contours").mkdir()
    halves = np.array([[[1, 1, 2, 2]] * 4], dtype=np.uint8)
    write_ground_truth(tmp_path / "ground_truth.h5", [("a", halves), ("b", halves)], {})
    for name, middle, across in (("a", 0.1, 0.05), ("b", 0.9, 0.8)):
        strength = np.zeros((9, 9))
        strength[4, :] = across
        strength[:, 4] = middle
        savemat(tmp_path / "contours" / f"{name}.mat", {"ucm2": strength})
    return ["--prediction", tmp_path / "contours", "--ground-truth", tmp_path / "ground_truth.h5"]


def test_contour_maps_have_ods_ois_and_best(contour_maps, tmp_path):
    result = run(command, *contour_maps, "--json", tmp_path / "scores.json")
    assert result.exit_code == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    # Each image has a threshold at which it is right; no threshold suits both: quarters and halves, or one segment.
    assert scores["covering"] == {"ods": pytest.approx(0.75), "ois": pytest.approx(1), "best": pytest.approx(1)}
    assert scores["miou"]["all"] == {"ods": pytest.approx(0.75), "ois": pytest.approx(1), "best": pytest.approx(1)}
    assert scores["pri"]["ois"] == pytest.approx(1)
    assert scores["voi"]["ois"] == pytest.approx(0)
    assert scores["voi"]["best"] is None
    assert "ODS" in result.output


def test_contour_maps_are_cut_at_a_threshold(contour_maps, tmp_path):
    result = run(command, *contour_maps, "--ucm-threshold", 0.07, "--json", tmp_path / "scores.json")
    assert result.exit_code == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["miou"]["all"] == pytest.approx((1 + 1 + 0.5 + 0.5) / 4)


@pytest.fixture
def voc_like(tmp_path):
    """Masks with a border of index 255, and predictions that are right inside of it."""
    for folder in ("palette", "grey", "perfect"):
        (tmp_path / folder).mkdir()
    truth = np.zeros((30, 40), dtype=np.uint8)
    truth[8:20, 10:24], truth[22:28, 30:38] = 1, 15
    neighbours = [np.roll(truth, shift, axis) for axis in (0, 1) for shift in (-1, 1)]
    mask = np.where(np.all([each == truth for each in neighbours], axis=0), truth, 255).astype(np.uint8)
    for name in ("one", "two"):
        grey = Image.fromarray(mask)
        grey.save(tmp_path / "grey" / f"{name}.png")
        palette = grey.convert("P")
        palette.putpalette(list(range(256)) * 3)
        palette.save(tmp_path / "palette" / f"{name}.png")
        Image.fromarray(truth).save(tmp_path / "perfect" / f"{name}.png")
    return tmp_path


@pytest.mark.parametrize("kind", ["palette", "grey"])
def test_pixels_of_a_void_label_are_not_scored(voc_like, kind):
    arguments = ("--prediction", voc_like / "perfect", "--ground-truth", voc_like / kind, "--json", voc_like / "s.json")
    result = run(command, *arguments, "--void", 255)
    assert result.stderr == ""
    scores = json.loads((voc_like / "s.json").read_text())
    assert scores["miou"] == dict.fromkeys(MIOU, 1)
    assert (scores["covering"], scores["pri"], scores["voi"]) == (1, 1, 0)
    # Both the border and the background.
    assert "2 images, 2 annotations, 4 segments" in run(command, *arguments, "--void", 255, "--void", 0).output


def test_a_border_that_would_count_as_a_segment_is_pointed_out_once(voc_like):
    arguments = ("--prediction", voc_like / "perfect", "--ground-truth")
    result = run(command, *arguments, voc_like / "palette")
    assert len(result.stderr.splitlines()) == 1
    assert "one.png has a palette and pixels of index 255" in result.stderr
    assert "--void 255" in result.stderr
    assert "2 images, 2 annotations, 8 segments" in result.stdout
    assert run(command, *arguments, voc_like / "grey").stderr == ""
    assert run(command, *arguments, voc_like / "palette", "--void", 15).stderr == ""


@pytest.mark.parametrize(("void", "segments"), [(300, 3), (0, 2), (2, 2)])
def test_a_void_label_may_be_any_number(tmp_path, void, segments):
    np.save(tmp_path / "truth.npy", np.array([[0, 1, 2]], dtype=np.uint8))
    np.save(tmp_path / "labels.npy", np.array([[5, 6, 7]], dtype=np.uint8))
    arguments = ("--prediction", tmp_path / "labels.npy", "--ground-truth", tmp_path / "truth.npy", "--void", void)
    assert f"1 annotation, {segments} segments" in run(command, *arguments).output


def test_void_labels_of_segments_that_are_numbered_anew_are_refused(images, tmp_path):
    with pytest.raises(UserError, match=r"ground_truth\.h5 says itself which pixels aren't scored"):
        run(
            command, "--prediction", tmp_path / "labels", "--ground-truth", tmp_path / "ground_truth.h5", "--void", 1,
        )  # fmt: skip


def test_annotations_that_are_all_void_are_refused(tmp_path):
    write_ground_truth(tmp_path / "ground_truth.h5", [("a", np.zeros((1, 2, 2), dtype=np.uint8))], {})
    np.save(tmp_path / "a.npy", np.zeros((2, 2), dtype=np.uint8))
    with pytest.raises(UserError, match=r"ground_truth\.h5 has no pixel to score"):
        run(command, "--prediction", tmp_path / "a.npy", "--ground-truth", tmp_path / "ground_truth.h5")


def test_one_sentence_and_no_file_where_an_image_is_missing(images, tmp_path):
    (tmp_path / "labels" / "b.npy").unlink()
    with pytest.raises(UserError, match="no label map of image b"):
        run(
            command, "--prediction", tmp_path / "labels", "--ground-truth", tmp_path / "ground_truth.h5",
            "--json", tmp_path / "scores.json",
        )  # fmt: skip
    assert not (tmp_path / "scores.json").exists()


def test_the_workflow_command_writes_the_score_table(images, tmp_path):
    _, predictions = images
    for name, labels in predictions.items():
        write_label_maps(tmp_path / "run" / f"{name}.h5", [(name, Segmentation(labels))], {})
    # A file of other batches beside them is passed over.
    write_label_maps(tmp_path / "run" / "batch@0of1.h5", [(name, Segmentation(labels)) for name in predictions], {})
    (tmp_path / "images.txt").write_text("".join(f"{name}\n" for name in predictions))
    options = ("--run", tmp_path / "run", "--dataset-dir", tmp_path, "--images-per-job", 1)
    output, wider = tmp_path / "scores" / "seed0.csv", tmp_path / "wider.csv"
    assert run(score_run_command, *options, "--output", output).exit_code == 0
    scores = read_scores(output)
    assert list(scores["image"]) == ["a"] * 3 + ["b"] * 3
    run(score_run_command, *options, "--output", wider, "--connectivity", 8)
    assert (read_scores(wider)["predicted_segments"] < scores["predicted_segments"]).all()
