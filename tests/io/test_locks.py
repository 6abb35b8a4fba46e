"""Locks of folders and files: one holder at a time, and none left by a killed one."""

import select
import subprocess
import sys
from pathlib import Path

import pytest

from dynseg.errors import UserError
from dynseg.io.locks import claim_folder, one_at_a_time

HOLD = """
import sys, time
from pathlib import Path
from dynseg.io.locks import claim_folder, one_at_a_time
{statement}
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(statement: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD.format(statement=statement)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_folder_is_claimed_until_its_process_is_killed(tmp_path: Path) -> None:
    process = holder(f"claim_folder({str(tmp_path / 'results')!r})\nif True:")
    with pytest.raises(UserError, match=rf"results is in use by another run \(process {process.pid} on .*wait until"):
        claim_folder(tmp_path / "results")
    end(process)
    claim_folder(tmp_path / "results")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written"):
        claim_folder(tmp_path / "file" / "results")


def test_the_second_maker_of_a_file_waits_for_the_first(tmp_path: Path) -> None:
    process = holder(f"with one_at_a_time({str(tmp_path / 'made')!r}):")
    second = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(statement=f"with one_at_a_time({str(tmp_path / 'made')!r}):")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(timeout=2)
    end(process)
    said, noted = second.communicate(timeout=60)
    assert said == "held\n"
    assert noted.startswith("waiting for another process that makes ")
    assert list(tmp_path.iterdir()) == []


def test_a_third_maker_waits_for_the_second_when_the_first_has_removed_its_lock(tmp_path: Path) -> None:
    statement = f"with one_at_a_time({str(tmp_path / 'made')!r}):"
    first = holder(statement)
    second, third = (
        subprocess.Popen(
            [sys.executable, "-c", HOLD.format(statement=statement)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    )
    for waiting in (second, third):
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("waiting for another process")
    # Its input ends, so that it goes on and removes the lock's file.
    first.communicate()
    outputs = [process.stdout for process in (second, third) if process.stdout is not None]
    holding, _, _ = select.select(outputs, [], [], 60)
    assert len(holding) == 1
    assert select.select([output for output in outputs if output not in holding], [], [], 1)[0] == []
    for process in (second, third):
        end(process)


def test_without_another_maker_nobody_waits_and_nothing_is_left(tmp_path: Path) -> None:
    for _ in range(3):
        with one_at_a_time(tmp_path / "folder" / "made"):
            pass
    assert list((tmp_path / "folder").iterdir()) == []
