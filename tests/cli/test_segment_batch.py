"""What a job of the workflow writes."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_workflow import write_dataset

from dynseg.cli import main
from dynseg.datasets.preparing import prepare
from dynseg.io.label_maps import read_attributes, read_labels, read_series
from dynseg.methods import Method, Segmentation
from dynseg.workflow.together import SegmentingTogether


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    entry = write_dataset(tmp_path / "data", ["a", "b"])
    prepare("folder", entry["archive"], tmp_path / "small", "small")
    return tmp_path / "small"


def segment_batch(dataset: Path, *options: str) -> int:
    try:
        main(["segment-batch", f"--dataset-dir={dataset}", "--batch=batch@0of1", "--method=grey_steps", *options])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_method_runs_with_every_value_of_the_scales(dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.h5"
    assert segment_batch(dataset, "--set=steps=6", f"--output={output}", "--scales=steps=2,4") == 0
    series = read_series(output, "b")
    assert series is not None
    assert series.scales.tolist() == [2, 4]
    alone = tmp_path / "alone.h5"
    for steps, labels in ((6, read_labels(output, "b")), *zip((2, 4), series.label_maps, strict=True)):
        assert segment_batch(dataset, f"--set=steps={steps}", f"--output={alone}") == 0
        np.testing.assert_array_equal(labels, read_labels(alone, "b"))
    assert read_series(alone, "b") is None
    assert read_attributes(output, "b")["scales"] == "steps=2,4"
    assert "scales" not in read_attributes(alone, "b")


@pytest.mark.parametrize(
    ("scales", "said"), [("steps=2,x", "isn't NAME=VALUE,VALUE"), ("steps", "isn't NAME"), ("steps=0,2", "steps")]
)
def test_scales_that_the_method_does_not_take_are_one_sentence(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], scales: str, said: str
) -> None:
    assert segment_batch(dataset, f"--output={tmp_path / 'run.h5'}", f"--scales={scales}") == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


NETWORK = ("--method=cnn", "--set=scheme=fsf", "--set=mu=15", "--set=components=1", "--set=channels=8")
QUICK = ("--set=iterations=4", "--set=minimum_labels=1", "--set=stop=fixed")


def test_a_gpu_segments_the_images_of_a_size_together(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU does, on the CPU."""
    alone, together = tmp_path / "alone.h5", tmp_path / "together.h5"
    assert segment_batch(dataset, *NETWORK, *QUICK, "--device=cpu", f"--output={alone}") == 0
    counts = []

    def on_the_cpu(method: Method, parameters: object, seed: int, device: str, *others: Any) -> SegmentingTogether:
        assert device == "cuda"

        def segment_together(images: list[Any], *arguments: Any) -> list[Segmentation]:
            counts.append(len(images))
            assert method.segment_together is not None
            return method.segment_together(images, *arguments)

        watched = dataclasses.replace(method, segment_together=segment_together, count_together=lambda *_: 5)
        return SegmentingTogether(watched, parameters, seed, "cpu", *others)

    monkeypatch.setattr("dynseg.cli.segment_batch.resolve_device", lambda device: "cuda")
    monkeypatch.setattr("dynseg.cli.segment_batch.SegmentingTogether", on_the_cpu)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a card")
    assert segment_batch(dataset, *NETWORK, *QUICK, f"--output={together}") == 0
    assert counts == [2]
    for image in ("a", "b"):
        assert (read_labels(together, image) == read_labels(alone, image)).mean() > 0.98
        found, expected = read_attributes(together, image), read_attributes(alone, image)
        assert found["device"] == "cuda (a card)"
        assert found["iterations_run"] == expected["iterations_run"] == 4
        assert found["seconds"] > 0
