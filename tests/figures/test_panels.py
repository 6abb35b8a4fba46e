from dataclasses import replace

import matplotlib.font_manager
import numpy as np
import pytest
from PIL import Image

from dynseg.figures.palette import BOUNDARY_COLOUR
from dynseg.figures.panels import PanelImage, draw_panel
from dynseg.figures.style import ONE_COLUMN, PAGE_HEIGHT, TWO_COLUMNS, save_figure


def panel_image(height: int = 60, width: int = 90, maps: int = 2, annotated: bool = True) -> PanelImage:
    photograph = np.zeros((height, width, 3), np.uint8)
    photograph[..., 0] = np.linspace(0, 200, width)
    halves = np.zeros((height, width), int)
    halves[:, width // 2 :] = 1
    return PanelImage(photograph, halves + 1 if annotated else None, [halves, 1 - halves, halves][:maps])


def pictures(figure) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def test_rows_hold_the_photograph_the_ground_truth_and_every_method() -> None:
    figure = draw_panel([panel_image(), panel_image()], ["FSF 15", "SCF 50"])
    assert [text.get_text() for text in figure.texts] == ["Image", "Ground truth", "FSF 15", "SCF 50"]
    assert len(figure.axes) == 8
    assert figure.get_figwidth() == pytest.approx(TWO_COLUMNS)


def test_a_cluster_has_one_colour_across_the_row_whatever_its_number() -> None:
    _, truth, first, renumbered = pictures(draw_panel([panel_image()], ["a", "b"]))
    np.testing.assert_array_equal(first, renumbered)
    np.testing.assert_array_equal(first, truth)
    assert (first[:, 0] != first[:, -1]).any()


def test_the_ground_truth_column_goes_when_no_image_has_one() -> None:
    figure = draw_panel([panel_image(annotated=False)], ["a", "b"])
    assert [text.get_text() for text in figure.texts] == ["Image", "a", "b"]


def test_a_missing_map_leaves_its_place_empty() -> None:
    partial = PanelImage(panel_image().photograph, None, [None, panel_image().label_maps[0]])
    figure = draw_panel([panel_image(), partial], ["a", "b"])
    assert len(figure.axes) == 6


def test_as_columns_portraits_and_landscapes_have_the_same_height() -> None:
    figure = draw_panel([panel_image(), panel_image(90, 60)], ["a", "b"], images_as="columns")
    heights = {round(axes.get_position().height, 6) for axes in figure.axes}
    assert len(heights) == 1
    assert len(figure.axes) == 8
    photograph, truth = figure.axes[0].get_position(), figure.axes[1].get_position()
    assert photograph.x0 == truth.x0
    assert photograph.y0 > truth.y1


def test_columns_of_several_datasets_are_named_by_them() -> None:
    images = [replace(panel_image(), dataset=name) for name in ("BSD500", "BSD500", "iCoseg")]
    figure = draw_panel(images, ["a", "b"], images_as="columns")
    named = {text.get_text(): text.get_position() for text in figure.texts}
    first, second, third = (figure.axes[4 * n].get_position() for n in range(3))
    assert first.x0 < named["BSD500"][0] < second.x1
    assert third.x0 < named["iCoseg"][0] < third.x1
    assert first.y1 < named["BSD500"][1] < 1
    assert "iCoseg" not in [text.get_text() for text in draw_panel(images[2:], ["a", "b"], images_as="columns").texts]


@pytest.mark.parametrize("images_as", ["rows", "columns"])
@pytest.mark.parametrize(("count", "size"), [(1, (60, 90)), (12, (90, 60)), (3, (20, 200))])
@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
def test_every_tile_keeps_its_shape_and_the_panel_fits_a_page(images_as, count, size, width) -> None:
    figure = draw_panel([panel_image(*size)] * count, ["FSF 15", "SCF 50"], images_as=images_as, width=width)
    assert figure.get_figwidth() <= width + 1e-6
    assert figure.get_figheight() <= PAGE_HEIGHT + 1e-6
    for axes in figure.axes:
        place = axes.get_position()
        shape = place.width * figure.get_figwidth() / (place.height * figure.get_figheight())
        assert shape == pytest.approx(size[1] / size[0])
        assert place.x0 >= -1e-9
        assert place.x1 <= 1 + 1e-9
        assert place.y0 >= -1e-9
        assert place.y1 <= 1 + 1e-9


def test_mean_colours_and_boundaries_show_the_photograph() -> None:
    photograph, _, mean, _ = pictures(draw_panel([panel_image()], ["a", "b"], colours="mean"))
    assert mean[0, 0, 0] == round(photograph[:, : photograph.shape[1] // 2, 0].mean())
    photograph, _, lines, _ = pictures(draw_panel([panel_image()], ["a", "b"], colours="boundaries"))
    changed = (lines != photograph).any(axis=2)
    assert (lines[changed] == BOUNDARY_COLOUR).all()
    assert changed.any(axis=1).all()


def test_files_are_the_same_at_every_run_and_embed_their_fonts(tmp_path) -> None:
    for name in ("first", "second"):
        figure = draw_panel([panel_image()], ["FSF μ′ = q′/15", "漢字 $x$"])
        save_figure(figure, tmp_path / f"{name}.png", tmp_path / f"{name}.pdf")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    pdf = (tmp_path / "first.pdf").read_bytes()
    assert pdf == (tmp_path / "second.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"CreationDate" not in pdf
    with Image.open(tmp_path / "first.png") as picture:
        assert picture.width == round(TWO_COLUMNS * 300)


def test_letters_that_the_font_lacks_are_escaped() -> None:
    figure = draw_panel([panel_image()], ["漢 ñ λ", "b"])
    assert figure.texts[2].get_text() == "\\u6f22 ñ λ"
    assert matplotlib.font_manager.findfont("DejaVu Sans").endswith("DejaVuSans.ttf")
