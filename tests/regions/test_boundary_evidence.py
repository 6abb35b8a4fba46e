"""Boundary evidence: where histograms differ, and nowhere else."""

import numpy as np
import pytest

from dynseg.regions.boundaries import boundary_evidence


def halves(bands: int = 3, low: int = 30, high: int = 220) -> np.ndarray:
    image = np.full((40, 60, bands), low, np.uint8)
    image[:, 30:] = high
    return image


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_edge_of_colour_is_strongest_where_it_is(bands: int, dtype: type) -> None:
    image = halves(bands)
    image = image if dtype == np.uint8 else (image / np.float32(255)).astype(np.float32)
    evidence = boundary_evidence(image, [])
    assert abs(int(evidence.strength[20].argmax()) - 29.5) <= 1
    assert evidence.strength[20, 3] < 0.01
    assert evidence.horizontal_contrast[20].argmax() == 29
    assert evidence.vertical_contrast.max() == 0


def test_eight_bits_and_floats_of_the_same_values_are_the_same_evidence() -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    floats = boundary_evidence((image / np.float32(255)).astype(np.float32), [])
    assert np.allclose(boundary_evidence(image, []).strength, floats.strength, atol=1e-4)


def test_a_fragmented_texture_costs_nothing_and_a_change_of_texture_is_a_boundary() -> None:
    image = np.full((80, 120, 3), 120, np.uint8)
    rows, columns = np.indices(image.shape[:2])
    # Left clusters 0 and 1 alternate, right 2 and 3.
    textons = (rows + columns) % 2 + 2 * (columns >= 60)
    strength = boundary_evidence(image, [textons]).strength
    assert strength[40, 60] > 0.4
    assert strength[40, 25] < 0.05
    assert strength[40, 95] < 0.05


def test_a_uniform_image_has_no_boundary_and_border_pixels_of_textons_do_not_count() -> None:
    image = np.full((40, 60, 3), 77, np.uint8)
    framed = np.zeros((40, 60), np.int64)
    framed[:2], framed[-2:], framed[:, :2], framed[:, -2:] = 1, 1, 1, 1
    assert boundary_evidence(image, [framed]).strength.max() == 0


def test_label_maps_of_half_the_size_are_evidence_at_the_image_s_size() -> None:
    image = np.full((41, 61, 3), 120, np.uint8)
    textons = np.zeros((21, 31), np.int64)
    textons[:, 15:] = 1
    strength = boundary_evidence(image, [textons]).strength
    assert strength.shape == (41, 61)
    assert abs(int(strength[20].argmax()) - 29) <= 2
