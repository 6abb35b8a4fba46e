"""`dynseg plan`."""

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
