"""Locks of folders and files: one holder at a time, and none left by a killed one."""

import os
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


@pytest.mark.parametrize("look", [1, 2])
def test_a_lock_that_vanishes_while_it_is_looked_at_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: int
) -> None:
    def stat(path: Path, **options: bool) -> os.stat_result:
        if path.name == ".made.lock":
            looks.append(path)
            if len(looks) == look:
                # As the process before does when it is done.
                path.unlink()
        return os.stat(path, **options)

    looks: list[Path] = []
    monkeypatch.setattr(Path, "stat", stat)
    with one_at_a_time(tmp_path / "made"):
        pass
    assert looks
    assert list(tmp_path.iterdir()) == []


def test_without_another_maker_nobody_waits_and_nothing_is_left(tmp_path: Path) -> None:
    for _ in range(3):
        with one_at_a_time(tmp_path / "folder" / "made"):
            pass
    assert list((tmp_path / "folder").iterdir()) == []
