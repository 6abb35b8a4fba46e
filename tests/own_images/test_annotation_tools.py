"""Files for annotation tools, read as each tool reads them, pixel by pixel; by its own library where that is there."""

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from small_ensemble import use_small_ensembles

from dynseg.cli import main_group
from dynseg.metrics import connected_components
from dynseg.own_images.coco import coco_annotations
from dynseg.own_images.cvat import MAX_INSTANCES, write_cvat_archive
from dynseg.own_images.label_studio import label_studio_task
from dynseg.own_images.labelme import labelme_annotations
from dynseg.own_images.masks import connected_regions

Labels = NDArray[np.integer]
label_maps = arrays(np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.integers(0, 3))
no_colours = np.zeros((70_000, 3), np.uint8)


def decoded_brush(code: list[int]) -> NDArray[np.uint8]:
    """The values of Label Studio's run-length code, bit by bit."""
    bits = iter(np.unpackbits(np.array(code, np.uint8)).tolist())

    def read(count: int) -> int:
        return int("".join(str(next(bits)) for _ in range(count)), 2)

    values, value_bits = read(32), read(5) + 1
    length_bits = [read(4) + 1 for _ in range(4)]
    found: list[int] = []
    while len(found) < values:
        is_run = read(1)
        length = read(length_bits[read(2)]) + 1
        found += [read(value_bits)] * length if is_run else [read(value_bits) for _ in range(length)]
    return np.array(found, np.uint8)


def brush_masks(task: dict, decode: object = decoded_brush) -> dict[str, NDArray[np.bool_]]:
    (prediction,) = task["predictions"]
    masks = {}
    for result in prediction["result"]:
        (name,) = result["value"]["brushlabels"]
        shape = (result["original_height"], result["original_width"], 4)
        masks[name] = decode(result["value"]["rle"]).reshape(shape)[:, :, 3] == 255
    return masks


@given(label_maps, st.integers(0, 1 << 30))
def test_brush_masks_are_the_labels(labels: Labels, seed: int) -> None:
    valid = np.random.default_rng(seed).random(labels.shape) < 0.9
    (task,) = label_studio_task(labels, no_colours, "a.jpg", "dynseg", valid)
    masks = brush_masks(task)
    assert [each["value"] for each in task["data"]["labels"]] == list(masks)
    assert list(masks) == [f"label {label}" for label in np.unique(labels[valid])]
    for name, mask in masks.items():
        assert np.array_equal(mask, (labels == int(name.split()[1])) & valid)


def test_brush_masks_are_those_of_label_studio() -> None:
    brush = pytest.importorskip("label_studio_sdk.converter.brush")
    interface = pytest.importorskip("label_studio_sdk.label_interface").LabelInterface(
        '<View><Image name="image" value="$image"/><BrushLabels name="label" toName="image" value="$labels"/></View>'
    )
    rng = np.random.default_rng(0)
    # One with runs that are longer than a record can say.
    for labels in (
        rng.integers(0, 4, (17, 23)),
        np.repeat([0, 1, 0, 2], [70_000, 50_001, 1, 29_998]).reshape(300, 500),
    ):
        (task,) = label_studio_task(labels, no_colours, "a.jpg", "dynseg")
        for name, mask in brush_masks(task, brush.decode_rle).items():
            assert np.array_equal(mask, labels == int(name.split()[1]))
        for result in task["predictions"][0]["result"]:
            mask = labels == int(result["value"]["brushlabels"][0].split()[1])
            # Theirs may end in a byte more.
            assert brush.mask2rle(255 * mask.astype(np.uint8))[: len(result["value"]["rle"])] == result["value"]["rle"]
        assert interface.validate_prediction(task["predictions"][0], return_errors=True) == []


def painted(points: list[list[float]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels of a polygon, as LabelMe paints it."""
    mask = Image.new("1", shape[::-1])
    ImageDraw.Draw(mask).polygon([tuple(point) for point in points], outline=1, fill=1)
    return np.asarray(mask)


@given(label_maps, st.integers(1, 2), st.integers(0, 1 << 30))
def test_polygons_are_the_connected_regions(labels: Labels, size: int, seed: int) -> None:
    labels = np.kron(labels, np.ones((size, 3 - size), np.uint8))
    valid = np.random.default_rng(seed).random(labels.shape) < 0.95
    content = labelme_annotations(labels, "a.jpg", valid)
    assert (content["imageHeight"], content["imageWidth"]) == labels.shape
    regions = connected_regions(labels, valid)
    counts = np.zeros(labels.shape, int)
    for shape in content["shapes"]:
        x, y = np.array(shape["points"]).T
        region = regions == regions[int(y[0]), int(x[0])]
        assert np.array_equal(painted(shape["points"], labels.shape), region)
        assert shape["label"] == f"label {labels[region][0]}"
        # Holes count for nothing: the polygon is as large as the region, but for its inset.
        area = (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
        assert abs(area - region.sum()) <= 0.01 * 4 * region.sum() + 1e-6
        counts += region
    assert np.array_equal(counts, valid)


def archive_of(labels: Labels, valid: NDArray[np.bool_] | None = None) -> zipfile.ZipFile:
    file = io.BytesIO()
    write_cvat_archive(file, labels, "holiday/a", valid)
    return zipfile.ZipFile(file)


def picture(archive: zipfile.ZipFile, name: str) -> NDArray[np.integer]:
    """One number a colour."""
    with Image.open(io.BytesIO(archive.read(name))) as image:
        colours = np.asarray(image.convert("RGB")).astype(int)
    return colours[:, :, 0] << 16 | colours[:, :, 1] << 8 | colours[:, :, 2]


@given(label_maps, st.integers(0, 1 << 30))
def test_colours_of_an_archive_are_the_labels_and_regions(labels: Labels, seed: int) -> None:
    valid = np.random.default_rng(seed).random(labels.shape) < 0.9
    archive = archive_of(labels, valid)
    assert archive.read("ImageSets/Segmentation/default.txt") == b"holiday/a\n"
    lines = archive.read("labelmap.txt").decode().splitlines()[1:]
    classes = picture(archive, "SegmentationClass/holiday/a.png")
    for line in lines[1:]:
        name, colour, _, _ = line.split(":")
        red, green, blue = map(int, colour.split(","))
        assert np.array_equal(classes == red << 16 | green << 8 | blue, (labels == int(name.split()[1])) & valid)
    assert lines[0] == "background:0,0,0::"
    assert np.array_equal(classes == 0, ~valid)
    regions, objects = connected_regions(labels, valid), picture(archive, "SegmentationObject/holiday/a.png")
    pairs = np.unique(np.stack([regions.ravel(), objects.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(regions)) == len(np.unique(objects))
    assert np.array_equal(objects == 0, ~valid)


def test_an_archive_of_too_many_regions_has_one_mask_a_label() -> None:
    most = np.arange(MAX_INSTANCES).reshape(1, -1)
    assert "SegmentationObject/holiday/a.png" in archive_of(most).namelist()
    more = np.arange(MAX_INSTANCES + 1).reshape(1, -1)
    archive = archive_of(more)
    assert "SegmentationObject/holiday/a.png" not in archive.namelist()
    assert len(np.unique(picture(archive, "SegmentationClass/holiday/a.png"))) == MAX_INSTANCES + 1


@pytest.mark.parametrize("labels", [np.random.default_rng(0).integers(0, 3, (9, 11)), np.arange(300).reshape(15, 20)])
def test_datumaro_which_cvat_imports_with_finds_every_region(labels: Labels, tmp_path: Path) -> None:
    components = pytest.importorskip("datumaro.components.dataset", exc_type=ImportError)
    archive_of(labels).extractall(tmp_path)
    dataset = components.Dataset.import_from(str(tmp_path), "voc_segmentation")
    (item,) = dataset
    assert item.id == "holiday/a"
    names = [each.name for each in next(iter(dataset.categories().values())).items]
    regions = connected_components(labels)
    assert len(item.annotations) == regions.max()
    for annotation in item.annotations:
        region = regions == regions[annotation.image][0]
        assert np.array_equal(annotation.image, region)
        assert names[annotation.label] == f"label {labels[region][0]}"


@given(label_maps)
def test_pixels_without_data_are_no_region(labels: Labels) -> None:
    valid = np.ones(labels.shape, np.bool_)
    valid[:, labels.shape[1] // 2] = False
    content = coco_annotations(labels, "a.jpg", valid)
    assert sum(each["area"] for each in content["annotations"]) == valid.sum()
    assert [each["id"] for each in content["categories"]] == (
        np.unique(labels[valid]) + int(0 in labels[valid])
    ).tolist()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_masks_are_those_of_pycocotools(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    labels = np.random.default_rng(0).integers(0, 3, (9, 11))
    (tmp_path / "a.json").write_text(json.dumps(coco_annotations(labels, "a.jpg")))
    read, regions = coco.COCO(str(tmp_path / "a.json")), connected_components(labels)
    assert len(read.anns) == regions.max()
    assert read.getCatIds() == [1, 2, 3]
    for number, annotation in read.anns.items():
        assert np.array_equal(read.annToMask(annotation), regions == number)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_datumaro_reads_coco_masks(tmp_path: Path) -> None:
    components = pytest.importorskip("datumaro.components.dataset", exc_type=ImportError)
    labels = np.random.default_rng(0).integers(0, 3, (9, 11))
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations" / "instances_default.json").write_text(json.dumps(coco_annotations(labels, "a.jpg")))
    dataset = components.Dataset.import_from(str(tmp_path), "coco_instances")
    (item,) = dataset
    names = [each.name for each in next(iter(dataset.categories().values())).items]
    regions = connected_components(labels)
    masks = [each for each in item.annotations if each.type.name == "mask"]
    assert len(masks) == regions.max()
    for mask in masks:
        assert np.array_equal(mask.image, regions == mask.id)
        # It takes a category 0 for none.
        assert names[mask.label] == f"label {labels[regions == mask.id][0]}"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main_group, [str(argument) for argument in arguments])


@pytest.fixture
def holiday(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a photograph in a folder."""
    use_small_ensembles(monkeypatch)
    pixels = np.random.default_rng(0).integers(0, 25, (18, 24, 3))
    pixels[:, 12:] += 200
    (tmp_path / "my holiday" / "day 1").mkdir(parents=True)
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "my holiday" / "day 1" / "a.png")
    return tmp_path / "my holiday"


def segment(folder: Path, *formats: str) -> Path:
    output = folder.parent / "out"
    chosen = [word for name in ("npy", *formats) for word in ("--format", name)]
    result = run("segment", folder, "-o", output, "--segments", 5, *chosen)
    assert result.exit_code == 0, result.output
    return output / "day 1"


def test_a_file_for_labelme_opens_in_labelme(holiday: Path) -> None:
    output = segment(holiday, "labelme")
    content = json.loads((output / "a.json").read_text())
    assert content["imagePath"] == "../../my holiday/day 1/a.png"
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    labelme = pytest.importorskip("labelme", exc_type=ImportError)
    file = labelme.LabelFile(str(output / "a.json"))
    labels = np.load(output / "a.npy")
    names = {f"label {label}": int(label) for label in np.unique(labels)}
    painted_labels, _ = labelme.utils.shapes_to_label(labels.shape, file.shapes, names)
    assert np.array_equal(painted_labels, labels)
    assert len(file.shapes) == connected_components(labels).max()


def test_a_task_has_the_address_below_the_parent_of_the_folder(holiday: Path) -> None:
    output = segment(holiday, "labelstudio")
    (task,) = json.loads((output / "a.labelstudio.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=my%20holiday/day%201/a.png"
    labels = np.load(output / "a.npy")
    for name, mask in brush_masks(task).items():
        assert np.array_equal(mask, labels == int(name.split()[1]))


def test_an_archive_names_the_image_with_its_folder(holiday: Path) -> None:
    output = segment(holiday, "cvat")
    with zipfile.ZipFile(output / "a.cvat.zip") as archive:
        assert "SegmentationClass/day 1/a.png" in archive.namelist()


def test_cuts_need_the_photograph_where_a_tool_opens_it(holiday: Path, tmp_path: Path) -> None:
    output, photograph = segment(holiday, "h5"), holiday / "day 1" / "a.png"
    refused = run("cut", output / "a.h5", "-o", tmp_path / "cuts", "--format", "labelme")
    assert refused.exit_code == 2
    assert "--format labelme shows the photograph: give it by --image" in refused.output
    wanted = ("--format", "labelme", "--format", "labelstudio", "--format", "cvat")
    result = run("cut", output / "a.h5", "-o", tmp_path / "cuts", "--segments", 3, *wanted, "--image", photograph)
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "cuts" / "a.json").read_text())
    assert content["imagePath"] == "../my holiday/day 1/a.png"
    assert len(content["shapes"]) == 3
    assert zipfile.is_zipfile(tmp_path / "cuts" / "a.cvat.zip")


def test_two_formats_of_one_name_are_refused(holiday: Path, tmp_path: Path) -> None:
    result = run("segment", holiday, "-o", tmp_path / "out", "--format", "json", "--format", "labelme")
    assert result.exit_code == 1
    assert "--format json and --format labelme both write NAME.json" in str(result.exception)
