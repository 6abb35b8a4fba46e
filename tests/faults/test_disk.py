"""A full disk, a read-only folder, a limit on the size of files, and inputs that vanish, under every command."""

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from small_workflow import write_dataset

from dynseg.cli import main

Fault = Callable[[Path], AbstractContextManager[None]]


def dynseg(*arguments: str | Path) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a dataset, label maps, scores and a table."""
    folder = tmp_path_factory.mktemp("made")
    write_dataset(folder / "pictures", ["a", "b"])
    for name in WRITERS:
        assert dynseg(*WRITERS[name](folder, folder / "results")) == 0
    return folder


# Each needs what those before it write.
WRITERS: dict[str, Callable[[Path, Path], list[str | Path]]] = {
    "prepare": lambda made, output: [
        *("prepare", "folder", "--name=small", "--archive", made / "pictures/images"),
        *("--annotations", made / "pictures/annotations", "--output", output / "datasets/small"),
    ],
    "segment-batch": lambda made, output: [
        *("segment-batch", "--dataset-dir", made / "results/datasets/small", "--batch=batch@0of1"),
        *("--method=kmeans", "--output", output / "label_maps/small/kmeans/seed0/batch@0of1.h5"),
    ],
    "score-run": lambda made, output: [
        *("score-run", "--run", made / "results/label_maps/small/kmeans/seed0", "--images-per-job=2"),
        *("--dataset-dir", made / "results/datasets/small", "--output", output / "scores/small/kmeans/seed0.csv"),
    ],
    "table": lambda made, output: [
        *("table", made / "results/scores/small/kmeans/seed0.csv", "--output-dir", output / "tables"),
    ],
    "panel": lambda made, output: [
        *("panel", "--dataset-dir", made / "results/datasets/small", "--output-png", output / "panel.png"),
        *("--run", f"k={made}/results/label_maps/small/kmeans/seed0", "--output-pdf", output / "panel.pdf"),
    ],
    "compose-mosaic": lambda made, output: ["compose-mosaic", "--images=1", "--output", output / "mosaic.tgz"],
    "export-photographs": lambda made, output: [
        *("export-photographs", "--longest-side=40", "--output", output / "photographs"),
    ],
}


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """A small file system with no room left."""
    with mounted(folder, "size=64k"):
        with (folder / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        yield
        (folder / "filler").unlink()


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that can't be written: by its mode, or for root, who writes anywhere, by a read-only mount."""
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield
        folder.chmod(0o700)
        return
    with mounted(folder, "ro"):
        yield


@contextlib.contextmanager
def no_large_files(folder: Path) -> Iterator[None]:
    """A limit of the process on the size of files, which any system can set."""
    signals = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, signals)


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("fault", [full_disk, read_only, no_large_files])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_cannot_be_written_is_one_sentence_and_leaves_nothing_half(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], writer: str, fault: Fault
) -> None:
    output = tmp_path / "results"
    output.mkdir()
    with fault(output):
        assert dynseg(*WRITERS[writer](made, output)) == 1
        said = capsys.readouterr().err.splitlines()
        assert [line for line in said if line.startswith("dynseg: ")] == said[-1:]
        assert not any("Traceback" in line for line in said)
        assert "can't be written" in said[-1]
        assert "make room or choose a writable folder" in said[-1]
        assert [path for path in output.rglob("*") if path.is_file() and path.name != "filler"] == []
    # The cause is gone, and the same command goes on.
    assert dynseg(*WRITERS[writer](made, output)) == 0


@pytest.mark.parametrize("fault", [full_disk, read_only, no_large_files])
@pytest.mark.parametrize("writer", WRITERS)
def test_earlier_results_stay_as_they_were(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], writer: str, fault: Fault
) -> None:
    # With capsys, for what is said goes to memory and not to a file that is limited too.
    output = tmp_path / "results"
    output.mkdir()
    if fault is no_large_files:
        dynseg(*WRITERS[writer](made, output))
        before = contents(output)
        with fault(output):
            assert dynseg(*WRITERS[writer](made, output)) == 1
        assert contents(output) == before
        return
    with mounted(output, "size=8m"):
        dynseg(*WRITERS[writer](made, output))
        before = contents(output)
        options = "remount,ro" if fault is read_only else f"remount,size={used(output)}"
        subprocess.run(["mount", "-o", options, str(output)], check=True)
        assert dynseg(*WRITERS[writer](made, output)) == 1
        assert contents(output) == before


def used(folder: Path) -> int:
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


VANISHED = [
    ("prepare", "pictures/images", "images can't be read .*: give the path of an archive"),
    ("prepare", "pictures/images/b.png", None),
    ("prepare", "pictures/annotations/b.png", "b.png has no annotation in .*: add one or drop the image"),
    ("segment-batch", "results/datasets/small/images.txt", "images.txt can't be read, so this is no prepared dataset"),
    ("segment-batch", "results/datasets/small/images/b.png", "image b: .* has no image b: run `dynseg prepare` again"),
    ("score-run", "results/datasets/small/ground_truth.h5", r"ground_truth.h5 doesn't exist: prepare"),
    ("score-run", "results/label_maps/small/kmeans/seed0/batch@0of1.h5", "batch@0of1.h5 doesn't exist: .* run the job"),
    ("table", "results/scores/small/kmeans/seed0.csv", "seed0.csv can't be read as a table of scores"),
    ("panel", "results/label_maps/small/kmeans/seed0/batch@0of1.h5", "k"),
    ("panel", "results/datasets/small/images/b.png", "has no image b"),
]


@pytest.mark.parametrize(("writer", "vanished", "message"), VANISHED)
def test_an_input_that_vanished_is_one_sentence_and_coming_back_is_enough(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], writer: str, vanished: str, message: str | None
) -> None:
    copy = tmp_path / "made"
    shutil.copytree(made, copy)
    arguments = WRITERS[writer](copy, tmp_path / "output")
    (copy / vanished).rename(tmp_path / "away")
    code = dynseg(*arguments)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert code == (0 if message is None else 1), said
    if message is not None:
        assert re.search(message, said.splitlines()[-1])
        assert contents(tmp_path / "output") == {}
    (tmp_path / "away").rename(copy / vanished)
    assert dynseg(*arguments) == 0
