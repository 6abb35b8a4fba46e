"""A warning where a hierarchy can't give the number of regions that was asked for."""

import logging

import numpy as np

from dynseg.hierarchy import Hierarchy

_logger = logging.getLogger("dynseg")


def warn_of_few_leaves(hierarchy: Hierarchy, segments: int) -> None:
    """Log a warning if a hierarchy has fewer leaves than the regions asked for, or more parts that stay apart."""
    parts = hierarchy.leaf_count - int(np.count_nonzero(np.isfinite(hierarchy.altitudes)))
    if segments > hierarchy.leaf_count:
        _logger.warning("the image has %d regions at most, not %d: these are all", hierarchy.leaf_count, segments)
    elif segments < parts:
        _logger.warning("what has no data cuts the image into %d parts, which stay apart: these are the regions", parts)
