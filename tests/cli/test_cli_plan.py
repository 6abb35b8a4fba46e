"""`dynseg plan`."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dynseg.cli import main_group, plan
from dynseg.errors import UserError

CONFIG = """
datasets:
  mosaic: {images: 3}
  bsd500: {sample: 7}
methods:
  fsf-15: {scheme: fsf, mu: 15}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "measure_gflops", lambda: 55.0)
    (tmp_path / "mine.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main_group, ["plan", *arguments])


def test_it_counts_and_writes_nothing(folder: Path) -> None:
    result = invoke("mine.yaml", "--cores", "4")
    assert result.exit_code == 0, result.output
    assert "bsd500: 7 images of about 481 × 321 pixels, supposed: it isn't prepared yet" in result.output
    assert "10 trainings" in result.output
    assert "on 4 cores" in result.output
    assert "55 GFLOP/s" in result.output
    assert "config/fast.yaml" in result.output
    assert [path.name for path in folder.iterdir()] == ["mine.yaml"]


def test_it_says_what_is_downloaded_and_what_is_there(folder: Path) -> None:
    unprepared = invoke("mine.yaml").output
    assert "71 MB to download, unless the config key `archives` names a folder that has BSR_bsds500.tgz" in unprepared
    assert re.search(r"^mosaic: 3 images .* it isn't prepared yet$", unprepared, flags=re.MULTILINE)
    assert re.search(r"^About \d+ jobs, ", unprepared, flags=re.MULTILINE)
    (folder / "BSR_bsds500.tgz").write_bytes(b"")
    (folder / "archives.yaml").write_text("archives: .\n", encoding="utf-8")
    there = invoke("mine.yaml", "archives.yaml").output
    assert "it isn't prepared yet; BSR_bsds500.tgz is there, not the official archive\n" in there
    megabytes = [float(re.findall(r"about ([\d.]+) MB on", text)[0]) for text in (unprepared, there)]
    assert megabytes[0] - megabytes[1] == pytest.approx(71, abs=1)


def test_files_are_laid_over_each_other_as_the_workflow_does_it(folder: Path) -> None:
    (folder / "config").mkdir()
    (folder / "config/config.yaml").write_text(f"{CONFIG}\nseeds: [0, 1]\n", encoding="utf-8")
    (folder / "less.yaml").write_text("datasets: {mosaic: {images: 2}}\n", encoding="utf-8")
    assert "4 trainings, 2 seeds" in invoke("less.yaml").output
    assert "4 trainings, 2 seeds" in invoke("mine.yaml", "less.yaml").output


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "dynseg init"),
        ("a: [", "isn't YAML"),
        ("- a", "no mapping"),
        ("method: {}\ndatasets: {mosaic: {}}", "no key 'method' here: write 'methods', which is missing"),
    ],
)
def test_a_config_that_is_none_is_one_sentence(folder: Path, text: str | None, sentence: str) -> None:
    if text is not None:
        (folder / "other.yaml").write_text(text, encoding="utf-8")
    result = invoke("other.yaml")
    assert isinstance(result.exception, UserError)
    assert sentence in str(result.exception)
    assert "\n" not in str(result.exception)
