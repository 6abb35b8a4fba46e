"""Run a batch of a user's own images: record, loop, outputs."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dynseg.api import DEFAULT_MAX_SIZE, apply_model, segment_with
from dynseg.code_version import label_map_code
from dynseg.errors import UserError
from dynseg.io.images import Reading, read_scribbles, shown_as_rgb
from dynseg.methods import find_method
from dynseg.methods.cnn import CnnParameters
from dynseg.metrics import connected_components
from dynseg.model import Model, load_model
from dynseg.own_images.outputs import Labelled, write_outputs
from dynseg.own_images.plan import PlannedImage, find_scribbles
from dynseg.own_images.record import is_done, note_readings, start_record
from dynseg.provenance import describe_run
from dynseg.result import Segmentation

if TYPE_CHECKING:
    from torch import Tensor

    from dynseg.training.step import Observation


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


@dataclass(frozen=True)
class ByTraining:
    """Label maps from a network that is trained on each image alone.

    Attributes
    ----------
    parameters : CnnParameters
    seed : int
    device : {"cpu", "cuda"}
    max_size : int
        See `dynseg.segment`.
    """

    parameters: CnnParameters
    seed: int
    device: str
    max_size: int = DEFAULT_MAX_SIZE

    shares_labels = False

    @property
    def iterations(self) -> int:
        """The largest number of iterations of one image."""
        return self.parameters.iterations

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the label maps beside the parameters and the size."""
        return {"seed": self.seed}

    def describe(self, threads: int) -> dict[str, Any]:
        """Return what made the label maps, for their files."""
        return describe_run("cnn", dataclasses.asdict(self.parameters), self.seed, self.device, threads)

    def label(
        self, pixels: NDArray[np.uint8] | NDArray[np.float32], scribbles: NDArray[np.integer] | None, progress: Progress
    ) -> Segmentation:
        """Return the result of one image."""
        return segment_with(
            self.parameters,
            pixels,
            seed=self.seed,
            device=self.device,
            max_size=self.max_size,
            scribbles=scribbles,
            on_iteration=progress,
        )


@dataclass(frozen=True)
class ByModel:
    """Label maps from a network that was trained on reference images.

    Attributes
    ----------
    model : Model
    sha256 : str
        Hash of the model's file.
    device : {"cpu", "cuda"}
    max_size : int
        See `dynseg.segment`.
    """

    model: Model
    sha256: str
    device: str
    max_size: int

    iterations = 1
    shares_labels = True

    @classmethod
    def from_file(cls, path: Path, device: str, max_size: int | None = None) -> "ByModel":
        """Read a model; its own size counts if none is given.

        Raises
        ------
        UserError
            If it can't be read.
        """
        model = load_model(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(model, digest, device, max_size or model.max_size)

    @property
    def parameters(self) -> CnnParameters:
        """The parameters that the model was trained with."""
        return self.model.parameters

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the label maps beside the parameters and the size."""
        return {"model_sha256": self.sha256}

    def describe(self, threads: int) -> dict[str, Any]:
        """Return what made the label maps, for their files."""
        about = describe_run("cnn", dataclasses.asdict(self.parameters), 0, self.device, threads)
        # The seed was that of `dynseg fit`.
        del about["seed"]
        return about | self.settings

    def label(
        self, pixels: NDArray[np.uint8] | NDArray[np.float32], scribbles: NDArray[np.integer] | None, progress: Progress
    ) -> Segmentation:
        """Return the result of one image; scribbles and progress are of training alone."""
        return apply_model(self.model, pixels, device=self.device, max_size=self.max_size)


class Batch:
    """Images to be segmented the same way, into one folder of outputs.

    Making one writes the record of the folder.

    Parameters
    ----------
    images : sequence of PlannedImage
    output : path
        The folder of outputs.
    labelling : ByTraining or ByModel
    threads : int
        Threads of the CPU, for the record.
    scribbles : path, optional
        The file or folder of scribbles.
    resume : bool
        Whether outputs that are there count.
    reading : Reading
        What to take of the images.

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
        labelling: ByTraining | ByModel,
        threads: int,
        scribbles: Path | None = None,
        resume: bool = False,
        reading: Reading = Reading(),  # noqa: B008 - it is frozen
    ) -> None:
        self._labelling = labelling
        self._about = labelling.describe(threads)
        self._scribbles: Mapping[Path, Path] = find_scribbles(scribbles, images) if scribbles else {}
        settings = {
            "parameters": dataclasses.asdict(labelling.parameters),
            "max_size": labelling.max_size,
            "code_version": label_map_code(find_method("cnn")),
            **labelling.settings,
            **({"scribbles": str(scribbles)} if scribbles else {}),
            **reading.settings,
        }
        self._reading, self._output = reading, output
        self._notes: dict[str, str] = {}
        since = start_record(output, images, settings, self._about, resume, self._scribbles)
        self.waiting = [
            image for image in images if not (resume and is_done(image, since, self._scribbles.get(image.source)))
        ]
        self.done = 0

    def run(self, progress: Progress) -> int:
        """Segment the images that wait and write their outputs; return how many couldn't be, each of which is said."""
        failures = 0
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
        note_readings(self._output, self._notes)
        return failures

    def _segment(self, image: PlannedImage, progress: Progress) -> str:
        """Segment an image, write its outputs, and return the line that tells of it."""
        picture = self._reading.read(image.source)
        file = self._scribbles.get(image.source)
        result = self._labelling.label(picture.pixels, None if file is None else read_scribbles(file), progress)
        if picture.note:
            self._notes[str(image.relative)] = picture.note
            result = dataclasses.replace(result, facts={**result.facts, "read_as": picture.note})
        name = (image.relative.parent / image.source.name).as_posix()
        write_outputs(
            image.outputs,
            Labelled(shown_as_rgb(picture.pixels), result, name, self._about, self._labelling.shares_labels),
        )
        return _summary(image, result, picture.note)


def _summary(image: PlannedImage, result: Segmentation, note: str) -> str:
    facts, (height, width) = result.facts, result.labels.shape
    regions = int(connected_components(result.labels).max())
    sizes = []
    if "trained_width" in facts:
        sizes.append(f"trained at {facts['trained_width']} × {facts['trained_height']}")
    if (facts["applied_height"], facts["applied_width"]) != (height, width):
        sizes.append(f"applied at {facts['applied_width']} × {facts['applied_height']}")
    sizes += [note] if note else []
    outputs = ", ".join(str(path) for path in image.outputs.values())
    return (
        f"{image.source}: {len(np.unique(result.labels))} labels in {regions} regions, {facts['seconds']:.1f} s, "
        f"{width} × {height}{''.join(f', {size}' for size in sizes)} -> {outputs}"
    )
