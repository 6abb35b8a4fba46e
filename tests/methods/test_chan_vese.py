"""Active contours without edges: what they separate, and what their parameters do."""

import numpy as np
import pytest

from dynseg.errors import UserError
from dynseg.methods import Context
from dynseg.methods.chan_vese import ChanVeseParameters, segment
from dynseg.metrics import connected_components


def disk() -> np.ndarray:
    rows, columns = np.indices((40, 50))
    image = np.where((rows - 20) ** 2 + (columns - 25) ** 2 < 100, 200, 50)
    return np.repeat(image.astype(np.uint8)[:, :, None], 3, axis=2)


def test_a_bright_disk_is_one_side_of_the_contour() -> None:
    image = disk()
    labels = segment(image, Context(), ChanVeseParameters()).labels
    expected = (image[..., 0] > 100).astype(np.uint8)
    wrong = min((labels != expected).mean(), (labels == expected).mean())
    assert wrong < 0.02


def test_a_longer_contour_costs_more_with_a_larger_weight() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    counts = [
        int(connected_components(segment(image, Context(), ChanVeseParameters(mu=mu)).labels).max())
        for mu in (0.0001, 0.5)
    ]
    assert counts[1] < counts[0]


def test_a_uniform_picture_is_segmented() -> None:
    labels = segment(np.full((9, 9, 3), 7, np.uint8), Context(), ChanVeseParameters(start="disk")).labels
    assert set(np.unique(labels)) <= {0, 1}


@pytest.mark.parametrize(("name", "value"), [("mu", -1.0), ("inside", 0.0), ("iterations", 0), ("start", "square")])
def test_parameters_that_make_no_sense_are_refused(name: str, value: object) -> None:
    with pytest.raises(UserError, match=name):
        ChanVeseParameters(**{name: value})  # type: ignore[arg-type]
