"""The widget: runs, the slider, scribbles, and what it says when something is wrong."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from small_ensemble import use_small_ensembles

pytest.importorskip("napari.components")
pytest.importorskip("pytestqt")

from napari.components import ViewerModel
from napari.qt.threading import WorkerBase
from napari.utils.notifications import notification_manager

import dynseg
from dynseg import api
from dynseg.napari_plugin.results import Regions
from dynseg.napari_plugin.widget import RegionsPanel

# A busy machine is no failure.
WAIT_MS = 180_000


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The notifications' texts, as they come."""
    texts: list[str] = []

    def hear(notification: Any) -> None:
        texts.append(notification.message)

    notification_manager.notification_ready.connect(hear)
    yield texts
    notification_manager.notification_ready.disconnect(hear)


@pytest.fixture
def panel(qapp: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegionsPanel]:
    """A panel in a viewer without a window."""
    use_small_ensembles(monkeypatch)
    made = RegionsPanel(ViewerModel())
    yield made
    if made.controls.is_open:
        made.widget.close()


def photograph() -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 25, (40, 60, 3))
    image[:, 30:] += 200
    image[10:20, 5:15, 1] += 180
    return image.astype(np.uint8)


def viewer_of(panel: RegionsPanel) -> ViewerModel:
    return panel._viewer


def add_image(panel: RegionsPanel, image: np.ndarray | None = None, **settings: Any) -> Any:
    layer = viewer_of(panel).add_image(photograph() if image is None else image, name="photo", **settings)
    # A viewer's window does that for widgets that it holds.
    panel.widget.reset_choices()
    return layer


def click(panel: RegionsPanel) -> None:
    panel.button.native.click()


def run(panel: RegionsPanel, qtbot: Any) -> Any:
    """Run to the end; return the layer of the result."""
    click(panel)
    assert panel.button.text == "Stop"
    qtbot.waitUntil(lambda: panel.button.text == "Segment", timeout=WAIT_MS)
    return panel.controls.layer.value


def wait_for(qtbot: Any, condition: Callable[[], bool]) -> None:
    qtbot.waitUntil(condition, timeout=WAIT_MS)


def test_a_run_makes_a_labels_layer_on_the_image(panel: RegionsPanel, qtbot: Any) -> None:
    image = add_image(panel, scale=(0.5, 0.25), translate=(3, 4), units=("um", "um"))
    layer = run(panel, qtbot)
    assert layer.name == "photo regions"
    assert list(viewer_of(panel).layers) == [image, layer]
    assert (layer.scale.tolist(), layer.translate.tolist(), layer.units) == ([0.5, 0.25], [3, 4], image.units)
    alone = dynseg.segment_regions(photograph())
    regions = Regions.of_layer(layer)
    assert regions is not None
    np.testing.assert_array_equal(layer.data, regions.cuts.of_label_map(alone.labels))
    assert panel.controls.count.value == alone.facts["segments"]
    assert panel.controls.count.max == alone.facts["leaves"]
    assert not panel.progress.visible


def test_the_slider_cuts_again_without_training(
    panel: RegionsPanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(panel)
    controls = panel.controls
    assert not controls.slider.enabled
    layer = run(panel, qtbot)
    monkeypatch.setattr(api, "segment_regions_with", None)
    assert controls.slider.enabled
    counts = []
    for position in range(0, controls.slider.max + 1, 20):
        controls.slider.value = position
        counts.append(controls.count.value)
        assert np.unique(layer.data).size == controls.count.value
        assert layer.data.min() >= 1
    assert counts == sorted(counts)
    controls.slider.value = controls.slider.max
    assert controls.count.value == controls.count.max
    controls.count.value = 2
    assert np.unique(layer.data).size == 2
    assert 0 < controls.slider.value < controls.slider.max


def test_scribbles_cut_as_they_are_painted(panel: RegionsPanel, qtbot: Any) -> None:
    add_image(panel)
    layer = run(panel, qtbot)
    before = layer.data.copy()
    scribbles = viewer_of(panel).add_labels(np.zeros((40, 60), int), name="strokes")
    panel.widget.reset_choices()
    assert scribbles in panel.controls.scribbles.choices
    assert layer not in panel.controls.scribbles.choices
    panel.controls.scribbles.value = scribbles
    # Nothing is painted yet.
    np.testing.assert_array_equal(layer.data, before)
    assert panel.controls.slider.enabled
    scribbles.paint((15, 10), 7)
    scribbles.paint((15, 50), 3)
    wait_for(qtbot, lambda: {3, 7} <= set(np.unique(layer.data)))
    assert (layer.data[15, 10], layer.data[15, 50]) == (7, 3)
    assert not panel.controls.slider.enabled
    scribbles.undo()
    wait_for(qtbot, lambda: 3 not in layer.data)
    assert (layer.data == 7).all()
    panel.controls.scribbles.value = None
    np.testing.assert_array_equal(layer.data, before)
    assert panel.controls.slider.enabled
    scribbles.paint((15, 50), 3)
    qtbot.wait(200)
    np.testing.assert_array_equal(layer.data, before)


def test_a_second_run_takes_the_layer_of_the_first(panel: RegionsPanel, qtbot: Any) -> None:
    add_image(panel)
    first = run(panel, qtbot)
    panel.small.value = True
    assert run(panel, qtbot) is first
    assert len(viewer_of(panel).layers) == 2


def test_another_plane_of_a_stack_has_a_layer_of_its_own(panel: RegionsPanel, qtbot: Any) -> None:
    grey = photograph()[:, :, 1]
    add_image(panel, np.stack([grey, grey[::-1]]))
    viewer_of(panel).dims.set_point(0, 0)
    first = run(panel, qtbot)
    viewer_of(panel).dims.set_point(0, 1)
    second = run(panel, qtbot)
    assert first is not second
    assert (first.translate[0], second.translate[0]) == (0, 1)
    assert first.data.shape == second.data.shape == (1, 40, 60)


def test_channels_by_an_axis(panel: RegionsPanel, qtbot: Any) -> None:
    five = np.repeat(photograph(), 2, axis=2)[:, :, :5]
    add_image(panel, np.moveaxis(five, 2, 0), rgb=False)
    assert 0 in panel.channels.choices
    panel.channels.value = 0
    layer = run(panel, qtbot)
    regions = Regions.of_layer(layer)
    assert regions is not None
    np.testing.assert_array_equal(layer.data, regions.cuts.of_label_map(dynseg.segment_regions(five).labels))


def test_a_run_is_stopped(panel: RegionsPanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    add_image(panel)
    goes_on = threading.Event()

    def slow(*_: Any, on_iteration: Callable[..., object], **__: Any) -> None:
        for _iteration in range(1000):
            on_iteration(1, None, None)
            goes_on.wait(10)
        raise AssertionError("it wasn't stopped")

    monkeypatch.setattr(api, "segment_regions_with", slow)
    click(panel)
    assert panel.button.text == "Stop"
    click(panel)
    assert not panel.button.enabled
    goes_on.set()
    wait_for(qtbot, lambda: panel.button.text == "Segment")
    assert panel.button.enabled
    assert not panel.progress.visible
    assert len(viewer_of(panel).layers) == 1


def test_progress_is_shown_while_the_viewer_goes_on(
    panel: RegionsPanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(panel)
    goes_on = threading.Event()

    def half(*_: Any, on_iteration: Callable[..., object], **__: Any) -> None:
        for _iteration in range(panel.progress.max // 2):
            on_iteration(1, None, None)
        goes_on.wait(60)
        raise dynseg.UserError("that was all: go home")

    monkeypatch.setattr(api, "segment_regions_with", half)
    click(panel)
    wait_for(qtbot, lambda: panel.progress.value == panel.progress.max // 2)
    goes_on.set()
    wait_for(qtbot, lambda: panel.button.text == "Segment")


def test_what_the_user_can_mend_is_one_sentence(
    panel: RegionsPanel, qtbot: Any, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    click(panel)
    assert said == ["there is no image layer: open an image first"]
    add_image(panel, np.full((4, 5), np.nan))
    click(panel)
    assert said[1:] == ["the layer has 20 pixels that are infinite or no numbers (NaN): give them values"]

    def refuse(*_: Any, **__: Any) -> None:
        logging.getLogger("dynseg").warning("the device's memory was too small")
        raise dynseg.UserError("there is too little memory: free some")

    monkeypatch.setattr(api, "segment_regions_with", refuse)
    panel.image.value.data = np.zeros((4, 5))
    run(panel, qtbot)
    assert said[2:] == ["dynseg: the device's memory was too small", "there is too little memory: free some"]


def test_a_bug_is_told_too(panel: RegionsPanel, qtbot: Any, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(api, "segment_regions_with", fail)
    add_image(panel)
    run(panel, qtbot)
    assert said == ["a bug"]


def test_scribbles_of_another_size_are_refused(panel: RegionsPanel, qtbot: Any, said: list[str]) -> None:
    add_image(panel)
    layer = run(panel, qtbot)
    before = layer.data.copy()
    viewer_of(panel).add_labels(np.ones((4, 5), int), name="strokes")
    panel.widget.reset_choices()
    panel.controls.scribbles.value = viewer_of(panel).layers["strokes"]
    assert said == [
        "the scribbles are 5 × 4 pixels and the image 60 × 40: draw them in a labels layer of the image's shape"
    ]
    np.testing.assert_array_equal(layer.data, before)


def test_a_removed_layer_is_no_choice_any_more(panel: RegionsPanel, qtbot: Any) -> None:
    add_image(panel)
    layer = run(panel, qtbot)
    viewer_of(panel).layers.remove(layer)
    panel.widget.reset_choices()
    assert panel.controls.layer.value is None
    assert not panel.controls.slider.enabled


def test_without_its_scribbles_a_layer_is_cut_by_the_number(panel: RegionsPanel, qtbot: Any) -> None:
    add_image(panel)
    layer = run(panel, qtbot)
    before = layer.data.copy()
    scribbles = viewer_of(panel).add_labels(np.ones((40, 60), int), name="strokes")
    panel.widget.reset_choices()
    panel.controls.scribbles.value = scribbles
    assert (layer.data == 1).all()
    viewer_of(panel).layers.remove(scribbles)
    panel.widget.reset_choices()
    np.testing.assert_array_equal(layer.data, before)
    assert panel.controls.slider.enabled


def test_the_image_may_be_removed_during_a_run(panel: RegionsPanel, qtbot: Any) -> None:
    image = add_image(panel)
    click(panel)
    viewer_of(panel).layers.remove(image)
    panel.widget.reset_choices()
    wait_for(qtbot, lambda: panel.button.text == "Segment")
    assert [layer.name for layer in viewer_of(panel).layers] == ["photo regions"]


def test_layers_outlive_a_widget_that_is_closed(panel: RegionsPanel, qtbot: Any) -> None:
    viewer = viewer_of(panel)
    add_image(panel)
    layer = run(panel, qtbot)
    before = layer.data.copy()
    scribbles = viewer.add_labels(np.zeros((40, 60), int), name="strokes")
    panel.widget.reset_choices()
    panel.controls.scribbles.value = scribbles
    click(panel)
    panel.widget.native.deleteLater()
    wait_for(qtbot, lambda: not panel.controls.is_open)
    scribbles.paint((15, 10), 7)
    np.testing.assert_array_equal(layer.data, before)
    viewer.layers.remove(scribbles)
    wait_for(qtbot, lambda: not WorkerBase._worker_set)
    assert list(viewer.layers) == [viewer.layers["photo"], layer]
