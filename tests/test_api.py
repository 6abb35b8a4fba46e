"""`dynseg.segment` and its companions, as somebody calls them who knows nothing of the rest."""

import logging
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

import dynseg
from dynseg import UserError, api
from dynseg.api import user_parameters
from dynseg.io.images import Picture
from dynseg.parameters import make_parameters
from dynseg.training import memory
from dynseg.training.memory import PROCESS_BYTES, estimate_memory, memory_needed
from dynseg.training.parameters import PRESETS, TrainingParameters
from dynseg.workflow.configuration import resolve

REPOSITORY = Path(__file__).parents[1]
QUICK: dict[str, Any] = {"iterations": 6, "channels": 12, "minimum_labels": 1}


def picture(height: int = 24, width: int = 32) -> NDArray[np.uint8]:
    """Two flat regions with a little noise."""
    image = np.random.default_rng(0).integers(0, 25, (height, width, 3))
    image[:, width // 2 :] += np.array([200, 90, 30])
    return image.astype(np.uint8)


def test_importing_dynseg_is_quick_and_its_names_are_there() -> None:
    code = "import sys, dynseg; sys.exit(bool({'torch', 'numpy', 'PIL'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    for name in dynseg.__all__:
        assert getattr(dynseg, name) is not None
        assert name in dir(dynseg)
    assert callable(dynseg.metrics.connected_components)
    with pytest.raises(AttributeError, match="dynseg attribute segmentt"):
        _ = dynseg.segmentt  # type: ignore[attr-defined]


def test_names_and_their_types_are_the_same() -> None:
    stub = (REPOSITORY / "dynseg" / "__init__.pyi").read_text(encoding="utf-8")
    typed = {line.split(" as ")[1] for line in stub.splitlines() if " as " in line}
    assert typed == {*dynseg.__all__, "metrics"} - {"__version__"}


@pytest.mark.parametrize(("preset", "file"), [("paper", "config.yaml"), ("fast", "fast.yaml")])
def test_presets_train_as_the_configurations_do(preset: str, file: str) -> None:
    base = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
    layered = yaml.safe_load((REPOSITORY / "config" / file).read_text(encoding="utf-8"))
    base["training"] = {**base["training"], **layered["training"]}
    expected = make_parameters(TrainingParameters, resolve(base)["training"])
    assert make_parameters(TrainingParameters, PRESETS[preset]) == expected


def test_two_flat_regions_are_told_apart_with_no_option_at_all() -> None:
    image = picture(30, 40)
    result = dynseg.segment(image)
    assert result.labels.shape == (30, 40)
    assert result.labels.dtype == np.uint8
    assert not np.intersect1d(result.labels[4:-4, 4:16], result.labels[4:-4, 24:36]).size
    assert len(result.history["label_count"]) == result.facts["iterations_run"]
    # Small images aren't reduced.
    assert (result.facts["trained_height"], result.facts["trained_width"]) == (30, 40)


def test_a_path_is_as_good_as_pixels(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png")
    expected = dynseg.segment(picture(), **QUICK).labels
    assert np.array_equal(dynseg.segment(tmp_path / "a.png", **QUICK).labels, expected)
    assert np.array_equal(dynseg.segment(str(tmp_path / "a.png"), **QUICK).labels, expected)


@pytest.mark.parametrize("shape", [(24, 32), (24, 32, 1), (24, 32, 2), (24, 32, 11)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("step", ["fast", "plain"])
def test_any_number_of_bands_is_segmented(shape: tuple[int, ...], dtype: type, step: str) -> None:
    values = np.random.default_rng(0).random(shape) / 10
    values[:, 16:] += 0.8
    image = (values * 255).round().astype(np.uint8) if dtype == np.uint8 else values.astype(dtype)
    labels = dynseg.segment(image, iterations=30, channels=12, max_size=25, step=step).labels
    assert labels.shape == (24, 32)
    left, right = labels[4:-4, 3:12], labels[4:-4, 20:-4]
    assert np.bincount(left.ravel()).argmax() != np.bincount(right.ravel()).argmax()


def test_eight_bits_and_the_same_values_as_floats_are_one_image() -> None:
    expected = dynseg.segment(picture(), **QUICK).labels
    floats = (torch.from_numpy(picture()).float() / 255).numpy()
    assert np.array_equal(dynseg.segment(floats, **QUICK).labels, expected)


def test_a_model_labels_images_with_as_many_bands_as_its_references(tmp_path: Path) -> None:
    def image(bands: int) -> NDArray[np.float64]:
        return np.random.default_rng(0).random((20, 30, bands))

    model = dynseg.fit([image(5), image(5)], **QUICK)
    dynseg.save_model(model, tmp_path / "m.pt")
    loaded = dynseg.load_model(tmp_path / "m.pt")
    assert loaded.bands == 5
    expected = dynseg.apply_model(model, image(5)).labels
    assert np.array_equal(dynseg.apply_model(loaded, image(5)).labels, expected)
    with pytest.raises(UserError, match="the image has 4 bands and the model was trained on 5"):
        dynseg.apply_model(loaded, image(4))
    with pytest.raises(UserError, match="the reference images have 3 and 5 bands"):
        dynseg.fit([image(5), image(3)], **QUICK)


def test_large_images_are_reduced_and_their_label_maps_are_not() -> None:
    result = dynseg.segment(picture(150, 300), max_size=200, scale=0.25, **QUICK)
    assert result.labels.shape == (150, 300)
    sizes = [result.facts[name] for name in ("applied_height", "applied_width", "trained_height", "trained_width")]
    assert sizes == [100, 200, 60, 120]


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (700, 1), (5, 3)])
@pytest.mark.parametrize("step", ["fast", "plain"])
def test_odd_sizes(shape: tuple[int, int], step: str) -> None:
    assert dynseg.segment(picture(*shape), step=step, **QUICK).labels.shape == shape


def test_a_constant_image_has_one_label_inside() -> None:
    labels = dynseg.segment(np.full((30, 40, 3), 99, np.uint8), **QUICK).labels
    assert len(np.unique(labels[5:-5, 5:-5])) == 1


def test_many_images_are_segmented_as_each_alone() -> None:
    images = [picture(20, 30), picture(16, 16)]
    results = dynseg.segment_many(iter(images), "scf", **QUICK)
    for image, result in zip(images, results, strict=True):
        assert np.array_equal(result.labels, dynseg.segment(image, "scf", **QUICK).labels)
    with pytest.raises(UserError, match=r"image 1: an image of float64 must be in \[0, 1\]"):
        list(dynseg.segment_many([picture(), picture().astype(float)], **QUICK))
    with pytest.raises(UserError, match="scheme must be one of"):
        dynseg.segment_many([], "fsd")
    with pytest.raises(UserError, match="max_size must be"):
        dynseg.segment_many([], max_size=0)
    with pytest.raises(UserError, match="seed must be"):
        dynseg.segment_many([], seed=2**32)


@pytest.mark.parametrize(("channels", "least"), [(2, 1), (3, 2), (4, 3), (50, 3)])
def test_fewer_labels_to_begin_with_never_end_training_at_once(channels: int, least: int) -> None:
    assert user_parameters("fsf", None, "fast", channels=channels).minimum_labels == least
    assert dynseg.segment(picture(), channels=channels, iterations=3).facts["iterations_run"] > 1


def test_the_callback_sees_every_iteration() -> None:
    seen: list[tuple[int, int]] = []
    result = dynseg.segment(
        picture(), on_iteration=lambda i, shown, _: seen.append((i, int(shown.label_count))), **QUICK
    )
    assert seen == list(zip(result.history["iteration"], result.history["label_count"], strict=True))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"image": np.zeros(4, np.uint8)}, r"shape \(H, W\) or \(H, W, bands\), not \(4,\)"),
        ({"image": np.zeros((4, 4, 3, 1), np.uint8)}, "must have the shape"),
        ({"image": np.zeros((0, 4, 3), np.uint8)}, "shape"),
        ({"image": np.zeros((4, 4, 0), np.uint8)}, "shape"),
        ({"image": np.zeros((4, 4, 3), np.uint16)}, "not uint16: divide it by its largest possible value"),
        ({"image": np.zeros((4, 4), bool)}, "not bool"),
        ({"image": np.full((4, 4), 1.5)}, r"float64 must be in \[0, 1\], not from 1.5 to 1.5: subtract"),
        ({"image": np.full((4, 4, 2), -0.1, np.float32)}, "not from -0.1 to"),
        ({"image": np.full((4, 4), np.nan)}, r"must be in \[0, 1\]"),
        ({"image": "nowhere.jpg"}, "nowhere.jpg doesn't exist"),
        ({"scheme": "fsd"}, "scheme must be one of fsf, scf, fixed"),
        ({"mu": 0}, "mu must be above 0"),
        ({"mu": "many"}, "mu must be a number"),
        ({"preset": "slow"}, "preset must be one of paper, fast"),
        ({"max_size": 0}, "max_size must be"),
        ({"max_size": None}, "max_size must be a whole number"),
        ({"max_size": "512"}, "max_size must be a whole number"),
        ({"seed": 2**32}, "seed must be a whole number"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": 0.5}, "seed must be a whole number"),
        (
            {"channels": 5, "minimum_labels": 5},
            "stops at 5 labels .*begin with 5 .*: lower the first",
        ),
        ({"channels": 1}, "would begin with 1 "),
        ({"iteration": 5}, "no parameter 'iteration'"),
        ({"device": "cuda"}, "no CUDA device"),
        ({"device": "cuda:0"}, "device must be one of auto, cpu, cuda, mps, not 'cuda:0'"),
        ({"scribbles": np.zeros((3, 3), int)}, "scribbles are 3 × 3 pixels and the image 32 × 24"),
        ({"scribbles": np.full((24, 32), 255)}, "scribbles are empty"),
        ({"scribbles": np.full((24, 32), 0.5)}, "whole numbers"),
        ({"scribbles": np.full((24, 32), -1)}, "have the label -1"),
        ({"scribbles": np.arange(768).reshape(24, 32)}, "have 767 labels and the network 100"),
        ({"scribbles": np.arange(768).reshape(24, 32) % 4, "channels": 4}, "have 4 labels and the network 4"),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments: dict[str, Any], sentence: str) -> None:
    if arguments.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(UserError, match=sentence):
        dynseg.segment(**{"image": picture(), **arguments})


def test_scribbles_keep_their_labels_and_raise_the_least_number_of_labels() -> None:
    scribbles = np.full((40, 60), 255)
    scribbles[5:35, 10], scribbles[5:35, 50] = 300, 7
    image, settings = picture(40, 60), {"mu": 100, "iterations": 40, "channels": 12}
    result = dynseg.segment(image, scribbles=scribbles, minimum_labels=1, **settings)
    marked = scribbles != 255
    assert (result.labels == scribbles)[marked].mean() > 0.9
    assert result.labels.dtype == np.uint16
    assert 255 not in result.labels
    # Nine scribbles: training stops as soon as so few labels are left.
    scribbles[30:39, 30] = range(9)
    scribbles[marked] = 255
    stopped = dynseg.segment(image, scribbles=scribbles, minimum_labels=1, stop="fixed", **settings)
    assert stopped.facts["stopped_by"] == "labels"
    assert stopped.history["label_count"][-1] <= 9 < stopped.history["label_count"][-2]


def test_a_model_labels_other_images_as_its_references(tmp_path: Path) -> None:
    model = dynseg.fit([picture(), picture(40, 20)], iterations=40, channels=12, minimum_labels=1)
    dynseg.save_model(model, tmp_path / "m.pt")
    loaded = dynseg.load_model(tmp_path / "m.pt")
    assert loaded.parameters == model.parameters
    assert loaded.facts == model.facts
    first, second = (dynseg.apply_model(loaded, image).labels for image in (picture(), picture(60, 100)))
    assert second.shape == (60, 100)
    for part in (slice(3, 8), slice(-8, -3)):
        assert np.bincount(first[:, part].ravel()).argmax() == np.bincount(second[:, part].ravel()).argmax()
    assert np.array_equal(first, dynseg.apply_model(model, picture()).labels)
    # Of one image, it is the network that `segment` trains.
    alone = dynseg.fit([picture()], **QUICK)
    assert np.array_equal(dynseg.apply_model(alone, picture()).labels, dynseg.segment(picture(), **QUICK).labels)
    with pytest.raises(UserError, match="no reference image"):
        dynseg.fit([])


class Malicious:
    """Pickled code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("was_run"),))


@pytest.mark.parametrize(
    "content",
    [Malicious(), {"kind": "other"}, {"kind": "dynseg model", "parameters": {}}, torch.zeros(3), b"text"],
)
def test_only_models_are_loaded_and_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(UserError, match=r"m\.pt isn't a model that `dynseg fit` made|parameter"):
        dynseg.load_model(path)
    assert not (tmp_path / "was_run").exists()
    with pytest.raises(UserError, match="doesn't exist"):
        dynseg.load_model(tmp_path / "n.pt")


def test_too_little_memory_is_said_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = memory_needed(3000, 4000, user_parameters("fsf", None, "paper"), 1000)
    monkeypatch.setattr(memory, "available_memory", lambda device: needed)
    monkeypatch.setattr(api, "train_and_apply", lambda *_, **__: pytest.fail("it began"))
    with pytest.raises(UserError, match=r"4000 × 3000 pixels need about .* GB are free: give --max-size .*9\d\d"):
        dynseg.segment(np.zeros((3000, 4000, 3), np.uint8), preset="paper", max_size=4000)
    monkeypatch.setattr(memory, "available_memory", lambda device: 1000)
    with pytest.raises(UserError, match="1 MB are free: free some"):
        dynseg.segment(picture())
    with pytest.raises(UserError, match=r"training on 2 images together needs about .* are free: give fewer"):
        dynseg.fit([picture(), picture()])


def test_memory_of_a_training_on_several_images_is_that_of_each_and_none_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameters = user_parameters("fsf", None, "paper")
    alone = memory_needed(24, 32, parameters, 512, threads=torch.get_num_threads())
    # The pixels of an image that isn't reduced are counted once, and what the process takes already isn't.
    assert alone == estimate_memory(24, 32, parameters, threads=torch.get_num_threads())
    assert alone < PROCESS_BYTES
    monkeypatch.setattr(memory, "available_memory", lambda device: 3 * alone - 1)
    with pytest.raises(UserError, match="training on 3 images together"):
        dynseg.fit([picture()] * 3, preset="paper", iterations=1)
    monkeypatch.setattr(memory, "available_memory", lambda device: 3 * alone)
    dynseg.fit([picture()] * 3, preset="paper", iterations=1)


def test_references_are_held_one_at_a_time_at_full_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object, **__: object) -> Picture:
        assert not any(array() is not None for array in read_before)
        pixels = picture(60, 80)
        read_before.append(weakref.ref(pixels))
        return Picture(pixels)

    read_before: list[weakref.ref[NDArray[np.uint8]]] = []
    monkeypatch.setattr("dynseg.io.images.read_picture", read)
    assert dynseg.fit(["a.png", "b.png", "c.png"], max_size=40, **QUICK).max_size == 40
    assert len(read_before) == 3


@pytest.mark.parametrize("act", ["segment", "apply"])
def test_memory_is_looked_at_before_an_image_is_reduced(monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    model = dynseg.fit([picture()], **QUICK)
    monkeypatch.setattr(memory, "available_memory", lambda device: 1000)
    monkeypatch.setattr(api, "applied_image", lambda *_: pytest.fail("it was reduced"))
    with pytest.raises(UserError, match="are free"):
        dynseg.segment(picture(), max_size=20) if act == "segment" else dynseg.apply_model(
            model, picture(), max_size=20
        )


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_a_full_device_is_no_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def refuse(image: torch.Tensor, *args: Any, **options: Any) -> dynseg.Segmentation:
        sizes.append(max(image.shape))
        if len(sizes) < 3:
            raise error
        return work(image, *args, **options)

    sizes: list[int] = []
    work = api.train_and_apply
    monkeypatch.setattr(api, "train_and_apply", refuse)
    with caplog.at_level(logging.WARNING):
        result = dynseg.segment(picture(100, 200), **QUICK)
    assert sizes == [200, 140, 98]
    assert result.labels.shape == (100, 200)
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "going on at 140 pixels along the longer side",
        "going on at 98 pixels along the longer side",
    ]
    monkeypatch.setattr(api, "train_and_apply", lambda *_, **__: (_ for _ in ()).throw(error))
    with pytest.raises(UserError, match="too little memory even at 64 pixels"):
        dynseg.segment(picture(100, 200), **QUICK)


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(api, "train_and_apply", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        dynseg.segment(picture())


def test_a_callers_inference_mode_is_no_hindrance() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.inference_mode():
            labels = dynseg.segment(picture(), **QUICK).labels
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(labels, dynseg.segment(picture(), **QUICK).labels)
