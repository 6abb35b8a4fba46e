"""Options that `dynseg segment` and `dynseg fit` share, and how both report progress."""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import click

from dynseg.devices import DEVICES
from dynseg.training.parameters import LARGEST_SEED, PRESETS
from dynseg.training.weighting import SCHEMES

if TYPE_CHECKING:
    from torch import Tensor

    from dynseg.training.step import Observation

SEED = click.IntRange(0, LARGEST_SEED)
_SECONDS_BETWEEN_COUNTS = 0.2

_NETWORK_OPTIONS = (
    click.option(
        "--scheme",
        type=click.Choice(list(SCHEMES)),
        default="fsf",
        show_default=True,
        help="How continuity is weighted against similarity: "
        f"{', '.join(f'{scheme.name} by {scheme.formula}' for scheme in SCHEMES.values())}, where q′ is the number of "
        "labels left.",
    ),
    click.option(
        "--mu",
        type=click.FloatRange(0, min_open=True),
        help="μ of the scheme.  "
        f"[default: {', '.join(f'{scheme.mu:g} for {scheme.name}' for scheme in SCHEMES.values())}]",
    ),
    click.option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        default="fast",
        show_default=True,
        help="fast trains on a reduced image for few iterations; paper as published, which takes minutes an image.",
    ),
    click.option(
        "--iterations", type=click.IntRange(1), help="Largest number of iterations, in place of the preset's."
    ),
    click.option("--max-labels", type=click.IntRange(2), help="Labels to begin with.  [default: 100]"),
    click.option(
        "--min-labels",
        type=click.IntRange(1),
        help="Training stops at this many labels, fewer than --max-labels.  [default: 3, or one less than "
        "--max-labels]",
    ),
)
_RUNNING_OPTIONS = (
    click.option(
        "--max-size",
        type=click.IntRange(1),
        help="Pixels along the longer side beyond which an image is reduced before networks see it; label maps "
        "have the image's own size all the same.  [default: 512; 4096 for a TIFF that is too large to be read whole]",
    ),
    click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the networks' initial weights."),
    click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True),
    click.option("--threads", type=click.IntRange(1), help="Threads of the CPU.  [default: all]"),
)


NETWORK_OPTIONS = ("scheme", "mu", "preset", "iterations", "max_labels", "min_labels")
"""The parameters of a command that `network_options` adds."""


def network_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that decide how a network is trained."""
    for option in reversed(_NETWORK_OPTIONS):
        command = option(command)
    return command


def running_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for size, seed, device and threads."""
    for option in reversed(_RUNNING_OPTIONS):
        command = option(command)
    return command


_READING_OPTIONS = (
    click.option(
        "--channels",
        help="Channels to take, in this order, with commas between: numbers from 1, or names that the file has for "
        "them, as DAPI,GFP (OME-TIFF, OME-Zarr, ImageJ; bands of a GeoTIFF).  [default: all]",
    ),
    click.option(
        "--range",
        "value_range",
        show_default="auto",
        help="Values that become black and white: percentile (0.1th to 99.9th), minmax, type (all that the type can "
        "hold), or LOW,HIGH; auto is type with 8 bits a channel, percentile with more.",
    ),
    click.option(
        "--plane",
        help="Which plane of a stack, or page of an animation, to take: z=3, or several as t=1,z=3; page=2; level=2, "
        "the resolution level of an OME-Zarr.",
    ),
    click.option(
        "--nodata",
        metavar="VALUE",
        help="The value of pixels without data, nan too, beside the one that a GeoTIFF names: they take no part in "
        "anything and are 0 in label maps, whose other labels then begin at 1.",
    ),
)

MASK_HELP = (
    "A label image that is 0 outside of the region of interest, for the one image, or a folder of them, NAME.png for "
    "NAME.tif. Pixels outside are treated as those without data."
)


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what to take of pictures."""
    for option in reversed(_READING_OPTIONS):
        command = option(command)
    return command


def reading_texts(
    channels: str | None, value_range: str | None, plane: str | None, nodata: str | None
) -> dict[str, str]:
    """Return what is said of pictures by the names of the options, checked.

    Raises
    ------
    UserError
        If one of the texts isn't known.
    """
    from dynseg.io.images import Reading

    texts = {"channels": channels, "range": value_range, "plane": plane, "nodata": nodata}
    given = {name: text for name, text in texts.items() if text is not None}
    Reading.from_texts(**given)
    return given


def training_changes(iterations: int | None, max_labels: int | None, min_labels: int | None) -> dict[str, int]:
    """Return the options that were given, by the names that `dynseg.segment` has for them."""
    named = {"iterations": iterations, "channels": max_labels, "minimum_labels": min_labels}
    return {name: value for name, value in named.items() if value is not None}


def all_threads() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class IterationBar:
    """A progress bar over iterations of one or several trainings, with q′; on a terminal only.

    Parameters
    ----------
    trainings, iterations : int
        The bar is full after so many trainings of so many iterations.
    quiet : bool
        Whether nothing is shown or said but what goes to standard error.
    """

    def __init__(self, trainings: int, iterations: int, quiet: bool = False) -> None:
        from tqdm import tqdm

        self._quiet = quiet
        self._iterations = iterations
        self._done = 0
        self._seen = 0
        self._counted = 0.0
        self._bar: tqdm[NoReturn] = tqdm(
            total=trainings * iterations, unit="it", disable=quiet or None, leave=False, dynamic_ncols=True
        )

    def start(self, name: str) -> None:
        """Say whose training is next."""
        self._bar.set_description(name, refresh=False)

    def __call__(self, iteration: int, observation: "Observation", weight: "Tensor") -> None:
        """Show an iteration: `dynseg.training.loop.OnIteration`."""
        if self._bar.disable:
            return
        # Several networks of one image each count from 1.
        self._seen += 1
        self._bar.update(self._done + min(self._seen, self._iterations) - self._bar.n)
        # Asking for q′ makes a GPU wait.
        if time.monotonic() - self._counted > _SECONDS_BETWEEN_COUNTS:
            self._counted = time.monotonic()
            self._bar.set_postfix_str(f"q′={int(observation.label_count)}")

    def finish(self) -> None:
        """Count a training as done, however many iterations it took."""
        self._done += self._iterations
        self._seen = 0
        self._bar.update(self._done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()

    def say(self, message: str, err: bool = False) -> None:
        """Print a line above the bar."""
        from tqdm import tqdm

        if self._quiet and not err:
            return
        with tqdm.external_write_mode():
            # Names of files may be no valid text.
            click.echo(message.encode(errors="replace"), err=err)
