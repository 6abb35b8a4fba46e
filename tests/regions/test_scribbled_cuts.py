"""Scribbles choose the cut."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dynseg.regions.boundaries import boundary_evidence
from dynseg.regions.merging import build_hierarchy
from dynseg.regions.scribbles import cut_by_scribbles


@given(st.integers(0, 30), st.lists(st.sampled_from([0, 3, 7, 254]), min_size=1, max_size=6))
def test_every_scribbled_pixel_keeps_its_label_and_no_other_has_white_s(seed: int, labels: list[int]) -> None:
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    scribbles = np.full((20, 30), 255, np.uint8)
    for label in labels:
        scribbles[generator.integers(20), generator.integers(30)] = label
    cut = cut_by_scribbles(build_hierarchy(image, boundary_evidence(image, [])), scribbles)
    marked = scribbles != 255
    assert (cut[marked] == scribbles[marked]).all()
    assert 255 not in cut
    assert cut.min() >= 0


def test_regions_take_the_label_of_the_scribble_that_they_hold() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 20:40], image[:, 40:] = (200, 40, 40), (40, 40, 220)
    scribbles = np.full((40, 60), 255, np.uint8)
    scribbles[10, 5], scribbles[30, 50] = 4, 9
    cut = cut_by_scribbles(build_hierarchy(image, boundary_evidence(image, [])), scribbles)
    assert cut[35, 2] == 4
    assert cut[2, 57] == 9
    # What the middle joins depends on colour, but it is one region.
    assert np.unique(cut[5:35, 26:34]).size == 1
