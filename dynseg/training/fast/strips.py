"""Working on maps in strips of rows: small enough for the cache, spread over threads."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from queue import SimpleQueue
from typing import Generic, TypeVar

import torch
from torch import Tensor

from dynseg.training.fast.winograd import StripConvolution

Buffers = TypeVar("Buffers")
Item = TypeVar("Item")
Result = TypeVar("Result")

# More bands than threads, so that a thread that is held up leaves work to the others. The number doesn't depend on the
# threads, so that neither do the results.
_BANDS = 8


@contextmanager
def one_thread_per_operation() -> Iterator[None]:
    """Let PyTorch use no threads of its own: several threads that each work on a strip don't need them.

    On a busy machine PyTorch's threads would wait for each other after every operation, which takes many times as
    long as the operation. Results then don't depend on the number of threads either.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class StripRunner(Generic[Buffers]):
    """Runs a function on every strip of a map, in as many threads as `torch.get_num_threads()` says when it is made.

    To be used within `one_thread_per_operation`.

    Parameters
    ----------
    height : int
        Height of the map, in pixels.
    strip_height : int
        Rows of a strip; the last may have fewer.
    make_buffers : callable
        Makes the buffers that one thread works with.
    """

    def __init__(self, height: int, strip_height: int, make_buffers: Callable[[], Buffers]) -> None:
        strips = [slice(start, min(start + strip_height, height)) for start in range(0, height, strip_height)]
        self._bands = _divide(strips, min(_BANDS, len(strips)))
        threads = min(torch.get_num_threads(), len(self._bands))
        self._workers = ThreadPoolExecutor(threads, initializer=_use_one_thread) if threads > 1 else None
        self._buffers: SimpleQueue[Buffers] = SimpleQueue()
        for _ in range(threads):
            self._buffers.put(make_buffers())

    @property
    def band_count(self) -> int:
        """The number of bands: groups of neighbouring strips, each worked on by one thread from top to bottom."""
        return len(self._bands)

    def strips(self, work: Callable[[slice, Buffers], Result]) -> list[Result]:
        """Return the results of `work(rows, buffers)` for every strip, from top to bottom."""
        bands = self.bands(lambda strips, buffers, _: [work(rows, buffers) for rows in strips], self._bands)
        return [result for results in bands for result in results]

    def bands(self, work: Callable[[Sequence[slice], Buffers, Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return the results of `work(strips, buffers, item)` for every band and its item, from top to bottom."""

        def run(strips: Sequence[slice], item: Item) -> Result:
            buffers = self._buffers.get()
            try:
                with torch.no_grad():
                    return work(strips, buffers, item)
            finally:
                self._buffers.put(buffers)

        return list((self._workers.map if self._workers else map)(run, self._bands, items))


def _divide(strips: Sequence[slice], parts: int) -> list[Sequence[slice]]:
    bounds = [len(strips) * part // parts for part in range(parts + 1)]
    return [strips[start:stop] for start, stop in pairwise(bounds)]


def _use_one_thread() -> None:
    # PyTorch sets up a thread when it first meets it, and would then undo the second line.
    torch.get_num_threads()
    torch.set_num_threads(1)


class StripBuffers:
    """The buffers that one thread needs while it works on a strip.

    Parameters
    ----------
    height, width : int
        Size of the largest strip, in pixels.
    channels : int
        Channels of the maps.
    dtype : torch.dtype
    """

    def __init__(self, height: int, width: int, channels: int, dtype: torch.dtype) -> None:
        self.convolution = StripConvolution(height, width, channels, dtype)
        self._channels = channels
        # Differences between rows also need the rows above and below a strip.
        self._maps = torch.empty(2, (height + 2) * width * channels, dtype=dtype)

    def map(self, index: int, height: int, width: int) -> Tensor:
        """Return one of two buffers as a map (height, width, channels)."""
        return self._maps[index, : height * width * self._channels].view(height, width, self._channels)

    def pixels(self, index: int, count: int) -> Tensor:
        """Return one of two buffers as (count, channels)."""
        return self._maps[index, : count * self._channels].view(count, self._channels)


def as_pixels(maps: Tensor) -> Tensor:
    """Return a map (H, W, channels) as a matrix (H · W, channels), without a copy."""
    return maps.view(-1, maps.shape[-1])


def total(parts: Sequence[Tensor]) -> Tensor:
    """Return the sum of the strips' results, in float64."""
    return torch.stack(list(parts)).sum(dim=0, dtype=torch.float64)
