"""What the tests of the plugin share: napari, which warns while it is imported, and a screen that needs none."""

import os
import warnings
from contextlib import suppress

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

with suppress(ImportError), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import napari.components
    import napari.layers
    import napari.qt.threading  # noqa: F401
