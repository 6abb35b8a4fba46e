"""Numbers that go wrong stop the image that they belong to; extreme images and labels are results like any other."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dynseg.cli import main
from dynseg.datasets.preparing import prepare
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_segments
from dynseg.io.label_maps import read_attributes, read_image_ids, read_labels
from dynseg.scoring.scores import score_run

# The second iteration of any image with more than a few clusters is beyond the largest number.
OVERFLOW = ["--method=cnn", "--set=scheme=fixed", "--set=mu=1e38", "--set=components=1", "--set=channels=8"]


def prepared(folder: Path, pictures: dict[str, NDArray[np.uint8]], labels: NDArray | None = None) -> Path:
    """Prepare a dataset of these pictures; every one gets the same annotation."""
    for name, picture in pictures.items():
        for part, content in (("images", picture), ("annotations", labels)):
            if content is not None:
                (folder / part).mkdir(parents=True, exist_ok=True)
                Image.fromarray(content).save(folder / part / f"{name}.png")
    annotations = folder / "annotations" if labels is not None else None
    prepare("folder", folder / "images", folder / "dataset", "some", annotations=annotations)
    return folder / "dataset"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two images of one pixel with one of noise between them."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    pixel = np.full((1, 1, 3), 90, np.uint8)
    return prepared(tmp_path, {"a": pixel, "b": noise, "c": pixel + 9})


def segment_batch(dataset: Path, *options: str) -> int:
    try:
        main(["segment-batch", f"--dataset-dir={dataset}", "--batch=batch@0of1", "--device=cpu", *options])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_an_image_whose_loss_overflows_is_named_and_the_others_are_segmented(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run" / "batch@0of1.h5"
    assert segment_batch(dataset, *OVERFLOW, f"--output={output}") == 1
    said = capsys.readouterr().err
    assert "image b: the loss is no longer finite at iteration 2" in said
    assert "a: 1 labels" in said
    assert "c: 1 labels" in said
    assert "Traceback" not in said
    assert not output.exists()


def test_what_is_done_of_a_batch_is_not_done_again(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run" / "batch@0of1.h5"
    segment_batch(dataset, *OVERFLOW, f"--output={output}")
    capsys.readouterr()
    shutil.copy(dataset / "images" / "c.png", dataset / "images" / "b.png")
    assert segment_batch(dataset, *OVERFLOW, f"--output={output}") == 0
    assert re.findall(r"^(\w): .* labels", capsys.readouterr().err, flags=re.MULTILINE) == ["b"]
    assert read_image_ids(output) == ["a", "b", "c"]
    assert read_labels(output, "a").shape == (1, 1)
    assert read_attributes(output, "a")["stopped_by"] == "labels"
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.parametrize("change", ["--seed=1", "--set=iterations=5", "a picture"])
def test_what_something_else_made_is_done_again(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    output = tmp_path / "run" / "batch@0of1.h5"
    segment_batch(dataset, *OVERFLOW, f"--output={output}")
    capsys.readouterr()
    options = [change] if change.startswith("--") else []
    if not options:
        Image.new("RGB", (1, 1), "red").save(dataset / "images" / "a.png")
    segment_batch(dataset, *OVERFLOW, *options, f"--output={output}")
    said = capsys.readouterr().err
    assert "a: 1 labels" in said
    assert ("c: 1 labels" in said) == bool(options)


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_segmented(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / "images" / "b.png").unlink()
    # A folder in its place, since the tests may run as root.
    (dataset / "images" / "b.png").mkdir()
    assert segment_batch(dataset, *OVERFLOW, f"--output={tmp_path / 'run' / 'batch@0of1.h5'}") == 1
    said = capsys.readouterr().err
    assert "image b: " in said
    assert "b.png can't be read" in said
    assert "c: 1 labels" in said


@pytest.mark.parametrize("seed", [2**32, -1])
def test_a_seed_beyond_32_bits_is_refused(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    assert segment_batch(dataset, *OVERFLOW, f"--seed={seed}", f"--output={tmp_path / 'out.h5'}") == 2
    assert "Invalid value for '--seed'" in capsys.readouterr().err


METHODS = {
    "cnn": ["scheme=fsf", "mu=15", "components=1", "channels=6", "iterations=3"],
    "superpixel_cnn": ["components=1", "channels=6", "iterations=3"],
    "iic": ["clusters=3", "components=2", "channels=6", "iterations=3", "scale=1"],
    "dic": ["channels=6", "centres=3", "iterations=3"],
    "chan_vese": ["iterations=5"],
    "kmeans": ["clusters=3"],
    "graph_based": [],
    "blank": [],
}


@pytest.mark.parametrize("method", METHODS)
def test_extreme_images_go_through_every_method(tmp_path: Path, method: str) -> None:
    random = np.random.default_rng(1)
    shapes = {"pixel": (1, 1, 3), "row": (1, 40, 3), "column": (40, 1, 3), "two": (2, 2, 3)}
    if method == "iic":
        # It compares displaced pixels, and says so.
        del shapes["pixel"]
    pictures = {name: random.integers(0, 256, shape, dtype=np.uint8) for name, shape in shapes.items()}
    dataset = prepared(tmp_path, {**pictures, "constant": np.zeros((9, 7, 3), np.uint8)})
    options = [f"--set={text}" for text in METHODS[method]]
    assert segment_batch(dataset, f"--method={method}", *options, f"--output={tmp_path / 'out.h5'}") == 0
    for name, shape in {**shapes, "constant": (9, 7, 3)}.items():
        assert read_labels(tmp_path / "out.h5", name).shape == shape[:2]


def test_labels_up_to_65535_are_kept_and_scored(tmp_path: Path) -> None:
    labels = np.arange(1, 65_536, dtype=np.uint16).reshape(255, 257)
    picture = np.zeros((255, 257, 3), np.uint8)
    dataset = prepared(tmp_path, {"many": picture}, labels.astype(np.uint16))
    assert np.unique(read_segments(dataset / "ground_truth.h5", "many")).size == 65_535
    Image.fromarray(labels).save(tmp_path / "many.png")
    options = [f"--set=predictions={tmp_path / 'many.png'}", f"--output={tmp_path / 'out.h5'}"]
    assert segment_batch(dataset, "--method=external", *options) == 0
    assert read_labels(tmp_path / "out.h5", "many").max() == 65_535
    scores = score_run([tmp_path / "out.h5"], dataset / "ground_truth.h5")
    assert scores["best_iou_sum"].tolist() == [65_535]


def test_an_annotation_of_another_size_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.png has 4x3 pixels and its annotation 3x4"):
        prepared(tmp_path, {"a": np.zeros((3, 4, 3), np.uint8)}, np.zeros((4, 3), np.uint8))
