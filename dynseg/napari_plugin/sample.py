"""A picture to try the plugin on."""

from typing import Any

import numpy as np

_HEIGHT, _WIDTH = 240, 320


def make_sample() -> list[tuple[Any, dict[str, Any], str]]:
    """Return a mosaic of textures with things on them, composed of the pictures inside scikit-image, as a layer.

    Examples
    --------
    >>> ((pixels, settings, kind),) = make_sample()
    >>> pixels.shape, settings["name"], kind
    ((240, 320, 3), 'mosaic', 'image')
    """
    from dynseg.datasets.mosaic import mosaic

    image, _ = mosaic(np.random.default_rng(0), _HEIGHT, _WIDTH)
    return [(image, {"name": "mosaic", "rgb": True}, "image")]
