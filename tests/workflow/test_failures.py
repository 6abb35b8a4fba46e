"""What a failed run says last."""

from pathlib import Path

import pytest
from conftest import Workflow, write_dataset

from dynseg.workflow.failures import failure_sentences

SNAKEMAKE_LOG = """
[today]
Error in rule segment:
    message: None
    jobid: 2
    log: {first} (check log file(s) for error details)
    shell:
        python -m dynseg
[today]
Error in checkpoint prepare_dataset:
    log: {second} (check log file(s) for error details)
Trying to restart job 2.
Error in rule segment:
    log: {first} (check log file(s) for error details)
"""


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Snakemake's log, and those of two jobs that failed."""
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    (tmp_path / "snakemake.log").write_text(SNAKEMAKE_LOG.format(first=first, second=second))
    first.write_text("today start: segment\ntoday failed: after 1.0 s\ndynseg: a.png isn't whole: give another\n")
    second.write_text("Traceback\n  line\nMemoryError\n")
    return tmp_path / "snakemake.log", first, second


def test_a_failed_job_says_why_once_and_where_the_rest_is(logs: tuple[Path, Path, Path]) -> None:
    snakemake_log, first, second = logs
    assert failure_sentences([snakemake_log]) == [
        f"segment: a.png isn't whole: give another ({first})",
        f"prepare_dataset: MemoryError ({second})",
    ]


def test_a_job_that_went_well_when_tried_again_says_nothing(logs: tuple[Path, Path, Path]) -> None:
    snakemake_log, first, second = logs
    first.write_text("today start: segment\ntoday end: after 2.0 s\n")
    second.unlink()
    assert failure_sentences([snakemake_log]) == []


def test_a_failed_jobs_sentence_is_the_last_thing_on_the_terminal(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", ["a"])
    (tmp_path / "data/images/a.png").write_text("no picture")
    workflow = Workflow(tmp_path, {"datasets": {"small": dataset}, "methods": {"blank": {"method": "blank"}}})
    result = workflow.snakemake()
    assert result.returncode != 0
    last = result.stderr.splitlines()[-1]
    assert last.startswith("prepare_dataset: ")
    assert "a.png" in last
    assert last.endswith("(results/logs/prepare_dataset/small.log)")
