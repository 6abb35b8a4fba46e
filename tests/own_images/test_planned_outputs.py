"""Where the outputs of images go."""

from pathlib import Path

import pytest
from PIL import Image

from dynseg.own_images.plan import plan_images


def test_formats_whose_files_would_be_one_are_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("rasterio")
    Image.new("RGB", (4, 3)).save(tmp_path / "cells.ome.tif")
    Image.new("RGB", (4, 3)).save(tmp_path / "field.tif")
    plan = plan_images([tmp_path / "cells.ome.tif", tmp_path / "field.tif"], tmp_path / "out", ["geotiff", "ome-tiff"])
    assert [image.source.name for image in plan.images] == ["field.tif"]
    [problem] = plan.problems
    assert "geotiff and ome-tiff would both be" in problem
    assert "cells.ome.tif" in problem
