"""Tables of labels: the numbers of scikit-image, of all labels in one pass."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import regionprops_table
from small_ensemble import use_small_ensembles

from dynseg.cli import main_group
from dynseg.own_images.tables import region_table

PROPERTIES = (
    *("label", "area", "bbox", "centroid", "eccentricity", "orientation", "perimeter", "solidity"),
    *("intensity_mean", "intensity_std", "intensity_min", "intensity_max"),
)
label_maps = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 4))


def expected(labels: NDArray[np.integer], bands: NDArray[np.uint16], valid: NDArray[np.bool_]) -> pd.DataFrame:
    """The table of scikit-image, to which 0 is no label."""
    with warnings.catch_warnings():
        # It warns of shapes that are one line of pixels.
        warnings.simplefilter("ignore")
        table = pd.DataFrame(regionprops_table(np.where(valid, labels + 1, 0), bands, properties=PROPERTIES))
    table["label"] -= 1
    return table


@given(label_maps, st.integers(1, 3), st.integers(0, 1 << 30), st.booleans())
def test_every_number_is_that_of_scikit_image(labels: NDArray[np.uint8], size: int, seed: int, has_holes: bool) -> None:
    labels = np.kron(labels, np.ones((size, 1), np.uint8)).astype(np.int64) * 7
    rng = np.random.default_rng(seed)
    bands = rng.integers(0, 1 << 16, (*labels.shape, 2)).astype(np.uint16)
    valid = rng.random(labels.shape) < 0.8 if has_holes else np.ones(labels.shape, np.bool_)
    valid[0, 0] = True
    table, usual = region_table(labels, bands, valid), expected(labels, bands, valid)
    assert list(table.columns) == [*usual.columns, "neighbours"]
    has_direction = usual["eccentricity"] > 1e-6
    turned = (table["orientation"] - usual["orientation"])[has_direction]
    # Half a turn is none.
    assert np.allclose(np.sin(turned), 0)
    for name in usual.columns.drop("orientation"):
        np.testing.assert_allclose(table[name].astype(float), usual[name].astype(float), rtol=1e-9, atol=1e-9)


@given(label_maps, st.integers(0, 1 << 30))
def test_neighbours_share_the_side_of_a_pixel(labels: NDArray[np.uint8], seed: int) -> None:
    valid = np.random.default_rng(seed).random(labels.shape) < 0.8
    pairs: dict[int, set[int]] = {int(label): set() for label in np.unique(labels[valid])}
    for (y, x), label in np.ndenumerate(labels):
        for beside in ((y, x + 1), (y + 1, x)):
            if beside[0] < labels.shape[0] and beside[1] < labels.shape[1] and valid[y, x] and valid[beside]:
                pairs[int(label)] |= {int(labels[beside])} - {int(label)}
                pairs[int(labels[beside])] |= {int(label)} - {int(labels[beside])}
    table = region_table(labels, valid=valid)
    assert dict(zip(table["label"], table["neighbours"], strict=True)) == {key: sorted(pairs[key]) for key in pairs}


def test_an_image_without_data_has_no_rows() -> None:
    table = region_table(np.zeros((2, 3), int), np.zeros((2, 3, 1)), np.zeros((2, 3), np.bool_))
    assert len(table) == 0
    assert "neighbours" in table.columns


def run(*arguments: object) -> None:
    result = CliRunner().invoke(main_group, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def labels_of(path: Path) -> NDArray[np.integer]:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, NDArray[np.uint16]]:
    """A picture with two bands of 16 bits, and its values."""
    use_small_ensembles(monkeypatch)
    values = np.random.default_rng(0).integers(1000, 1100, (18, 24, 2)).astype(np.uint16)
    values[:, 12:] += 40000
    tifffile.imwrite(tmp_path / "deep.tif", values, photometric="minisblack", planarconfig="contig")
    return tmp_path / "deep.tif", values


def test_a_csv_has_the_numbers_of_the_file(deep: tuple[Path, NDArray[np.uint16]], tmp_path: Path) -> None:
    run("segment", deep[0], "-o", tmp_path / "out", "--segments", 4, "--format", "csv", "--format", "png")
    table = pd.read_csv(tmp_path / "out" / "deep.csv", dtype={"neighbours": str})
    labels = labels_of(tmp_path / "out" / "deep.png")
    direct = region_table(labels, deep[1])
    for name in direct.columns.drop("neighbours"):
        assert table[name].tolist() == direct[name].tolist()
    assert [sorted(map(int, text.split(";"))) for text in table["neighbours"]] == direct["neighbours"].tolist()
    assert table["intensity_max-1"].max() == deep[1][:, :, 1].max()


def test_a_cut_has_a_table_with_bands_only_beside_the_photograph(
    deep: tuple[Path, NDArray[np.uint16]], tmp_path: Path
) -> None:
    run("segment", deep[0], "-o", tmp_path, "--format", "h5")
    run("cut", tmp_path / "deep.h5", "-o", tmp_path / "bare", "--segments", 3, "--format", "csv")
    run("cut", tmp_path / "deep.h5", "-o", tmp_path / "full", "--segments", 3, "--format", "csv", "--image", deep[0])
    bare, full = (pd.read_csv(tmp_path / name / "deep.csv") for name in ("bare", "full"))
    assert len(bare) == len(full) == 3
    assert bare["area"].sum() == 18 * 24
    assert set(full.columns) - set(bare.columns) == {
        f"intensity_{kind}-{band}" for kind in ("mean", "std", "min", "max") for band in (0, 1)
    }


def test_parquet_has_lists_of_neighbours(deep: tuple[Path, NDArray[np.uint16]], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    run("segment", deep[0], "-o", tmp_path, "--segments", 4, "--format", "parquet", "--format", "png")
    table, direct = pd.read_parquet(tmp_path / "deep.parquet"), region_table(labels_of(tmp_path / "deep.png"), deep[1])
    assert list(table.columns) == list(direct.columns)
    for name in direct.columns.drop("neighbours"):
        assert table[name].tolist() == direct[name].tolist()
    assert [each.tolist() for each in table["neighbours"]] == direct["neighbours"].tolist()


def test_parquet_without_its_package_is_refused_before_the_work(
    deep: tuple[Path, NDArray[np.uint16]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "pyarrow" else found(name, *more)
    )
    result = CliRunner().invoke(main_group, ["segment", str(deep[0]), "-o", str(tmp_path), "--format", "parquet"])
    assert result.exit_code == 1
    assert "--format parquet needs another package: pip install 'dynseg[tables]'" in str(
        result.exception or result.output
    )
