"""Where the label maps of a batch come from: regions, a network trained on each image, or one fitted on references."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dynseg.api import DEFAULT_MAX_SIZE, apply_with, segment_regions_with, segment_with
from dynseg.code_version import code_version, label_map_code
from dynseg.io.files import sha256
from dynseg.io.images import Reading
from dynseg.large import DEFAULT_LARGE_SIZE
from dynseg.methods import find_method
from dynseg.methods.cnn import CnnParameters
from dynseg.methods.regions import RegionsParameters, total_iterations
from dynseg.model import Model, load_model
from dynseg.provenance import describe_run
from dynseg.regions.few_leaves import warn_of_few_leaves
from dynseg.result import Segmentation
from dynseg.training.loop import OnIteration

_logger = logging.getLogger("dynseg")

Pixels = NDArray[np.uint8] | NDArray[np.float32]
Scribbles = NDArray[np.integer] | None
Valid = NDArray[np.bool_] | None


class Labelling(Protocol):
    """Where label maps come from."""

    @property
    def shares_labels(self) -> bool:
        """Whether labels mean the same in several images."""

    @property
    def iterations(self) -> int:
        """The largest number of iterations of one image."""

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the label maps beside the images: values that JSON has types for, the method first."""

    def describe(self, threads: int) -> dict[str, Any]:
        """Return what made the label maps, for their files."""

    def label(
        self, pixels: Pixels, scribbles: Scribbles, on_iteration: OnIteration, valid: Valid = None
    ) -> Segmentation:
        """Return the result of one image, of the pixels that count, (H, W); by default all."""


@dataclass(frozen=True)
class ByRegions:
    """Regions of a hierarchy, which boundaries between the labels of several networks and between colours make.

    Attributes
    ----------
    parameters : RegionsParameters
    seed : int
    device : {"cpu", "cuda"}
    max_size : int
        See `dynseg.segment_regions`.
    large_size : int
        The same for images that are too large to be read whole, which are segmented by windows.
    """

    parameters: RegionsParameters
    seed: int
    device: str
    max_size: int = DEFAULT_MAX_SIZE
    large_size: int = DEFAULT_LARGE_SIZE

    shares_labels = False

    @property
    def iterations(self) -> int:
        """The largest number of iterations of one image, in all trainings."""
        return total_iterations(self.parameters)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the label maps."""
        settings = _settings("regions", "regions", self.parameters, self.max_size)
        windows = code_version("dynseg.regions.windows", "dynseg.io.large_tiff")
        return {**settings, "seed": self.seed, "large_size": self.large_size, "large_code_version": windows}

    def describe(self, threads: int) -> dict[str, Any]:
        """Return what made the label maps, for their files."""
        return describe_run("regions", dataclasses.asdict(self.parameters), self.seed, self.device, threads)

    def label(
        self, pixels: Pixels, scribbles: Scribbles, on_iteration: OnIteration, valid: Valid = None
    ) -> Segmentation:
        """Return the result of one image; a warning says if it has fewer regions than were asked for."""
        result = segment_regions_with(
            self.parameters,
            pixels,
            seed=self.seed,
            device=self.device,
            max_size=self.max_size,
            scribbles=scribbles,
            mask=valid,
            on_iteration=on_iteration,
        )
        if self.parameters.segments is not None and result.hierarchy is not None:
            warn_of_few_leaves(result.hierarchy, self.parameters.segments)
        return result


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
        """What decides the label maps."""
        return {**_settings("network", "cnn", self.parameters, self.max_size), "seed": self.seed}

    def describe(self, threads: int) -> dict[str, Any]:
        """Return what made the label maps, for their files."""
        return describe_run("cnn", dataclasses.asdict(self.parameters), self.seed, self.device, threads)

    def label(
        self, pixels: Pixels, scribbles: Scribbles, on_iteration: OnIteration, valid: Valid = None
    ) -> Segmentation:
        """Return the result of one image."""
        return segment_with(
            self.parameters,
            pixels,
            seed=self.seed,
            device=self.device,
            max_size=self.max_size,
            scribbles=scribbles,
            mask=valid,
            on_iteration=on_iteration,
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
        return cls(model, sha256(path), device, max_size or model.max_size)

    def read_as(self, given: Mapping[str, str], path: Path) -> dict[str, str]:
        """Return how to read images: as the model's references were, but for what is given, and warn if that differs.

        Parameters
        ----------
        given : mapping of str to str
            What `dynseg.io.images.Reading.from_texts` takes.
        path : Path
            The model's file.
        """
        known = self.model.read_as
        for name, text in given.items() if known else ():
            of_references = {name: known[name]} if name in known else {}
            if Reading.from_texts(**{name: text}) != Reading.from_texts(**of_references):
                option = f"with --{name} {known[name]}" if of_references else f"without --{name}"
                _logger.warning("--%s %s: the references of %s were read %s", name, text, path, option)
        return {**known, **given}

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the label maps."""
        return {**_settings("network", "cnn", self.model.parameters, self.max_size), "model_sha256": self.sha256}

    def describe(self, threads: int) -> dict[str, Any]:
        """Return what made the label maps, for their files."""
        about = describe_run("cnn", dataclasses.asdict(self.model.parameters), 0, self.device, threads)
        # The seed was that of `dynseg fit`.
        del about["seed"]
        return about | {"model_sha256": self.sha256}

    def label(
        self, pixels: Pixels, scribbles: Scribbles, on_iteration: OnIteration, valid: Valid = None
    ) -> Segmentation:
        """Return the result of one image; scribbles and progress are of training alone."""
        return apply_with(self.model, pixels, device=self.device, max_size=self.max_size, mask=valid)


def _settings(method: str, name: str, parameters: Any, max_size: int) -> dict[str, Any]:
    """Return the settings that all have; `method` is what the user calls it and `name` what the registry does."""
    return {
        "method": method,
        "parameters": dataclasses.asdict(parameters),
        "max_size": max_size,
        "code_version": label_map_code(find_method(name)),
    }
