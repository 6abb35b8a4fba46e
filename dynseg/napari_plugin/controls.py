"""Controls that cut the hierarchy of a labels layer again: a number, a slider, and scribbles."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dynseg.napari_plugin.notifying import told
from dynseg.napari_plugin.results import Regions

if TYPE_CHECKING:
    from magicgui.widgets import Widget
    from napari.components import ViewerModel
    from napari.layers import Labels

# Of the slider: about one a pixel.
_POSITIONS = 200
# Strokes send many events.
_SETTLE_MS = 50


class CutControls:
    """Cuts one of a viewer's layers of regions wherever its number, the slider or the scribbles say.

    Parameters
    ----------
    viewer : ViewerModel

    Attributes
    ----------
    layer : ComboBox
        Which layer is cut.
    count : SpinBox
        How many regions.
    slider : Slider
        The same, in logarithmic steps.
    scribbles : ComboBox
        A labels layer that decides instead, or none.
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        from magicgui.widgets import ComboBox, Slider, SpinBox
        from qtpy.QtCore import QTimer

        self._viewer = viewer
        self._steps = [1] * _POSITIONS
        self._watched: Labels | None = None
        self.layer = ComboBox(
            name="result", choices=lambda _: self.layers_of_regions(), tooltip="the layer that is cut below"
        )
        self.count = SpinBox(name="regions", value=1, min=1, max=1)
        self.slider = Slider(name="slider", label=" ", value=0, min=0, max=_POSITIONS - 1, readout=False)
        self.scribbles = ComboBox(
            name="scribbles",
            choices=lambda _: self._labels_layers(of_regions=False),
            nullable=True,
            tooltip="a labels layer painted on some pixels: regions become as large as they can be without joining two "
            "of its labels",
        )
        self._settling = QTimer(self.slider.native)
        self._settling.setSingleShot(True)
        self._settling.setInterval(_SETTLE_MS)
        # Signals hold functions, but methods only weakly.
        self._settling.timeout.connect(lambda: told(self._cut))
        self.layer.changed.connect(lambda _: self._take_layer())
        self.count.changed.connect(lambda _: self._recount())
        self.slider.changed.connect(lambda step: self._slide(step))
        self.scribbles.changed.connect(lambda _: self._take_scribbles())
        viewer.layers.events.removed.connect(self._forget)
        self._take_layer()

    @property
    def widgets(self) -> list["Widget"]:
        """The widgets from top to bottom."""
        return [self.layer, self.count, self.slider, self.scribbles]

    @property
    def is_open(self) -> bool:
        """Whether there is still a window: layers and runs may outlive it."""
        from qtpy.compat import isalive

        return bool(isalive(self.slider.native))

    def choose(self, layer: "Labels") -> None:
        """Cut this layer from now on; its regions may be new."""
        self.layer.reset_choices()
        if self.layer.value is layer:
            self._take_layer()
        else:
            self.layer.value = layer

    def layers_of_regions(self) -> list[tuple[str, "Labels"]]:
        """Return the names and layers that can be cut."""
        return self._labels_layers(of_regions=True)

    def _labels_layers(self, of_regions: bool) -> list[tuple[str, "Labels"]]:
        from napari.layers import Labels

        return [
            (layer.name, layer)
            for layer in self._viewer.layers
            if isinstance(layer, Labels) and (Regions.of_layer(layer) is not None) == of_regions
        ]

    @property
    def _regions(self) -> Regions | None:
        layer = self.layer.value
        return None if layer is None else Regions.of_layer(layer)

    def _take_layer(self) -> None:
        """Show the count of the chosen layer, which is cut again only if scribbles say so."""
        regions = self._regions
        if regions is not None:
            self._steps = regions.cuts.steps(_POSITIONS)
            with self.count.changed.blocked(), self.slider.changed.blocked():
                self.count.max = max(regions.cuts.leaf_count, self.count.value)
                self.count.value = regions.count
                self.count.max = regions.cuts.leaf_count
                self.slider.value = self._step_of(regions.count)
        self._enable()
        if self.scribbles.value is not None:
            told(self._cut)

    def _forget(self, _: Any) -> None:
        """Choose again after a layer was removed: a choice of none makes no signal."""
        if self.is_open:
            self.layer.reset_choices()
            self._take_layer()

    def _slide(self, step: int) -> None:
        self.count.value = self._steps[step]

    def _recount(self) -> None:
        # Several positions have one number: a slider that is being dragged stays where it is.
        if self._steps[self.slider.value] != self.count.value:
            with self.slider.changed.blocked():
                self.slider.value = self._step_of(self.count.value)
        regions = self._regions
        if regions is not None:
            regions.count = self.count.value
            told(self._cut)

    def _step_of(self, count: int) -> int:
        return int(np.abs(np.log(self._steps) - np.log(count)).argmin())

    def _take_scribbles(self) -> None:
        """Watch the chosen layer, and cut as it says, or as the number does again."""
        for layer, connects in ((self._watched, False), (self.scribbles.value, True)):
            if layer is None:
                continue
            for event in (layer.events.paint, layer.events.labels_update, layer.events.set_data):
                if connects:
                    event.connect(self._cut_soon)
                else:
                    event.disconnect(self._cut_soon)
        self._watched = self.scribbles.value
        told(self._cut)

    def _cut_soon(self, _: Any = None) -> None:
        if self.is_open:
            self._settling.start()

    def _marks(self, regions: Regions) -> Any:
        """Return the scribbles on the regions' plane, or None if there are none."""
        layer = self.scribbles.value
        if layer is None:
            return None
        marks = regions.plane.marks(layer.data)
        return marks if (marks > 0).any() else None

    def _cut(self) -> None:
        layer, regions = self.layer.value, self._regions
        if layer is None or regions is None:
            return
        marks = self._marks(regions)
        self._enable(by_scribbles=marks is not None)
        labels = regions.cuts.into(regions.count) if marks is None else regions.cuts.by_scribbles(marks)
        layer.data = labels.reshape(layer.data.shape)

    def _enable(self, by_scribbles: bool = False) -> None:
        self.count.enabled = self.slider.enabled = self._regions is not None and not by_scribbles
