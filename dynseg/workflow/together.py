"""The images of a batch, several of one size at a time where a GPU runs a method so."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.methods import Context, Method, Segmentation
from dynseg.training.memory import is_out_of_memory


class SegmentingTogether:
    """Segments images in the order of a batch, and with each as many of the same size that come later as fill the GPU.

    Parameters
    ----------
    method : Method
        Has `segment_together`.
    parameters : object
        Of the method.
    seed : int
    device : {"cuda", "cpu"}
    sizes : mapping of str to (int, int)
        Height and width of each image of the batch, in its order.
    read : callable
        From an image's id to the image; what it raises is raised when the image's own turn comes.
    """

    def __init__(
        self,
        method: Method,
        parameters: Any,
        seed: int,
        device: str,
        sizes: Mapping[str, tuple[int, int]],
        read: Callable[[str], NDArray[Any]],
    ) -> None:
        self._method, self._parameters, self._seed, self._device = method, parameters, seed, device
        self._waiting = dict(sizes)
        self._read = read
        self._ready: dict[str, tuple[Segmentation, float]] = {}
        self._fails = False

    def segment(self, image_id: str) -> tuple[Segmentation, float]:
        """Return the result of an image, and the seconds that it took: its share of those of all that ran together.

        Raises
        ------
        UserError
            If the image can't be read or segmented.
        """
        # Those before it were kept by an earlier attempt, or failed.
        while image_id in self._waiting and (before := next(iter(self._waiting))) != image_id:
            del self._waiting[before]
        if image_id not in self._ready:
            self._ready |= self._segment_from(image_id)
        return self._ready.pop(image_id)

    def _segment_from(self, image_id: str) -> dict[str, tuple[Segmentation, float]]:
        start = time.perf_counter()
        images = self._images_from(image_id)
        try:
            found = self._segment_all(images)
        except Exception as error:
            if len(images) == 1 or not (isinstance(error, UserError) or is_out_of_memory(error)):
                raise
            # One of them may be to blame, and the others are to have their results.
            self._fails = True
            found = self._segment_all({image_id: images[image_id]})
        seconds = (time.perf_counter() - start) / len(found)
        return {each: (segmentation, seconds) for each, segmentation in found.items()}

    def _images_from(self, image_id: str) -> dict[str, NDArray[Any]]:
        """Return an image and those that are segmented with it."""
        images = {image_id: self._read(image_id)}
        shape, dtype = images[image_id].shape, images[image_id].dtype
        together = self._method.count_together
        most = 1 if self._fails or together is None else together(self._parameters, *shape[:2])
        for other, size in self._waiting.items():
            if len(images) >= most:
                break
            if other in images or other in self._ready or size != shape[:2]:
                continue
            try:
                image = self._read(other)
            except UserError:
                continue
            if image.shape == shape and image.dtype == dtype:
                images[other] = image
        return images

    def _segment_all(self, images: Mapping[str, NDArray[Any]]) -> dict[str, Segmentation]:
        contexts = [Context(image_id, self._seed, self._device) for image_id in images]
        if len(images) == 1 or self._method.segment_together is None:
            pairs = zip(images.values(), contexts, strict=True)
            found = [self._method.segment(image, context, self._parameters) for image, context in pairs]
        else:
            found = self._method.segment_together(list(images.values()), contexts, self._parameters)
        return dict(zip(images, found, strict=True))
