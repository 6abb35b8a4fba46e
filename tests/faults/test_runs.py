"""Whole runs beside another one, on a disk that fills up, and on file systems with and without locks."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_workflow import Workflow, write_dataset
from test_disk import mounted

from dynseg.io.label_maps import read_image_ids


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    config = {
        "datasets": {"small": write_dataset(tmp_path / "data", ["a", "b"])},
        "methods": {"blank": {"method": "blank"}},
        "panels": {},
    }
    return Workflow(tmp_path, config)


@pytest.mark.slow
def test_a_second_run_in_one_folder_says_who_is_at_work_and_disturbs_nobody(workflow: Workflow) -> None:
    results = workflow.directory / "results"
    first = subprocess.Popen(
        workflow.command(), cwd=workflow.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while not (results / ".lock").exists() and first.poll() is None:
        time.sleep(0.05)
    second = workflow.snakemake()
    said = second.stdout + second.stderr
    assert second.returncode != 0
    assert f"results is in use by another run (process {first.pid} on " in said
    assert "Traceback" not in said
    output = first.communicate()[0]
    assert first.returncode == 0, output
    assert "Nothing to be done" in workflow.run()
    # A plan may be asked for at any time.
    assert workflow.planned() == {}


@pytest.mark.slow
def test_a_run_on_a_disk_that_is_read_only_or_full_goes_on_when_there_is_room(workflow: Workflow) -> None:
    results = workflow.directory / "results"
    results.mkdir()
    with mounted(results, "ro"):
        result = workflow.snakemake()
        assert result.returncode != 0
        assert "results can't be written (Read-only file system)" in result.stdout + result.stderr
    with mounted(results, "size=48k"):
        result = workflow.snakemake()
        said = result.stdout + result.stderr
        assert result.returncode != 0
        assert "can't be written (No space left on device): make room or choose a writable folder" in said
        assert "Traceback" not in said
        assert not (results / "report.html").exists()
        subprocess.run(["mount", "-o", "remount,size=20m", str(results)], check=True)
        workflow.run()
        assert (results / "tables/table1.csv").read_text(encoding="utf-8").count("blank") > 0


CHAIN = """
from dynseg.cli import main_group
for command in (
    "prepare folder --name=small --archive=data/images --annotations=data/annotations --output=small",
    "segment-batch --dataset-dir=small --batch=batch@0of1 --method=blank --output=run/batch@0of1.h5",
    "score-run --run=run --dataset-dir=small --images-per-job=2 --output=scores.csv",
):
    main_group(command.split(), standalone_mode=False)
"""


@pytest.mark.parametrize("locking", ["TRUE", "FALSE", "BEST_EFFORT"])
def test_hdf5_locks_are_no_matter(tmp_path: Path, locking: str) -> None:
    write_dataset(tmp_path / "data", ["a", "b"])
    environment = {**os.environ, "HDF5_USE_FILE_LOCKING": locking}
    subprocess.run([sys.executable, "-c", CHAIN], cwd=tmp_path, env=environment, check=True)
    assert read_image_ids(tmp_path / "run" / "batch@0of1.h5") == ["a", "b"]
    assert (tmp_path / "scores.csv").read_text().count("\n") == 3
