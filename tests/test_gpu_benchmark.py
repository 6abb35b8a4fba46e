"""`benchmarks/gpu.py` from data to report, on the CPU and with PyTorch, NumPy, h5py and Pillow alone."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from dynseg.datasets.preparing import prepare

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[1]
NEEDED = ("torch", "numpy", "h5py", "pillow")
DOCUMENTS = ("benchmarks/README.md", "docs/reproduction.md")
MARKED = re.compile(r"<!-- gpu: (\w+) -->\n\n(.*?)\n\n<!-- end of gpu: \1 -->", re.DOTALL)
# Lets no finder find some modules, then runs a script as `python SCRIPT` does.
RUN_WITHOUT = """
import runpy, sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in REFUSED else self.finder.find_spec(name, path, target)
REFUSED = set(sys.argv.pop(1).split(","))
sys.meta_path[:] = map(Without, sys.meta_path)
sys.argv.pop(0)
sys.path.insert(0, "benchmarks")
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def other_packages() -> set[str]:
    """Return the top modules of everything that is installed beside what is needed and what that needs itself."""
    found: set[str] = set()
    waiting = list(NEEDED)
    while waiting:
        name = normalised(waiting.pop())
        if name not in found:
            found.add(name)
            lines = [line for line in requires(name) or [] if "extra ==" not in line and "sys_platform" not in line]
            installed = {normalised(each) for names in packages_distributions().values() for each in names}
            names = [match[0] for line in lines if (match := re.match(r"[\w.-]+", line))]
            waiting += [each for each in names if normalised(each) in installed]
    return {
        module
        for module, names in packages_distributions().items()
        if module != "dynseg" and not {normalised(name) for name in names} & found
    }


def started(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, *map(str, command)]
    return subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def run(*command: str | Path) -> str:
    done = started(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures with an annotation, as `gpu_data.py` writes them."""
    folder = tmp_path_factory.mktemp("gpu")
    labels = (np.indices((44, 60))[1] // 30 + 1).astype(np.uint8)
    for name, transposed in (("a", False), ("b", False), ("c", True)):
        image = np.random.default_rng(ord(name)).integers(0, 60, (44, 60, 3))
        image[:, 30:] += 180
        pixels = image.astype(np.uint8)
        for part, content in (("images", pixels), ("annotations", labels)):
            (folder / part).mkdir(exist_ok=True)
            Image.fromarray(content.swapaxes(0, 1) if transposed else content).save(folder / part / f"{name}.png")
    prepare("folder", folder / "images", folder / "dataset", "some", annotations=folder / "annotations")
    run("benchmarks/gpu_data.py", "--dataset-dir", folder / "dataset", "--out", folder / "data.h5")
    return folder / "data.h5"


@pytest.fixture(scope="module")
def measured(data: Path) -> Path:
    """What a quick run on the CPU leaves, without any other package."""
    out = data.parent / "out"
    refused = ",".join(sorted(other_packages()))
    quick = ("--device", "cpu", "--quick", "--data", data, "--out", out)
    run("-c", RUN_WITHOUT, refused, "benchmarks/gpu.py", *quick)
    return out


def test_the_file_holds_pictures_as_they_are_and_annotations(data: Path) -> None:
    with h5py.File(data) as file:
        assert sorted(file) == ["a", "b", "c"]
        assert file["c"]["segments"].shape == (1, 60, 44)
        assert file["a"]["picture"][()].tobytes() == (data.parent / "images" / "a.png").read_bytes()


def test_everything_runs_without_other_packages(measured: Path) -> None:
    assert {"pydantic", "lazy_loader", "psutil", "scipy", "click", "pytest"} <= other_packages()
    found = json.loads((measured / "gpu.json").read_text())
    assert found["failures"] == {}
    assert found["machine"]["stand-ins"] == ["lazy_loader", "pydantic"]
    assert not found["tests"]["ran"]
    assert {row["form"] for row in found["steps"]} == {"released", "plain loop", "closed gradients"}
    assert all(row["ms"] > 0 and row["share of peak"] > 0 for row in found["steps"])
    for row in found["steps against the CPU"]:
        assert row["gradient error"] < 1e-3
        assert row["equal labels"] > 0.99
    assert max(found["graph against none"]["largest relative difference"].values()) == 0
    assert [row["images"] for row in found["batches"]] == [1, 2]
    assert found["label maps against the CPU"][0]["float32"] > 0.9
    assert {row["images"] for row in found["table"]["rows"].values()} == {2}


def test_rows_go_on_where_they_ended(data: Path, measured: Path) -> None:
    kept = {path: path.stat().st_mtime_ns for path in (measured / "rows").iterdir()}
    lost = next(iter(kept))
    lost.unlink()
    before = (measured / "gpu.json").read_text()
    arguments = ("--device", "cpu", "--quick", "--rows-only", "--data", data, "--out", measured)
    run("benchmarks/gpu.py", *arguments)
    assert set((measured / "rows").iterdir()) == kept.keys()
    changed = [path for path, time in kept.items() if path.stat().st_mtime_ns != time]
    assert changed == [lost]
    assert (measured / "gpu.json").read_text() == before


def report(results: Path, data: Path, repository: Path) -> dict[str, str]:
    """Return what the report puts into copies of the documents, by the name of its markers."""
    for document in DOCUMENTS:
        (repository / document).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / document, repository / document)
    run("benchmarks/gpu_report.py", "--results", results, "--data", data, "--repository", repository)
    found: dict[str, str] = {}
    for document in DOCUMENTS:
        text, original = ((folder / document).read_text("utf-8") for folder in (repository, REPOSITORY))
        assert MARKED.sub("", text) == MARKED.sub("", original)
        found |= dict(MARKED.findall(text))
    return found


def test_the_report_writes_tables_between_the_markers(data: Path, measured: Path, tmp_path: Path) -> None:
    found = report(measured, data, tmp_path)
    assert "A quick run on tiny images" in found["times"]
    assert "| 56x40 | 3 | closed gradients | tf32 |" in found["times"]
    assert "2 test images, M = 3, full size" in found["table"]
    assert found["table"].count("\n| ") == 7


def test_without_results_the_report_leaves_the_documents_alone(data: Path, tmp_path: Path) -> None:
    for document in DOCUMENTS:
        (tmp_path / document).parent.mkdir(exist_ok=True)
        (tmp_path / document).write_text("measured", "utf-8")
    words = ("benchmarks/gpu_report.py", "--results", tmp_path / "none", "--data", data, "--repository", tmp_path)
    done = started(*words)
    assert done.returncode == 1
    assert "none has no gpu.json: run benchmarks/gpu.py" in done.stderr
    assert {(tmp_path / document).read_text("utf-8") for document in DOCUMENTS} == {"measured"}


def test_times_without_rows_leave_the_table_of_rows(data: Path, measured: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    shutil.copy(measured / "gpu.json", tmp_path / "out")
    found = report(tmp_path / "out", data, tmp_path)
    assert "A quick run" in found["times"]
    assert found["table"] == dict(MARKED.findall((REPOSITORY / "docs" / "reproduction.md").read_text("utf-8")))["table"]


def test_without_data_the_command_says_how_to_make_it(tmp_path: Path) -> None:
    done = started("benchmarks/gpu.py", "--device", "cpu", "--data", tmp_path / "none.h5")
    assert done.returncode == 1
    assert "make it with `make gpu-data`" in done.stderr
    assert "Traceback" not in done.stderr
