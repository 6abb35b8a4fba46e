"""Rasters and polygons where the image lies, read back by the libraries of the field and compared value by value."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from small_ensemble import use_small_ensembles

from dynseg.cli import main_group
from dynseg.io.geotiff import Georeference, label_raster, read_georeference, write_label_raster
from dynseg.io.images import read_picture
from dynseg.own_images.geopackage import write_label_polygons

rasterio = pytest.importorskip("rasterio")
pyogrio = pytest.importorskip("pyogrio")
shapely = pytest.importorskip("shapely")

UTM = "EPSG:32633"
TURNED = rasterio.Affine(8.0, 3.0, 500_000.0, 2.0, -9.0, 4_600_000.0)


def save_scene(path: Path, *, nodata: float | None = 0, **profile: object) -> NDArray[np.uint16]:
    """Save a 5-band scene of three fields with an empty corner and a river without data; return it, (5, H, W)."""
    rng = np.random.default_rng(0)
    scene = rng.integers(100, 140, (5, 48, 64)).astype(np.uint16)
    scene[:, :, 36:] += np.array([900, 100, 500, 50, 1500], np.uint16)[:, None, None]
    scene[3:, 30:, :32] += 2500
    scene[:, :9, :7] = 0
    scene[:, :, 33:35] = 0
    options = {"crs": UTM, "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 4_600_000), **profile}
    with rasterio.open(
        path, "w", driver="GTiff", height=48, width=64, count=5, dtype="uint16", nodata=nodata, **options
    ) as raster:
        raster.write(scene)
    return scene


def read_polygons(path: Path) -> tuple[dict[str, NDArray], NDArray, dict]:
    about, _, geometry, values = pyogrio.raw.read(path)
    return dict(zip(about["fields"], values, strict=True)), shapely.from_wkb(geometry), about


def segment(*arguments: str) -> str:
    result = CliRunner().invoke(main_group, ["segment", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_scene_of_five_bands_with_nodata_becomes_raster_and_polygons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_small_ensembles(monkeypatch)
    scene = save_scene(tmp_path / "scene.tif", tiled=True, blockxsize=32, blockysize=16)
    said = segment(
        str(tmp_path / "scene.tif"), "-o", str(tmp_path / "out"), "--format", "geotiff", "--format", "gpkg", "--format",
        "npy", "--format", "h5",
    )  # fmt: skip
    valid = (scene != 0).all(axis=0)
    assert f"{np.count_nonzero(~valid)} pixels without data" in said
    with rasterio.open(tmp_path / "scene.tif") as image, rasterio.open(tmp_path / "out/scene.tif") as raster:
        labels = raster.read(1)
        assert (raster.crs, raster.transform, raster.nodata) == (image.crs, image.transform, 0)
        assert (raster.count, raster.dtypes, raster.block_shapes) == (1, ("uint8",), [(16, 32)])
        assert raster.compression.name == "deflate"
        transform = raster.transform
    assert np.array_equal(labels, np.load(tmp_path / "out/scene.npy"))
    assert np.array_equal(labels > 0, valid)
    assert set(np.unique(labels)) == set(range(int(labels.max()) + 1))
    # Nothing merges across the river.
    assert not set(np.unique(labels[:, :33])) & set(np.unique(labels[:, 35:])) - {0}

    fields, shapes, about = read_polygons(tmp_path / "out/scene.gpkg")
    assert rasterio.CRS.from_user_input(about["crs"]) == rasterio.CRS.from_string(UTM)
    assert about["geometry_type"] == "MultiPolygon"
    assert list(fields)[:3] == ["label", "area", "count"]
    assert list(fields)[3:] == [f"{name}_{band}" for name in ("mean", "std") for band in range(1, 6)]
    assert fields["label"].tolist() == np.unique(labels[valid]).tolist()
    assert fields["area"].sum() == pytest.approx(100 * np.count_nonzero(valid))
    np.testing.assert_allclose(shapely.area(shapes), fields["area"])
    assert shapely.is_valid(shapes).all()
    drawn = rasterio.features.rasterize(
        zip(shapes, fields["label"].tolist(), strict=True), labels.shape, transform=transform, dtype="int32"
    )
    assert np.array_equal(drawn, labels)
    for label, count, *statistics in zip(*list(fields.values())[:1], *list(fields.values())[2:], strict=True):
        values = scene[:, labels == label].astype(np.float64)
        assert count == values.shape[1]
        np.testing.assert_allclose(statistics, [*values.mean(axis=1), *values.std(axis=1)])
    # Borders are shared: neighbours neither overlap nor leave a gap.
    assert shapely.area(shapely.union_all(shapes)) == pytest.approx(fields["area"].sum())

    cut = ["cut", str(tmp_path / "out/scene.h5"), "-o", str(tmp_path / "few"), "--segments", "4", "--format", "geotiff"]
    assert "--format geotiff needs the photograph" in CliRunner().invoke(main_group, cut).output
    result = CliRunner().invoke(main_group, [*cut, "--image", str(tmp_path / "scene.tif")])
    assert result.exit_code == 0, result.output
    with rasterio.open(tmp_path / "few/scene.tif") as raster:
        assert np.unique(raster.read(1)).tolist() == [0, 1, 2, 3, 4]
        assert raster.transform == transform


@settings(max_examples=20, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 3)))
def test_polygons_are_the_pixels(tmp_path_factory: pytest.TempPathFactory, labels: NDArray[np.uint8]) -> None:
    labels[0, 0] = 1
    path = tmp_path_factory.mktemp("polygons") / "a.gpkg"
    georeference = Georeference(rasterio.CRS.from_string(UTM), TURNED)
    write_label_polygons(path, labels, labels[:, :, np.newaxis] * 2.5, georeference, "a")
    fields, shapes, _ = read_polygons(path)
    counts = np.bincount(labels.ravel())
    assert fields["label"].tolist() == np.flatnonzero(counts)[int(counts[0] > 0) :].tolist()
    np.testing.assert_allclose(fields["area"], counts[fields["label"]] * abs(TURNED.determinant))
    np.testing.assert_allclose(shapely.area(shapes), fields["area"])
    np.testing.assert_allclose(fields["mean_1"], 2.5 * fields["label"])
    np.testing.assert_allclose(fields["std_1"], 0, atol=1e-12)
    drawn = rasterio.features.rasterize(
        zip(shapes, fields["label"].tolist(), strict=True), labels.shape, transform=TURNED, dtype="int32"
    )
    assert np.array_equal(drawn, labels)


@pytest.mark.parametrize(("largest", "dtype"), [(255, "uint8"), (256, "uint16"), (65536, "uint32")])
def test_labels_have_the_smallest_type_and_every_kind_of_georeference_is_kept(
    tmp_path: Path, largest: int, dtype: str
) -> None:
    points = [rasterio.control.GroundControlPoint(row, col, 3 + col, 40 - row) for row, col in ((0, 0), (0, 9), (7, 0))]
    polynomials = {f"{axis}_{part}_coeff": [1.0] * 20 for axis in ("line", "samp") for part in ("num", "den")}
    scales = {f"{axis}_{part}": 1.0 for axis in ("height", "lat", "line", "long", "samp") for part in ("off", "scale")}
    coefficients = rasterio.rpc.RPC(**scales, **polynomials)
    kinds = {
        "affine": {"crs": "EPSG:4326", "transform": TURNED},
        "points": {"gcps": points, "crs": "EPSG:4326"},
        "coefficients": {"rpcs": coefficients},
    }
    for name, options in kinds.items():
        labels = np.zeros((8, 10), np.int64)
        labels[2, 3] = largest
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            source = tmp_path / f"{name}.tif"
            with rasterio.open(source, "w", driver="GTiff", height=8, width=10, count=1, dtype="float32", **options):
                pass
            georeference = read_georeference(source, (8, 10))
            assert georeference.is_known
            write_label_raster(tmp_path / f"{name}_labels.tif", labels, georeference)
            with rasterio.open(source) as image, rasterio.open(tmp_path / f"{name}_labels.tif") as raster:
                assert raster.dtypes == (dtype,)
                assert np.array_equal(raster.read(1), labels)
                assert (raster.crs, raster.transform) == (image.crs, image.transform)
                assert [point.asdict() for point in raster.gcps[0]] == [point.asdict() for point in image.gcps[0]]
                assert raster.gcps[1] == image.gcps[1]
                assert (raster.rpcs is None) == (image.rpcs is None)
                if image.rpcs is not None:
                    assert raster.rpcs.to_dict() == image.rpcs.to_dict()
    assert {path.suffix for path in tmp_path.iterdir()} == {".tif"}


def test_a_scene_without_any_data_is_said_and_empty(tmp_path: Path) -> None:
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=9, width=8, count=2, dtype="uint16", nodata=0, crs=UTM,
        transform=TURNED,
    ) as raster:  # fmt: skip
        raster.write(np.zeros((2, 9, 8), np.uint16))
    out = tmp_path / "out"
    said = segment(str(tmp_path / "a.tif"), "-o", str(out), "--format", "geotiff", "--format", "gpkg", "--format", "h5")
    assert "no pixel of the image has data" in said
    with rasterio.open(out / "a.tif") as raster:
        assert not raster.read(1).any()
    fields, shapes, _ = read_polygons(out / "a.gpkg")
    assert (len(shapes), list(fields)) == (0, ["label", "area", "count", "mean_1", "mean_2", "std_1", "std_2"])
    cut = ["cut", str(out / "a.h5"), "-o", str(tmp_path / "cut"), "--segments", "3"]
    assert CliRunner().invoke(main_group, cut).exit_code == 0


def test_a_raster_is_written_by_windows(tmp_path: Path) -> None:
    labels = np.arange(1, 1 + 40 * 50).reshape(40, 50)
    georeference = Georeference(rasterio.CRS.from_string(UTM), TURNED, blocks={"blockysize": 8})
    with label_raster(tmp_path / "a.tif", (40, 50), 2000, georeference) as raster:
        for row in range(0, 40, 8):
            raster.write(labels[row : row + 8].astype(np.uint16), 1, window=((row, row + 8), (0, 50)))
        assert not (tmp_path / "a.tif").exists()
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert np.array_equal(raster.read(1), labels)
        assert raster.block_shapes == [(8, 50)]


def test_a_photograph_without_a_place_is_said_once_and_written_in_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_small_ensembles(monkeypatch)
    image = np.zeros((24, 32, 3), np.uint8)
    image[:, 16:] = 200
    Image.fromarray(image).save(tmp_path / "photo.png")
    other = tmp_path / "other.png"
    Image.fromarray(image).save(other)
    said = segment(
        str(tmp_path / "photo.png"), "-o", str(tmp_path / "out"), "--segments", "2", "--format", "geotiff", "--format",
        "gpkg", "--format", "npy",
    )  # fmt: skip
    assert said.count("says nothing of where it lies") == 1
    labels = np.load(tmp_path / "out/photo.npy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(tmp_path / "out/photo.tif") as raster:
            assert raster.crs is None
            # The photograph has no pixel without data, and other formats number from 0.
            assert np.array_equal(raster.read(1), labels + 1)
    said = segment(
        str(tmp_path / "photo.png"), str(other), "-o", str(tmp_path / "both"), "--segments", "2", "--format", "gpkg",
        "--format", "geotiff",
    )  # fmt: skip
    assert "2 images say nothing of where they lie, " in said
    assert said.count("of where") == 1
    fields, shapes, about = read_polygons(tmp_path / "out/photo.gpkg")
    assert about["crs"] is None or "Undefined" in about["crs"]
    assert fields["area"].tolist() == fields["count"].tolist() == [24 * 16] * 2
    assert [list(shape.bounds) for shape in shapes] == [[0, 0, 16, 24], [16, 0, 32, 24]]


def test_an_infrared_band_that_gdal_marks_as_opacity_is_a_band(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).integers(1, 255, (4, 20, 30)).astype(np.uint8)
    path = tmp_path / "field.tif"
    place = {"crs": UTM, "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 4_600_000)}
    with rasterio.open(path, "w", driver="GTiff", height=20, width=30, count=4, dtype="uint8", **place) as raster:
        raster.write(bands)
        assert raster.colorinterp[3] == rasterio.enums.ColorInterp.alpha
    assert np.array_equal(read_picture(path).bands, bands.transpose(1, 2, 0))


@pytest.mark.parametrize(("channels", "is_band"), [((1, 2, 3), False), ((2,), False), ((4, 1), True)])
def test_opacity_says_what_has_data_beside_chosen_channels_too(
    tmp_path: Path, channels: tuple[int, ...], is_band: bool
) -> None:
    bands = np.random.default_rng(0).integers(1, 255, (4, 20, 30)).astype(np.uint8)
    bands[3] = np.where(np.arange(30) < 7, 0, 255)
    path = tmp_path / "orthophoto.tif"
    place = {"crs": UTM, "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 4_600_000)}
    with rasterio.open(path, "w", driver="GTiff", height=20, width=30, count=4, dtype="uint8", **place) as raster:
        raster.write(bands)
    picture = read_picture(path, channels=channels)
    assert np.array_equal(picture.bands, bands[[channel - 1 for channel in channels]].transpose(1, 2, 0))
    if is_band:
        assert picture.valid is None
    else:
        assert np.array_equal(picture.valid, bands[3] > 0)


def test_a_geopackage_has_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a!b;c"
    path = folder / "x!y;z#w.gpkg"
    write_label_polygons(
        path, np.ones((2, 3), np.uint8), None, Georeference(None, rasterio.Affine.identity()), "labels"
    )
    assert [each.name for each in folder.iterdir()] == [path.name]
    assert [each.name for each in tmp_path.iterdir()] == [folder.name]
    path.rename(tmp_path / "plain.gpkg")
    assert read_polygons(tmp_path / "plain.gpkg")[0]["count"].tolist() == [6]
