"""`dynseg init`, `run` and `doctor`: from nothing to a running workflow."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from dynseg.cli import main_group
from dynseg.errors import UserError
from dynseg.workflow import start
from dynseg.workflow.start import profile_names, snakemake_command


def dynseg(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dynseg", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("datasets: {}\n")
    return path


def test_init_writes_a_config_that_says_what_to_do_next(tmp_path: Path) -> None:
    result = CliRunner().invoke(main_group, ["init", str(tmp_path / "new folder")])
    assert result.exit_code == 0
    assert "dynseg run config.yaml" in result.output
    assert f"cd '{tmp_path}/new folder'" in result.output
    text = (tmp_path / "new folder/config.yaml").read_text(encoding="utf-8")
    assert {"datasets", "methods", "training"} <= yaml.safe_load(text).keys()


def test_init_never_replaces_a_config(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine")
    result = CliRunner().invoke(main_group, ["init", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert (tmp_path / "config.yaml").read_text() == "mine"


def test_run_passes_options_and_targets_on(tmp_path: Path) -> None:
    CliRunner().invoke(main_group, ["init", str(tmp_path)])
    result = dynseg(tmp_path, "run", "config.yaml", "prepare", "-n", "--quiet", "rules")
    assert result.returncode == 0, result.stderr
    assert "prepare_dataset" in result.stdout + result.stderr
    assert "segment" not in result.stdout + result.stderr
    assert not (tmp_path / "results/datasets").exists()


def test_run_ends_with_what_is_for_snakemake(config: Path) -> None:
    options = ["--config", "device=cpu", "--", "results/tables/table1.csv"]
    assert snakemake_command(config, options)[-4:] == options


@pytest.mark.parametrize(
    "options", [["-n", "--configfile", "a.yaml", "b.yaml"], ["--configfile=a.yaml", "b.yaml", "-n"]]
)
def test_other_configurations_are_laid_over_the_first(config: Path, options: list[str]) -> None:
    command = snakemake_command(config, options)
    start = command.index("--configfile")
    assert command[start + 1 : start + 4] == [str(config), "a.yaml", "b.yaml"]
    assert command.count("--configfile") == 1
    assert command[start + 4].startswith("--")
    assert command[-1] == "-n"


def test_runs_exit_code_is_snakemakes(tmp_path: Path, config: Path) -> None:
    result = dynseg(tmp_path, "run", str(config), "-n")
    assert result.returncode == 1
    assert "'methods' is a requi" in result.stdout


@pytest.mark.parametrize("options", [["--cores", "2"], ["-c2"], ["-j", "2"], ["--jobs=2"]])
def test_run_takes_all_cores_unless_told(config: Path, options: list[str]) -> None:
    assert snakemake_command(config, []).count("all") == 1
    assert "all" not in snakemake_command(config, options)
    assert any(word.endswith("profiles/default") for word in snakemake_command(config, options))


@pytest.mark.parametrize("name", profile_names())
def test_run_knows_its_profiles_by_name(config: Path, name: str) -> None:
    for options in (["--workflow-profile", name], [f"--workflow-profile={name}"]):
        command = snakemake_command(config, options)
        assert any(word.endswith(f"profiles/{name}") for word in command)
        assert "--cores" not in command


def test_a_profile_of_the_users_own_stays_what_it_is(config: Path) -> None:
    command = snakemake_command(config, ["--workflow-profile", "my/cluster"])
    assert command[command.index("--workflow-profile") + 1] == "my/cluster"


def test_run_says_what_it_lacks(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="dynseg init"):
        snakemake_command(tmp_path / "nothing.yaml", [])
    monkeypatch.setattr(start, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"extra \[workflow\]"):
        snakemake_command(config, [])


def test_the_doctor_says_what_is_there_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main_group, ["doctor", "--no-network"])
    assert result.exit_code == 0, result.output
    for what in ("dynseg", "Python", "torch", "device", "threads", "memory", "disk", "snakemake", "workflow"):
        assert f"\n{what}: " in f"\n{result.output}"
    assert "archive" not in result.output


def test_the_doctor_finds_a_folder_that_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = CliRunner().invoke(main_group, ["doctor", "--no-network"])
    assert result.exit_code == 1
    assert "disk: " in result.output
