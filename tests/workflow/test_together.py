"""Images of a batch that are segmented several at a time."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.methods import Context, Segmentation, find_method
from dynseg.methods.cnn import CnnParameters
from dynseg.training.memory import trainings_together
from dynseg.workflow.together import SegmentingTogether

PARAMETERS = CnnParameters(
    scheme="fsf", mu=15.0, components=2, channels=8, iterations=5, minimum_labels=1, stop="fixed"
)
SIZES = {"a": (12, 16), "b": (16, 12), "c": (12, 16), "d": (12, 16), "e": (16, 12)}


def picture(image_id: str) -> NDArray[np.uint8]:
    height, width = SIZES[image_id]
    image = np.random.default_rng(ord(image_id)).integers(0, 60, (height, width, 3))
    image[:, width // 2 :] += 180
    return image.astype(np.uint8)


class Recorded:
    """The paper's method, with a note of what it was given together, and failures on demand."""

    def __init__(self, most: int = 10, bad: str = "", error: Exception | None = None) -> None:
        self.groups: list[str] = []
        self._bad, self._error = bad, error
        usual = find_method("cnn")
        self._usual = usual
        self.method = dataclasses.replace(
            usual, segment=self.segment, segment_together=self.segment_together, count_together=lambda *_: most
        )

    def segment(self, image: NDArray[Any], context: Context, parameters: CnnParameters) -> Segmentation:
        self.groups.append(context.image_id)
        self._fail(context.image_id)
        return self._usual.segment(image, context, parameters)

    def segment_together(
        self, images: Sequence[NDArray[Any]], contexts: Sequence[Context], parameters: CnnParameters
    ) -> list[Segmentation]:
        self.groups.append("".join(context.image_id for context in contexts))
        self._fail(self.groups[-1])
        assert self._usual.segment_together is not None
        return self._usual.segment_together(images, contexts, parameters)

    def _fail(self, image_ids: str) -> None:
        if self._error is not None and self._bad in image_ids:
            raise self._error

    def over(self, sizes: dict[str, tuple[int, int]]) -> SegmentingTogether:
        return SegmentingTogether(self.method, PARAMETERS, 0, "cpu", sizes, picture)


def test_images_of_one_size_are_segmented_together_and_as_alone() -> None:
    recorded = Recorded()
    together = recorded.over(SIZES)
    for image_id in SIZES:
        found, seconds = together.segment(image_id)
        alone = find_method("cnn").segment(picture(image_id), Context(image_id), PARAMETERS)
        assert found.labels.shape == SIZES[image_id]
        assert (found.labels == alone.labels).mean() > 0.98
        assert found.facts == alone.facts
        assert seconds > 0
    assert recorded.groups == ["acd", "be"]


def test_no_more_are_together_than_fit() -> None:
    recorded = Recorded(most=2)
    together = recorded.over(SIZES)
    for image_id in SIZES:
        together.segment(image_id)
    assert recorded.groups == ["ac", "be", "d"]


def test_what_an_earlier_attempt_kept_is_not_segmented_again() -> None:
    recorded = Recorded()
    together = recorded.over(SIZES)
    for image_id in ("c", "d", "e"):
        together.segment(image_id)
    assert recorded.groups == ["cd", "e"]


@pytest.mark.parametrize("error", [UserError("the loss is no longer finite"), torch.OutOfMemoryError("too large")])
def test_one_that_fails_leaves_the_others_their_results(error: Exception) -> None:
    recorded = Recorded(bad="c", error=error)
    together = recorded.over(SIZES)
    together.segment("a")
    together.segment("b")
    with pytest.raises(type(error)):
        together.segment("c")
    together.segment("d")
    together.segment("e")
    assert recorded.groups == ["acd", "a", "b", "c", "d", "e"]


def test_a_bug_is_not_hidden() -> None:
    together = Recorded(bad="a", error=ZeroDivisionError()).over(SIZES)
    with pytest.raises(ZeroDivisionError):
        together.segment("a")


def test_an_image_that_cannot_be_read_fails_in_its_turn() -> None:
    def read(image_id: str) -> NDArray[np.uint8]:
        if image_id == "c":
            raise UserError("c can't be read")
        return picture(image_id)

    recorded = Recorded()
    together = SegmentingTogether(recorded.method, PARAMETERS, 0, "cpu", SIZES, read)
    together.segment("a")
    with pytest.raises(UserError, match="c can't be read"):
        together.segment("c")
    together.segment("d")
    assert recorded.groups == ["ad"]


def test_a_gpu_takes_as_many_as_fill_it_and_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = dataclasses.replace(PARAMETERS, channels=100, scale=0.25)
    monkeypatch.setattr("dynseg.training.memory.available_memory", lambda device: 80_000_000_000)
    many, at_full_size = (
        trainings_together(321, 481, dataclasses.replace(parameters, scale=scale)) for scale in (0.25, 1.0)
    )
    assert many > 10 * at_full_size >= 10
    monkeypatch.setattr("dynseg.training.memory.available_memory", lambda device: 8_000_000_000)
    assert 1 <= trainings_together(321, 481, parameters) < many
    assert trainings_together(3210, 4810, parameters) == 1
    method = find_method("cnn")
    assert method.count_together is not None
    assert method.count_together(dataclasses.replace(parameters, step="plain"), 321, 481) == 1
