"""The commands that fetch, make and prepare datasets."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
from archive_builders import folder, picture
from click.testing import CliRunner

from dynseg.cli import compose_mosaic, export_photographs, fetch, prepare
from dynseg.datasets import MODULES, KnownArchive, bsd500, find_kind
from dynseg.errors import UserError


def run(module: object, *arguments: str | Path) -> str:
    result = CliRunner().invoke(module.command, [str(argument) for argument in arguments], catch_exceptions=False)  # type: ignore[attr-defined]
    assert result.exit_code == 0, result.output
    return result.output


def test_mosaic_from_nothing_to_a_dataset(tmp_path: Path) -> None:
    run(compose_mosaic, "--output", tmp_path / "mosaic.tgz", "--images", "2", "--seed", "1")
    output = tmp_path / "mosaic"
    run(prepare, "mosaic", "--archive", tmp_path / "mosaic.tgz", "--name", "mosaic", "--output", output)
    assert (output / "images.txt").read_text() == "mosaic001\nmosaic002\n"


def test_photographs_and_selections(tmp_path: Path) -> None:
    run(export_photographs, "--output", tmp_path / "photographs")
    (tmp_path / "ids.txt").write_text("coffee\ncoins\n")
    arguments = ["photographs", "--archive", tmp_path / "photographs", "--name", "mine", "--output", tmp_path / "out"]
    run(prepare, *arguments, "--ids", tmp_path / "ids.txt")
    assert (tmp_path / "out" / "images.txt").read_text() == "coffee\ncoins\n"
    run(prepare, *arguments, "--sample", "3")
    first = (tmp_path / "out" / "images.txt").read_text()
    assert len(first.split()) == 3
    run(prepare, *arguments, "--sample", "3", "--sample-seed", "1")
    assert (tmp_path / "out" / "images.txt").read_text() != first
    assert "mine: a sample of 99 images was asked for and there are 11" in run(prepare, *arguments, "--sample", "99")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("bsd500", ["--masks", "class"], "masks doesn't fit a dataset of kind bsd500: leave it out"),
        ("bsd500", ["--void", "ignore"], "void doesn't fit"),
        ("voc2012", ["--annotations", "x"], "annotations doesn't fit"),
        ("folder", ["--split", "test"], "split doesn't fit"),
        ("photographs", ["--void", "ignore"], "void doesn't fit"),
        ("folder", ["--sample", "1", "--ids", "x"], "exclude each other"),
        ("folder", ["--sample-seed", "1"], "--sample-seed belongs to --sample"),
        ("folder", ["--void", "background"], "void 'background' isn't known for a folder"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, kind: str, options: list[str], message: str) -> None:
    source = folder(tmp_path / "in", {"a.jpg": picture()})
    with pytest.raises(UserError, match=message):
        run(prepare, kind, "--archive", source, "--name", "mine", "--output", tmp_path / "out", *options)


@pytest.mark.parametrize("kind", MODULES)
def test_missing_archive_is_one_sentence_for_every_kind(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UserError, match=r"none\.tgz"):
        run(prepare, kind, "--archive", tmp_path / "none.tgz", "--name", "mine", "--output", tmp_path / "out")


def test_warnings_are_lines_that_name_the_dataset(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a.jpg": picture(), "b.psd": b"", "c.psd": b""})
    output = run(prepare, "folder", "--archive", source, "--name", "mine", "--output", tmp_path / "out")
    assert f"mine: {source}: files of other types are left out: 2 .psd\n" in output
    assert "Warning" not in output


def test_the_help_of_each_option_says_which_kinds_have_it() -> None:
    help_text = " ".join(run(prepare, "--help").split())
    assert "bsd500, mosaic: train, val, test or trainval; voc2012: train, val or trainval." in help_text


def test_unhashed_mirror_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def failing(urls: list[str], *arguments: object, check: object = None) -> None:
        calls.append((tuple(urls), check))
        if check is None:
            raise UserError("no mirror")

    monkeypatch.setattr(fetch, "fetch", failing)
    assert "no mirror" in run(fetch, "bsd500", "--output", tmp_path / "a.tgz")
    assert calls == [(bsd500.ARCHIVE.urls, None), ((bsd500.UNHASHED_MIRROR,), bsd500.check_complete)]
    with pytest.raises(UserError, match="no mirror"):
        run(fetch, "voc2012", "--output", tmp_path / "a.tar")


def test_own_address_without_hash_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(fetch, "fetch", lambda *arguments: calls.append(arguments))
    url = "https://example.org/a.tgz"
    assert "isn't checked against a hash" in run(fetch, "bsd500", "--url", url, "--output", tmp_path / "a.tgz")
    run(fetch, "bsd500", "--url", url, "--sha256", "00", "--output", tmp_path / "a.tgz")
    assert calls == [((url,), tmp_path / "a.tgz", None), ((url,), tmp_path / "a.tgz", "00")]
    with pytest.raises(UserError, match="--sha256 belongs to --url"):
        run(fetch, "bsd500", "--sha256", "00", "--output", tmp_path / "a.tgz")


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of archives; the official one of BSD500 has seven bytes, and no network is there."""
    official = KnownArchive(("https://example.org/BSR.tgz",), 7, hashlib.sha256(b"content").hexdigest())
    monkeypatch.setattr(fetch, "find_kind", lambda _: dataclasses.replace(find_kind("bsd500"), archive=official))
    monkeypatch.setattr(fetch, "fetch", lambda *arguments, **_: arguments[1].write_bytes(b"downloaded"))
    (tmp_path / "archives").mkdir()
    return tmp_path / "archives"


def test_an_archive_that_is_there_isnt_downloaded(archives: Path, tmp_path: Path) -> None:
    arguments = ["bsd500", "--archives", archives, "--output", tmp_path / "a.tgz"]
    (archives / "BSR.tgz").write_bytes(b"content")
    assert run(fetch, *arguments) == f"{archives / 'BSR.tgz'} is used in place.\n"
    assert (tmp_path / "a.tgz").readlink() == archives / "BSR.tgz"


def test_an_archive_of_the_official_size_must_be_it(archives: Path, tmp_path: Path) -> None:
    (archives / "BSR.tgz").write_bytes(b"changed")
    with pytest.raises(UserError, match=r"BSR\.tgz has the size of the official archive and another sha256"):
        run(fetch, "bsd500", "--archives", archives, "--output", tmp_path / "a.tgz")
    assert not (tmp_path / "a.tgz").exists()


def test_a_part_of_the_official_archive_does_and_is_said(archives: Path, tmp_path: Path) -> None:
    (archives / "BSR.tgz").write_bytes(b"part")
    output = run(fetch, "bsd500", "--archives", archives, "--output", tmp_path / "a.tgz")
    assert "used in place, though it isn't the official archive (4 bytes and not 7)" in output
    assert (tmp_path / "a.tgz").read_bytes() == b"part"


def test_without_the_archive_in_the_folder_it_is_downloaded(archives: Path, tmp_path: Path) -> None:
    output = run(fetch, "bsd500", "--archives", archives, "--output", tmp_path / "a.tgz")
    assert output == f"{archives} has no BSR.tgz, so it is downloaded.\n"
    assert (tmp_path / "a.tgz").read_bytes() == b"downloaded"
    with pytest.raises(UserError, match="--archives and --url exclude each other"):
        run(fetch, "bsd500", "--archives", archives, "--url", "https://a.b/c", "--output", tmp_path / "a.tgz")


def test_official_archives_have_their_official_names() -> None:
    names = {kind: archive.name for kind in MODULES if (archive := find_kind(kind).archive) is not None}
    assert names == {"bsd500": "BSR_bsds500.tgz", "voc2012": "VOCtrainval_11-May-2012.tar"}
