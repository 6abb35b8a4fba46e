"""The methods that label maps come from: one module each, one registry for all of them."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.parameters import make_parameters
from dynseg.result import Context, Segmentation
from dynseg.training.cost import Cost

__all__ = ["Context", "Method", "Segmentation", "check_label_limits", "find_method", "method_names"]

ENTRY_POINT_GROUP = "dynseg.methods"


@dataclass(frozen=True)
class Method:
    """A method as the registry knows it.

    Attributes
    ----------
    parameters : type
        A frozen dataclass whose fields (int, float, str, bool) are the method's parameters, with their defaults. It
        raises UserError when it is made with values that aren't allowed.
    segment : callable
        From an image (H, W, 3) uint8 RGB, a `Context` and an object of `parameters` to a `Segmentation`.
    uses_gpu : bool
        Whether the method runs on a GPU where there is one.
    uses_seed : bool
        Whether another seed may give another label map. If not, the workflow runs the method once for all seeds.
    cost : callable, optional
        For a method that trains a network: from its parameters, the height and width of an image and the number of
        threads to a `dynseg.training.cost.Cost`. The workflow sizes jobs by it; it decides no result.
    takes_any_bands : bool
        Whether images may also be (H, W, bands) float32 from 0 to 1, as `dynseg.read_image` gives pictures of more than
        8 bits or of other channels. Other methods are given such pictures as uint8 RGB.
    """

    parameters: type
    segment: Callable[[NDArray[Any], Context, Any], Segmentation]
    uses_gpu: bool = False
    uses_seed: bool = True
    cost: Callable[[Any, int, int, int], Cost] | None = None
    takes_any_bands: bool = False

    def make_parameters(self, values: Mapping[str, Any]) -> Any:
        """Make an object of `parameters` from values that may be text; see `dynseg.parameters.make_parameters`.

        Raises
        ------
        UserError
            See there, and `check_label_limits`.
        """
        parameters = make_parameters(self.parameters, values)
        check_label_limits(parameters)
        return parameters


def check_label_limits(parameters: Any) -> None:
    """Raise a UserError if training would stop at once, with no more labels than it begins with."""
    least, most = (getattr(parameters, name, None) for name in ("minimum_labels", "channels"))
    if least is not None and most is not None and least >= most:
        raise UserError(
            f"training stops at {least} labels (minimum_labels, --min-labels) and would begin with {most} (channels, "
            "--max-labels): lower the first or raise the second"
        )


# Each name's module has an object `method`. Loading on demand keeps torch out of what doesn't need it.
MODULES = {
    "blank": "dynseg.methods.blank",
    "cnn": "dynseg.methods.cnn",
    "external": "dynseg.methods.external",
    "graph_based": "dynseg.methods.graph_based",
    "grey_steps": "dynseg.methods.grey_steps",
    "iic": "dynseg.methods.iic",
    "kmeans": "dynseg.methods.kmeans",
    "superpixel_cnn": "dynseg.methods.superpixel_cnn",
}


def method_names() -> list[str]:
    """Return the names of all methods: the built-in ones and those that installed packages add."""
    return [*MODULES, *(point.name for point in _third_party())]


def find_method(name: str) -> Method:
    """Return a method by its name.

    Third-party packages add methods through the entry point group "dynseg.methods": name → `Method` object.

    Raises
    ------
    UserError
        If there is no such method.
    """
    if name in MODULES:
        return importlib.import_module(MODULES[name]).method
    for point in _third_party():
        if point.name == name:
            return point.load()
    raise UserError(f"there is no method {name!r}: use one of {', '.join(method_names())}")


def _third_party() -> list[EntryPoint]:
    return [point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name not in MODULES]
