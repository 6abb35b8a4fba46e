"""Files appear whole or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from dynseg.errors import UserError
from dynseg.io.files import written_aside


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "table.csv"
    with written_aside(path) as aside:
        assert aside.suffix == ".csv"
        aside.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("earlier")
    with pytest.raises(RuntimeError), written_aside(path) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UserError, match="can't be written") as caught, written_aside(tmp_path / "file" / "table.csv"):
        pass
    assert "\n" not in str(caught.value)


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_writes_is_not(tmp_path: Path) -> None:
    code = (
        "import os, signal\nfrom dynseg.io.files import written_aside\n"
        f"with written_aside({str(tmp_path / 'table.csv')!r}):\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert [path.suffix for path in tmp_path.iterdir()] == [".csv"]
    with written_aside(tmp_path / "table.csv") as aside, written_aside(tmp_path / "table.csv") as other:
        assert sorted(tmp_path.iterdir()) == sorted([aside, other])
    assert list(tmp_path.iterdir()) == [tmp_path / "table.csv"]
