import json
import tarfile

import h5py
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from ground_truth_files import write_ground_truth
from PIL import Image
from scipy.io import savemat

from dynseg.cli.score import command
from dynseg.cli.score_run import command as score_run_command
from dynseg.cli.table import command as table_command
from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.io.label_maps import write_label_maps
from dynseg.metrics import covering, miou, probabilistic_rand_index, variation_of_information
from dynseg.result import LabelMapSeries, Segmentation
from dynseg.scoring.scales import read_scale_scores
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
    assert list(scores) == ["images", "annotations", "miou", "covering", "pri", "voi", "boundary"]
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


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".mat", ".h5"])
def test_a_void_label_may_be_negative(tmp_path, suffix):
    truth, path = np.array([[-1, 0, 0, 1]], dtype=np.int16), tmp_path / f"truth{suffix}"
    if suffix == ".npy":
        np.save(path, truth)
    elif suffix == ".tif":
        tifffile.imwrite(path, truth)
    elif suffix == ".mat":
        savemat(path, {"Segmentation": truth.astype(float)})
    else:
        with h5py.File(path, "w") as file:
            file["truth"] = truth
    np.save(tmp_path / "labels.npy", np.array([[5, 6, 6, 7]], dtype=np.uint8))
    arguments = ("--prediction", tmp_path / "labels.npy", "--ground-truth", path)
    result = run(command, *arguments, "--void", -1)
    assert "1 annotation, 2 segments" in result.output
    assert "1.0000" in result.output
    for void in ((), ("--void", -2)):
        with pytest.raises(UserError, match="negative label -1"):
            run(command, *arguments, *void)


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


@pytest.fixture
def halves(tmp_path):
    """Two images, annotated as left and right, and a hierarchy of three parts that is right from .2 to .6."""
    truth = np.array([[[1, 1, 2, 2]] * 4], dtype=np.uint8)
    write_ground_truth(tmp_path / "ground_truth.h5", [("a", truth), ("b", truth)], {})
    leaves = np.repeat([[0, 1, 2, 2]], 4, axis=0).astype(np.int32)
    tree = Hierarchy(leaves, np.array([[0, 1], [3, 2]], np.int32), np.array([0.2, 0.6], np.float32))
    return tree, ["--ground-truth", tmp_path / "ground_truth.h5", "--json", tmp_path / "scores.json"]


def scored(tmp_path, *arguments):
    result = run(command, *arguments)
    assert result.exit_code == 0
    return json.loads((tmp_path / "scores.json").read_text()), result.output


def test_hierarchies_are_scored_like_their_contour_maps(halves, tmp_path):
    tree, arguments = halves
    write_label_maps(tmp_path / "a.h5", [(name, Segmentation(tree.leaves, hierarchy=tree)) for name in "ab"], {})
    (tmp_path / "contours").mkdir()
    for name in "ab":
        savemat(tmp_path / "contours" / f"{name}.mat", {"ucm2": tree.ucm()})
    of_hierarchy, output = scored(tmp_path, "--prediction", tmp_path / "a.h5", *arguments)
    of_contours, _ = scored(tmp_path, "--prediction", tmp_path / "contours", *arguments)
    assert of_contours["covering"] == {"ods": 1, "ois": 1, "best": 1}
    assert of_contours["boundary"].keys() == {"ods", "ois", "ap"}
    own = of_hierarchy["covering"].pop("own")
    assert own == pytest.approx(0.75)
    assert of_hierarchy["covering"] == of_contours["covering"]
    assert of_hierarchy["boundary"] == of_contours["boundary"] | {"own": of_hierarchy["boundary"]["own"]}
    assert "own label map" in output
    assert "99 scales" in output


def test_series_are_scored_at_their_scales(halves, tmp_path):
    tree, arguments = halves
    (tmp_path / "segs").mkdir()
    maps = np.empty((1, 2), dtype=object)
    maps[0, 0], maps[0, 1] = tree.cut_at(0) + 1, tree.cut_at(0.3) + 1
    for name in "ab":
        savemat(tmp_path / "segs" / f"{name}.mat", {"segs": maps})
    of_files, output = scored(tmp_path, "--prediction", tmp_path / "segs", *arguments)
    assert of_files["miou"]["all"] == {"ods": 1, "ois": 1, "best": 1}
    assert of_files["boundary"]["ods"] == 1
    assert "2 scales" in output
    series = LabelMapSeries(np.array([1.0, 2.0]), np.stack([tree.cut_at(0), tree.cut_at(0.3)]))
    write_label_maps(tmp_path / "a.h5", [(name, Segmentation(tree.leaves, series=series)) for name in "ab"], {})
    of_series, _ = scored(tmp_path, "--prediction", tmp_path / "a.h5", *arguments)
    assert {key: value for key, value in of_series["covering"].items() if key != "own"} == of_files["covering"]


def test_label_maps_beside_series_are_refused(halves, tmp_path):
    tree, arguments = halves
    segmentations = [("a", Segmentation(tree.leaves, hierarchy=tree)), ("b", Segmentation(tree.leaves))]
    write_label_maps(tmp_path / "a.h5", segmentations, {})
    with pytest.raises(UserError, match=r"b/labels has one label map, but others several scales"):
        run(command, "--prediction", tmp_path / "a.h5", *arguments)


def test_scores_over_scales_reach_the_table(halves, tmp_path):
    tree, _ = halves
    (tmp_path / "images.txt").write_text("a\nb\n")
    options = ("--dataset-dir", tmp_path, "--images-per-job", 1)
    files = []
    for method, hierarchy in (("tree", tree), ("flat", None)):
        for name in "ab":
            segmentation = Segmentation(tree.leaves, hierarchy=hierarchy)
            write_label_maps(tmp_path / method / f"{name}.h5", [(name, segmentation)], {})
        output = tmp_path / "scores/halves" / method / "seed0.csv"
        scales = output.with_name("seed0_scales.csv")
        run(score_run_command, "--run", tmp_path / method, *options, "--output", output, "--output-scales", scales)
        files += [output, scales]
    assert len(read_scale_scores(files[1]).tables) == 99
    assert read_scale_scores(files[3]).tables == {}
    run(table_command, *files, "--output-dir", tmp_path / "tables")
    text = (tmp_path / "tables/table1.md").read_text()
    section = text.partition("Over scales")[2]
    assert "halves covering ODS" in section
    assert "| tree" in section
    assert "| flat" not in section
    assert "halves_covering_ods" in (tmp_path / "tables/table1.csv").read_text()


@pytest.mark.archives
def test_series_of_the_benchmark_have_the_scores_that_it_prints(archives, tmp_path):
    with tarfile.open(archives / "bsds_bench_sample.tgz") as archive:
        archive.extractall(tmp_path, filter="data")
    (data,) = tmp_path.rglob("segs")
    arguments = ("--ground-truth", data.parent / "groundTruth", "--json", tmp_path / "scores.json")
    scores, output = scored(tmp_path, "--prediction", data, *arguments)
    assert scores["covering"] == pytest.approx({"ods": 0.654023, "ois": 0.725074, "best": 0.749811}, abs=1e-5)
    pri, voi = ({key: scores[name][key] for key in ("ods", "ois")} for name in ("pri", "voi"))
    assert pri == pytest.approx({"ods": 0.826926, "ois": 0.898299}, abs=1e-5)
    assert voi == pytest.approx({"ods": 1.36877, "ois": 1.11563}, abs=1e-5)
    assert scores["boundary"] == pytest.approx({"ods": 0.70455, "ois": 0.7085, "ap": 0.30755}, abs=0.001)
    assert "5 scales" in output
