"""One segmentation, made in another thread than the viewer's."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from dynseg.errors import warnings_said
from dynseg.napari_plugin.planes import Pixels
from dynseg.result import Segmentation


class _Stopped(Exception):
    """Ends a training that nobody waits for any more."""


class Run:
    """A segmentation into regions that says how far it is.

    Parameters
    ----------
    pixels : ndarray, (H, W, C), uint8 or float32 from 0 to 1
    max_size : int
        See `dynseg.segment_regions`.
    setting : {"regions", "details"}
        See `dynseg.methods.regions.RegionsParameters`.

    Attributes
    ----------
    done, total : int
        Iterations of all networks. The hierarchy is made after the last one.
    warnings : list of str
        What the user should know of the result.
    error : Exception, optional
        What ended the run.
    """

    def __init__(self, pixels: Pixels, max_size: int, setting: Literal["regions", "details"] = "regions") -> None:
        from dynseg.methods.regions import RegionsParameters, total_iterations

        self._pixels = pixels
        self._max_size = max_size
        self._parameters = RegionsParameters(setting=setting)
        self.total = total_iterations(self._parameters)
        self.done = 0
        self.warnings: list[str] = []
        self.error: Exception | None = None

    def segment(self, stops: Callable[[], bool]) -> Segmentation | None:
        """Return the result, from any thread; None if the run was stopped or `error` says why there is none.

        Parameters
        ----------
        stops : callable
            Asked at every iteration; where it returns True the run ends.
        """
        # Qt's pooled threads change their Python state from one run to the next, and Higra's call-backs, which keep the
        # first one, would wait for ever. A thread of Python has one state.
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(self._segment, stops).result()

    def _segment(self, stops: Callable[[], bool]) -> Segmentation | None:
        from dynseg.api import segment_regions_with

        def count(*_: Any) -> None:
            if stops():
                raise _Stopped
            self.done += 1

        try:
            with warnings_said(self.warnings.append):
                return segment_regions_with(self._parameters, self._pixels, max_size=self._max_size, on_iteration=count)
        except _Stopped:
            return None
        except Exception as error:
            self.error = error
            return None
