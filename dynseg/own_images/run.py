"""Run a batch of a user's own images: record, loop, outputs."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dynseg.api import is_empty
from dynseg.errors import UserError
from dynseg.io.geotiff import unknown_places_said
from dynseg.io.images import Reading, read_scribbles, shown_as_rgb
from dynseg.io.large_tiff import LargeTiff, large_tiff
from dynseg.large import segment_by_windows
from dynseg.own_images.cutting import counted, listed
from dynseg.own_images.labelling import Labelling
from dynseg.own_images.large import check_large, say_result, write_large
from dynseg.own_images.matching import MATCHING, Series, in_order
from dynseg.own_images.outputs import Labelled, write_outputs
from dynseg.own_images.plan import PlannedImage, find_scribbles
from dynseg.own_images.record import is_done, note_readings, start_record
from dynseg.own_images.scribbled import doubts, understood
from dynseg.own_images.validity import find_masks, read_masked
from dynseg.result import Segmentation
from dynseg.training.scribbles import share_kept

if TYPE_CHECKING:
    from torch import Tensor

    from dynseg.training.step import Observation

_logger = logging.getLogger("dynseg")


class Progress(Protocol):
    """Whom a batch tells how far it is."""

    def start(self, name: str) -> None:
        """Say which image is next."""

    def __call__(self, iteration: int, observation: "Observation", weight: "Tensor") -> None:
        """Take note of an iteration: `dynseg.training.loop.OnIteration`."""

    def finish(self) -> None:
        """Count the image as done, or given up."""

    def say(self, message: str, err: bool = False) -> None:
        """Print a line, on standard error if `err`."""


class Batch:
    """Images to be segmented the same way, into one folder of outputs.

    Making one writes the record of the folder.

    Parameters
    ----------
    images : sequence of PlannedImage
    output : path
        The folder of outputs.
    labelling : Labelling
    threads : int
        Threads of the CPU, for the record.
    scribbles : path, optional
        The file or folder of scribbles.
    resume : bool
        Whether outputs that are there count.
    reading : Reading
        What to take of the images.
    mask : path, optional
        The file or folder of masks.
    match : bool
        Whether the images are a series, in the order of their names, in which a thing keeps its label.

    Attributes
    ----------
    waiting : list of PlannedImage
        The images whose outputs aren't there yet.
    done : int
        How many of them `run` has segmented so far.

    Raises
    ------
    UserError
        If the folder can't be written or was made with other settings, or scribbles don't fit the images.
    """

    def __init__(
        self,
        images: Sequence[PlannedImage],
        output: Path,
        labelling: Labelling,
        threads: int,
        scribbles: Path | None = None,
        resume: bool = False,
        reading: Reading = Reading(),  # noqa: B008 - it is frozen
        mask: Path | None = None,
        match: bool = False,
    ) -> None:
        self._labelling = labelling
        self._about = labelling.describe(threads)
        self._scribbles: Mapping[Path, Path] = find_scribbles(scribbles, images) if scribbles else {}
        settings = {
            **labelling.settings,
            **({"scribbles": str(scribbles)} if scribbles else {}),
            **({"mask": str(mask)} if mask else {}),
            **reading.settings,
            **({"match": True} if match else {}),
        }
        if match:
            images = [images[place] for place in in_order([image.relative.as_posix() for image in images])]
        self._reading, self._output = reading, output
        self._notes: dict[str, str] = {}
        self._is_masked = mask is not None
        self._masks = find_masks(mask, {image.source: image.relative for image in images}) if mask else {}
        since = start_record(output, images, settings, self._about, resume, self._scribbles, self._masks)
        if not resume:
            (output / MATCHING).unlink(missing_ok=True)
        done = [resume and is_done(image, since, *self._beside(image)) for image in images]
        self._series = _resumed_series(output / MATCHING, images, done) if match else None
        if self._series is not None:
            # What comes later rests on all that came before.
            done = [place < len(self._series.names) for place in range(len(images))]
        self.waiting = [image for image, is_there in zip(images, done, strict=True) if not is_there]
        self.done = 0

    def run(self, progress: Progress) -> int:
        """Segment the images that wait and write their outputs; return how many couldn't be, each of which is said."""
        with unknown_places_said():
            failures = self._run_each(progress)
        note_readings(self._output, self._notes)
        return failures

    def _run_each(self, progress: Progress) -> int:
        failures = 0
        _logger.info("images to do: %d, by %s", len(self.waiting), listed(self._about))
        for image in self.waiting:
            progress.start(image.source.name)
            try:
                line = self._segment(image, progress)
            except UserError as error:
                failures += 1
                named = str(image.source) in str(error)
                progress.say(f"dynseg: {error}" if named else f"dynseg: {image.source}: {error}", err=True)
            else:
                self.done += 1
                progress.say(line)
            progress.finish()
        return failures

    def _beside(self, image: PlannedImage) -> tuple[Path | None, Path | None]:
        return self._scribbles.get(image.source), self._masks.get(image.source)

    def _segment(self, image: PlannedImage, progress: Progress) -> str:
        """Segment an image, write its outputs, and return the line that tells of it."""
        with large_tiff(image.source) as large:
            if large is not None:
                return self._segment_large(image, large, progress)
        file, mask = self._beside(image)
        picture = read_masked(self._reading, image.source, mask, self._is_masked)
        scribbles = None if file is None else read_scribbles(file)
        if scribbles is not None and (doubt := doubts(scribbles)):
            progress.say(f"dynseg: {file}: {doubt}", err=True)
        _logger.info("%s: %s, shape %s", image.source, picture.pixels.dtype, picture.pixels.shape)
        result = self._labelling.label(picture.pixels, scribbles, progress, picture.valid)
        _logger.info("%s: %s", image.source, listed(result.facts))
        if is_empty(result):
            inside = " inside of the mask" if self._is_masked else ""
            _logger.warning("%s: no pixel of the image has data%s: its label map is 0 everywhere", image.source, inside)
        notes = [picture.note] if picture.note else []
        if picture.note:
            self._notes[str(image.relative)] = picture.note
            result = dataclasses.replace(result, facts={**result.facts, "read_as": picture.note})
        if scribbles is not None:
            kept = result.facts.get("scribbles_kept", share_kept(result.labels, scribbles))
            notes.append(understood(scribbles, float(kept)))
        if self._series is not None:
            matched = self._series.match(image.relative.as_posix(), result.labels, picture.pixels, picture.valid)
            result = dataclasses.replace(result, labels=matched)
            notes.append(self._series.told)
        name = (image.relative.parent / image.source.name).as_posix()
        write_outputs(
            image.outputs,
            Labelled(
                shown_as_rgb(picture.pixels),
                result,
                name,
                self._about,
                self._labelling.shares_labels or self._series is not None,
                source=image.source,
                bands=picture.bands,
                valid=picture.valid,
                channel_names=picture.channel_names,
                first_label=0 if self._series is None else 1,
            ),
        )
        if self._series is not None:
            self._series.save(self._output / MATCHING)
        return _summary(image, result, notes)

    def _segment_large(self, image: PlannedImage, source: LargeTiff, progress: Progress) -> str:
        if self._series is not None:
            raise UserError(f"{image.source} is too large to be read whole, and then --match isn't there: leave it out")
        labelling = check_large(image.source, self._labelling, self._reading, image.outputs, *self._beside(image))

        def say_window(number: int, count: int) -> None:
            if count >= 4 and 4 * number // count > 4 * (number - 1) // count:
                progress.say(f"{image.source}: {number} of {count} windows")

        result = segment_by_windows(
            source,
            labelling.parameters,
            self._reading,
            seed=labelling.seed,
            device=labelling.device,
            max_size=labelling.large_size,
            on_iteration=progress,
            on_window=say_window,
        )
        _logger.info("%s: %s", image.source, listed(result.facts))
        if result.note:
            self._notes[str(image.relative)] = result.note
        write_large(image.outputs, result)
        return say_result(image.outputs, result)


def _resumed_series(path: Path, images: Sequence[PlannedImage], done: Sequence[bool]) -> Series:
    """Return the series of earlier calls if the images that it has are done, and the first ones; else a new one."""
    if not (any(done) and path.exists()):
        return Series()
    series = Series.load(path)
    count = len(series.names)
    is_whole = series.names == [image.relative.as_posix() for image in images[:count]] and all(done[:count])
    return series if is_whole else Series()


def _summary(image: PlannedImage, result: Segmentation, notes: Sequence[str]) -> str:
    facts, (height, width) = result.facts, result.labels.shape
    sizes = []
    if "trained_width" in facts:
        sizes.append(f"trained at {facts['trained_width']} × {facts['trained_height']}")
    if (facts.get("applied_height", height), facts.get("applied_width", width)) != (height, width):
        sizes.append(f"applied at {facts['applied_width']} × {facts['applied_height']}")
    outputs = ", ".join(str(path) for path in image.outputs.values())
    return (
        f"{image.source}: {counted(result)}, {facts['seconds']:.1f} s, {width} × {height}"
        f"{''.join(f', {note}' for note in (*sizes, *notes))} -> {outputs}"
    )
