"""The dock widget: what to segment, and the controls that cut the result again."""

from typing import TYPE_CHECKING, Any, NamedTuple

from dynseg.errors import UserError
from dynseg.napari_plugin.controls import CutControls
from dynseg.napari_plugin.cuts import StableCuts
from dynseg.napari_plugin.layers import (
    ALL_LAYERS,
    channel_axes,
    labels_settings,
    labels_shape,
    read_pixels,
    shown_plane,
)
from dynseg.napari_plugin.notifying import told
from dynseg.napari_plugin.planes import Plane
from dynseg.napari_plugin.results import Regions
from dynseg.napari_plugin.runs import Run
from dynseg.result import Segmentation

if TYPE_CHECKING:
    from magicgui.widgets import Container
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

_ALONE = "this layer alone"
_SEGMENT, _STOP = "Segment", "Stop"
_SMALLEST_SIDE, _LARGEST_SIDE = 16, 1 << 15
_POLL_MS = 100


def make_regions_widget() -> "Container[Any]":
    """Return the widget for the viewer that is in front: what the plugin's manifest names."""
    from napari import current_viewer

    return RegionsPanel(current_viewer()).widget


class _Place(NamedTuple):
    """Where the regions of a run go, fixed when it starts: the image layer may be gone when it ends."""

    source: str
    plane: Plane
    shape: tuple[int, ...]
    settings: dict[str, Any]


class RegionsPanel:
    """Segments a viewer's image layers in a thread of its own.

    Parameters
    ----------
    viewer : ViewerModel

    Attributes
    ----------
    widget : Container
        Holds all others, and keeps the panel alive.
    image, channels : ComboBox
    max_size : SpinBox
    small : CheckBox
    button : PushButton
        Starts a run, and stops it.
    progress : ProgressBar
    controls : CutControls
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        from magicgui.widgets import CheckBox, ComboBox, Container, ProgressBar, PushButton, SpinBox
        from qtpy.QtCore import QTimer

        from dynseg.api import DEFAULT_MAX_SIZE

        self._viewer = viewer
        self._worker: Any = None
        self._run: Run | None = None
        self.image = ComboBox(name="image", choices=self._images, tooltip="its plane that is shown is segmented")
        self.channels = ComboBox(
            name="channels", choices=self._channels, tooltip="the axis of the array, or the layers, that hold channels"
        )
        self.max_size = SpinBox(
            name="max_size",
            label="longer side",
            value=DEFAULT_MAX_SIZE,
            min=_SMALLEST_SIDE,
            max=_LARGEST_SIDE,
            step=64,
            tooltip="a larger image is reduced to so many pixels while it is looked at: more keeps finer things, and "
            "takes longer; the regions have the image's own size all the same",
        )
        self.small = CheckBox(
            name="small",
            text="keep small regions",
            tooltip="small regions merge later: for cells, grains and other small things",
        )
        self.button = PushButton(name="segment", text=_SEGMENT)
        self.progress = ProgressBar(name="progress", max=1, visible=False)
        self.controls = CutControls(viewer)
        form = [self.image, self.channels, self.max_size, self.small, self.button, self.progress]
        self.widget: Container[Any] = Container(widgets=[*form, *self.controls.widgets])
        self._polling = QTimer(self.widget.native)
        self._polling.setInterval(_POLL_MS)
        # Signals hold functions, but methods only weakly.
        self._polling.timeout.connect(lambda: self._show_progress())
        self.image.changed.connect(lambda _: self.channels.reset_choices())
        self.button.changed.connect(lambda _: told(self._start if self._worker is None else self._stop))
        if viewer.layers.selection.active in self.image.choices:
            self.image.value = viewer.layers.selection.active

    def _images(self, _: Any) -> list[tuple[str, "Image"]]:
        from napari.layers import Image

        return [(layer.name, layer) for layer in self._viewer.layers if isinstance(layer, Image)]

    def _channels(self, _: Any) -> list[tuple[str, str | int]]:
        image = self.image.value
        if image is None or image.rgb:
            return [(_ALONE, _ALONE)]
        axes = [(f"axis {axis}: {size}", axis) for axis, size in channel_axes(image)]
        return [(_ALONE, _ALONE), *axes, (ALL_LAYERS, ALL_LAYERS)]

    def _start(self) -> None:
        from napari.qt.threading import create_worker

        image = self.image.value
        if image is None:
            raise UserError("there is no image layer: open an image first")
        chosen = self.channels.value
        plane = shown_plane(self._viewer, image, chosen if isinstance(chosen, int) else None)
        pixels = read_pixels(self._viewer, image, plane, joins_layers=chosen == ALL_LAYERS)
        place = _Place(image.name, plane, labels_shape(image, plane), labels_settings(image, plane))
        run = Run(pixels, self.max_size.value, "details" if self.small.value else "regions")
        worker: Any = create_worker(
            run.segment, lambda: worker.abort_requested, _start_thread=False, _ignore_errors=True
        )
        worker.returned.connect(lambda result: told(lambda: self._end(result, place)))
        worker.finished.connect(lambda: self._rest())
        self._worker, self._run = worker, run
        self.button.text = _STOP
        self.progress.max, self.progress.value, self.progress.visible = run.total, 0, True
        self._polling.start()
        worker.start()

    def _stop(self) -> None:
        self.button.enabled = False
        self._worker.quit()

    def _show_progress(self) -> None:
        if self._run is not None and self._run.done < self._run.total:
            self.progress.value = self._run.done
        elif self._run is not None:
            # What follows the training takes a moment of unknown length.
            self.progress.max = 0

    def _end(self, result: Segmentation | None, place: _Place) -> None:
        """Show what a run returned, unless the widget is closed."""
        from napari.utils.notifications import notification_manager, show_warning

        if not self.controls.is_open or self._run is None:
            return
        for warning in self._run.warnings:
            show_warning(warning)
        error = self._run.error
        if isinstance(error, UserError):
            raise error
        if error is not None:
            notification_manager.receive_error(type(error), error, error.__traceback__)
        if result is not None:
            self.controls.choose(self._labels_layer(result, place))

    def _labels_layer(self, result: Segmentation, place: _Place) -> "Labels":
        """Put a result into the layer of the last run on the same plane, or into a new one."""
        assert result.hierarchy is not None
        regions = Regions(StableCuts(result.hierarchy), int(result.facts["segments"]), place.plane, place.source)
        labels = regions.cuts.into(regions.count).reshape(place.shape)
        for _, layer in self.controls.layers_of_regions():
            earlier = Regions.of_layer(layer)
            if earlier is not None and (earlier.source, earlier.plane) == (place.source, place.plane):
                layer.metadata = {**layer.metadata, **regions.metadata}
                layer.data = labels
                return layer
        return self._viewer.add_labels(
            labels, name=f"{place.source} regions", metadata=regions.metadata, **place.settings
        )

    def _rest(self) -> None:
        """Wait for the next run, unless the widget is closed."""
        if not self.controls.is_open:
            return
        self._polling.stop()
        self._worker = self._run = None
        self.button.text, self.button.enabled, self.progress.visible = _SEGMENT, True, False
