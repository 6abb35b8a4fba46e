"""Where a hierarchy is cut when nobody says: a scale chosen without any label."""

import numpy as np

from dynseg.hierarchy import Hierarchy

# An image whose strongest boundary is below this shows nothing.
NOTHING = 0.05


def choose_threshold(hierarchy: Hierarchy, usual: float) -> float:
    """Return the threshold to cut a hierarchy at.

    Strengths are distances of histograms, so that one threshold means nearly the same in every image. An image that
    would end as a single region although it shows something is cut below its last merge.

    Parameters
    ----------
    hierarchy : Hierarchy
    usual : float
        The threshold for all images; see `dynseg.methods.regions`.

    Returns
    -------
    float
        A threshold in [0, 1], in units of `Hierarchy.altitudes`.
    """
    # Parts that pixels without data keep apart are joined by no cut.
    altitudes = hierarchy.altitudes[np.isfinite(hierarchy.altitudes)]
    if not altitudes.size or altitudes[-1] > usual or altitudes[-1] < NOTHING:
        return usual
    return float(altitudes[-2]) if altitudes.size > 1 else 0.0
