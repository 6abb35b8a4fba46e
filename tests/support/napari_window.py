"""A real window of napari: the plugin's widget from its menu, a run to its end, and one during which it is closed."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import napari
from napari.qt.threading import WorkerBase
from npe2 import PluginManager, PluginManifest
from qtpy.QtWidgets import QApplication

import dynseg
from dynseg.napari_plugin.results import Regions

WAIT = 120


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "nothing came of it"
        QApplication.processEvents()
        time.sleep(0.01)


def main() -> None:
    plugins = PluginManager.instance()
    if "dynseg" not in list(plugins.iter_manifests()):
        plugins.register(PluginManifest.from_file(Path(dynseg.__file__).parent / "napari_plugin" / "napari.yaml"))
    viewer = napari.Viewer()
    viewer.open_sample("dynseg", "mosaic")
    _, widget = viewer.window.add_plugin_dock_widget("dynseg", "Regions")
    widget.max_size.value = 128
    widget.segment.native.click()
    wait_for(lambda: len(viewer.layers) == 2)
    wait_for(lambda: widget.segment.text == "Segment")
    layer = viewer.layers[1]
    assert Regions.of_layer(layer) is not None
    widget.regions.value = 2
    assert len(set(layer.data.ravel().tolist())) == 2
    viewer.window.screenshot(sys.argv[1], canvas_only=False)
    widget.segment.native.click()
    wait_for(lambda: widget.progress.value > 0)
    viewer.close()
    wait_for(lambda: not WorkerBase._worker_set)
    QApplication.processEvents()
    print("closed")


if __name__ == "__main__":
    main()
