"""Writing a prepared dataset: whole or not at all, and what was there before stays."""

import io
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dynseg.datasets.example import Example, unique_ids
from dynseg.datasets.reading import read_image_sizes, read_stored_images
from dynseg.datasets.selection import listed, sampled
from dynseg.datasets.writing import write_dataset
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_annotated_ids, read_attributes


def png(height: int = 2, width: int = 3) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(content, "PNG")
    return content.getvalue()


def example(image_id: str = "a", **changes: object) -> Example:
    values = {
        "image_id": image_id,
        "source": f"archive.tgz: {image_id}.png",
        "suffix": ".png",
        "content": png(),
        "modified": 1_000_000_000.0,
        "segments": np.ones((2, 2, 3), np.uint8),
    }
    return Example(**{**values, **changes})  # type: ignore[arg-type]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_layout(tmp_path: Path) -> None:
    output = tmp_path / "mine"
    assert write_dataset(output, [example("b"), example("a", segments=None)], {"dataset": "mine"}) == ["a", "b"]
    assert sorted(snapshot(output)) == ["ground_truth.h5", "images.txt", "images/a.png", "images/b.png", "sizes.csv"]
    assert read_image_sizes(output) == {"a": (2, 3), "b": (2, 3)}
    assert (output / "images.txt").read_text() == "a\nb\n"
    assert (output / "images" / "a.png").read_bytes() == png()
    assert (output / "images" / "a.png").stat().st_mtime == 1_000_000_000
    assert read_annotated_ids(output / "ground_truth.h5") == ["b"]
    assert read_attributes(output / "ground_truth.h5") == {"dataset": "mine"}
    assert list(tmp_path.iterdir()) == [output]


def test_the_digest_of_a_picture_is_that_of_its_content_alone(tmp_path: Path) -> None:
    def digests(**changes: object) -> list[str]:
        write_dataset(tmp_path / "mine", [example(**changes)], {})
        return [image.content for image in read_stored_images(tmp_path / "mine").values()]

    first = digests()
    assert digests(modified=1.0, segments=None) == first
    assert digests(content=png() + b"x") != first


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content": png()[:50]}, r"archive\.tgz: b\.png can't be read as an image"),
        ({"content": b"text"}, r"archive\.tgz: b\.png isn't an image"),
        ({"segments": np.ones((1, 3, 2), np.uint8)}, r"b\.png has 3x2 pixels and its annotation 2x3"),
    ],
)
def test_bad_example_keeps_the_earlier_dataset(tmp_path: Path, changes: dict, message: str) -> None:
    output = tmp_path / "mine"
    write_dataset(output, [example("old")], {"dataset": "earlier"})
    before = snapshot(output)
    with pytest.raises(UserError, match=message):
        write_dataset(output, [example("a"), example("b", **changes)], {"dataset": "mine"})
    assert snapshot(output) == before
    assert list(tmp_path.iterdir()) == [output]


def test_interrupted_reading_keeps_the_earlier_dataset(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Example]:
        yield example("a")
        raise KeyboardInterrupt

    output = tmp_path / "mine"
    write_dataset(output, [example("old")], {})
    before = snapshot(output)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(output, interrupted(), {})
    assert snapshot(output) == before


def test_new_dataset_replaces_the_earlier_one_whole(tmp_path: Path) -> None:
    output = tmp_path / "mine"
    write_dataset(output, [example("old"), example("older")], {})
    (output / "notes.txt").write_text("kept")
    write_dataset(output, [example("new")], {})
    assert sorted(snapshot(output)) == ["ground_truth.h5", "images.txt", "images/new.png", "notes.txt", "sizes.csv"]


def test_remains_of_a_killed_run_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / ".mine.part" / "images").mkdir(parents=True)
    (tmp_path / ".mine.part" / "images" / "a.png").write_bytes(b"half")
    write_dataset(tmp_path / "mine", [example("a")], {})
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


def test_pictures_of_the_user_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "holiday.png").write_bytes(png())
    with pytest.raises(UserError, match="wasn't prepared by dynseg and would be lost"):
        write_dataset(tmp_path, [example()], {})
    assert sorted(snapshot(tmp_path)) == ["images/holiday.png"]


def test_no_image_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"empty\.zip has no image"):
        write_dataset(tmp_path / "mine", [], {"archive": "empty.zip"})
    assert list(tmp_path.iterdir()) == []


def test_unwritable_output_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="can't be written"):
        write_dataset(tmp_path / "file" / "mine", [example()], {})


def test_clocks_that_are_wrong_are_mended(tmp_path: Path) -> None:
    write_dataset(tmp_path / "mine", [example("a", modified=-5.0), example("b", modified=1e15)], {})
    assert (tmp_path / "mine" / "images" / "a.png").stat().st_mtime == 0
    assert (tmp_path / "mine" / "images" / "b.png").stat().st_mtime < 1e11


def test_sample_depends_on_ids_and_seed_only() -> None:
    ids = [f"{number:03}" for number in range(100)]
    chosen = sampled(5, 0, pytest.fail)(ids)
    assert chosen == ["049", "097", "053", "005", "033"]
    assert sampled(5, 0, pytest.fail)(ids[::-1]) == chosen
    assert sampled(5, 1, pytest.fail)(ids) != chosen


def test_sample_larger_than_the_dataset_takes_all_and_warns() -> None:
    warnings: list[str] = []
    assert sorted(sampled(5, 0, warnings.append)(["b", "a"])) == ["a", "b"]
    assert warnings == ["a sample of 5 images was asked for and there are 2: all are taken"]


def test_list_of_ids(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("b\n\nü\r\nb\n", encoding="utf-8")
    assert listed(tmp_path / "ids.txt")(["a", "b", "ü"]) == ["b", "ü"]
    with pytest.raises(UserError, match=r"ids\.txt lists 'ü', which isn't an image"):
        listed(tmp_path / "ids.txt")(["a", "b"])


def test_bad_lists_are_user_errors(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    for name, message in [("empty", "lists no image id"), ("binary", "can't be read"), ("none", "can't be read")]:
        with pytest.raises(UserError, match=rf"{name}\.txt {message}"):
            listed(tmp_path / f"{name}.txt")


def test_two_files_with_one_id_are_a_user_error() -> None:
    with pytest.raises(UserError, match=r"'a_b\.png' and 'a/b\.png' would both be the image 'a_b'"):
        unique_ids([("a_b", "a_b.png"), ("a_b", "a/b.png")])


@pytest.mark.parametrize("limit", [50, 1000, 5000])
def test_full_disk_is_one_sentence_and_keeps_the_earlier_dataset(tmp_path: Path, limit: int) -> None:
    output = tmp_path / "mine"
    write_dataset(output, [example("old")], {})
    before = snapshot(output)
    signals = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        with pytest.raises(UserError, match=r"mine can't be written \(File too large\): make room") as caught:
            write_dataset(output, [example(str(number)) for number in range(30)], {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, signals)
    assert "\n" not in str(caught.value)
    assert snapshot(output) == before
    assert list(tmp_path.iterdir()) == [output]
