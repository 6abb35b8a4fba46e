"""Trained networks in files: weights and plain values, no code."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from dynseg import __version__
from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.io.images import Reading
from dynseg.methods.cnn import CnnParameters
from dynseg.parameters import make_parameters
from dynseg.training.network import SegmentationNetwork

_KIND = "dynseg model"


@dataclass(frozen=True)
class Model:
    """A network that was trained on reference images.

    Attributes
    ----------
    network : SegmentationNetwork
    parameters : CnnParameters
        The parameters that it was trained with.
    max_size : int
        The size that references were reduced to; see `dynseg.segment`.
    facts : dict of str to str, int or float
        Facts of its training: `stopped_by`, `iterations_run`; and those of `read_as`, by the names of the options.
    history : dict of str to ndarray, (iterations,)
        History of its training; empty for a model from a file.

    Examples
    --------
    >>> import dynseg, numpy as np
    >>> model = dynseg.fit([np.eye(16)], iterations=2, device="cpu")
    >>> model.bands, model.max_size, model.history["label_count"].shape
    (1, 16, (2,))
    """

    network: SegmentationNetwork
    parameters: CnnParameters
    max_size: int
    facts: dict[str, str | int | float]
    history: dict[str, NDArray[Any]]

    @property
    def bands(self) -> int:
        """Channels of the images that it was trained on, and labels."""
        return self.network.bands

    @property
    def read_as(self) -> dict[str, str]:
        """How `dynseg fit` read its references, for `dynseg.io.images.Reading.from_texts`: files are read so, too.

        What isn't there it was not told; nothing is there if `dynseg.fit` was given pixels.
        """
        named = {name.removeprefix("--"): value for name, value in self.facts.items() if name.startswith("--")}
        return {name: str(value) for name, value in named.items()}


def save_model(model: Model, path: str | Path) -> None:
    """Write a model to a file, usually named .pt.

    Raises
    ------
    UserError
        If the file can't be written.

    Examples
    --------
    >>> import tempfile
    >>> import dynseg, numpy as np
    >>> model = dynseg.fit([np.eye(16)], iterations=2, device="cpu")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, f"{folder}/model.pt")
    ...     again = load_model(f"{folder}/model.pt")
    >>> again.parameters == model.parameters, again.facts == model.facts
    (True, True)
    """
    content = {
        "kind": _KIND,
        "version": __version__,
        "parameters": dataclasses.asdict(model.parameters),
        "bands": model.bands,
        "max_size": model.max_size,
        "facts": model.facts,
        "weights": {name: weight.cpu() for name, weight in model.network.state_dict().items()},
    }
    with written_aside(path) as aside:
        torch.save(content, aside)


def load_model(path: str | Path) -> Model:
    """Read a model that `save_model` or `dynseg fit` wrote. Only weights and plain values are loaded, never code.

    Raises
    ------
    UserError
        If the file can't be read or holds something else.

    Examples
    --------
    >>> import tempfile
    >>> import dynseg, numpy as np
    >>> model = dynseg.fit([np.eye(16)], iterations=2, device="cpu")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, f"{folder}/model.pt")
    ...     again = load_model(f"{folder}/model.pt")
    >>> again.parameters == model.parameters, again.facts == model.facts
    (True, True)
    """
    if not Path(path).is_file():
        raise UserError(f"{path} doesn't exist: give a model that `dynseg fit` made")
    try:
        return _model(torch.load(path, map_location="cpu", weights_only=True))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:
        # Broken or foreign files make the reader raise almost anything.
        raise UserError(f"{path} isn't a model that `dynseg fit` made: make it again") from error


def _model(content: Any) -> Model:
    if content["kind"] != _KIND:
        raise ValueError(content["kind"])
    parameters = make_parameters(CnnParameters, content["parameters"])
    network = SegmentationNetwork(parameters.components, parameters.channels, int(content.get("bands", 3)))
    network.load_state_dict(content["weights"])
    model = Model(network, parameters, int(content["max_size"]), dict(content["facts"]), {})
    # Of a later version there may be options that this one can't follow.
    Reading.from_texts(**model.read_as)
    return model
