"""The methods that label maps come from: one module each, one registry for all of them."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.parameters import is_parameter_class, make_parameters
from dynseg.result import Context, Segmentation
from dynseg.training.cost import Cost
from dynseg.training.parameters import TrainingParameters, check_label_limits

__all__ = ["Context", "Method", "Segmentation", "find_method", "method_names"]

ENTRY_POINT_GROUP = "dynseg.methods"


@dataclass(frozen=True)
class Method:
    """A method as the registry knows it.

    Attributes
    ----------
    parameters : type
        The class of the method's parameters; see `dynseg.parameters.parameter_class`.
    segment : callable
        From an image (H, W, 3) uint8 RGB, a `Context` and an object of `parameters` to a `Segmentation`.
    uses_gpu : bool
        Whether the method can run on a GPU.
    gpu_pays : bool
        Whether a job of the workflow takes a GPU with `device: auto`, too. Not where little of a method's work is done
        there: beside each other, cores do more.
    uses_seed : bool
        Whether another seed may give another label map. If not, the workflow runs the method once for all seeds.
    cost : callable, optional
        For a method that trains a network: from its parameters, the height and width of an image and the number of
        threads to a `dynseg.training.cost.Cost`. The workflow sizes jobs by it; it decides no result.
    pixel_seconds : callable, optional
        For a method that trains no network and has another speed than the cautious one that is supposed: from its
        parameters to the seconds that a pixel takes on one thread of the machine of benchmarks/README.md. It decides no
        result.
    takes_any_bands : bool
        Whether images may also be (H, W, bands) float32 from 0 to 1, as `dynseg.read_image` gives pictures of more than
        8 bits or of other channels. Other methods are given such pictures as uint8 RGB.
    segment_together : callable, optional
        For a method that a GPU runs on several images at once: from images of one shape, the `Context` of each and an
        object of `parameters` to the `Segmentation` of each, what `segment` gives up to rounding.
    count_together : callable, optional
        Goes with `segment_together`: from parameters, height and width to how many images it is given.
    """

    parameters: type
    segment: Callable[[NDArray[Any], Context, Any], Segmentation]
    uses_gpu: bool = False
    gpu_pays: bool = True
    uses_seed: bool = True
    cost: Callable[[Any, int, int, int], Cost] | None = None
    takes_any_bands: bool = False
    pixel_seconds: Callable[[Any], float] | None = None
    segment_together: Callable[[Sequence[NDArray[Any]], Sequence[Context], Any], list[Segmentation]] | None = None
    count_together: Callable[[Any, int, int], int] | None = None

    def make_parameters(self, values: Mapping[str, Any]) -> Any:
        """Make an object of `parameters` from values that may be text; see `dynseg.parameters.make_parameters`.

        Raises
        ------
        UserError
            If a value isn't allowed, or training would stop at once.
        """
        parameters: Any = make_parameters(self.parameters, values)
        if isinstance(parameters, TrainingParameters):
            check_label_limits(parameters)
        return parameters


# Each name's module has an object `method`. Loading on demand keeps torch out of what doesn't need it.
MODULES = {
    "blank": "dynseg.methods.blank",
    "chan_vese": "dynseg.methods.chan_vese",
    "cnn": "dynseg.methods.cnn",
    "dic": "dynseg.methods.dic",
    "external": "dynseg.methods.external",
    "graph_based": "dynseg.methods.graph_based",
    "grey_steps": "dynseg.methods.grey_steps",
    "iic": "dynseg.methods.iic",
    "kmeans": "dynseg.methods.kmeans",
    "regions": "dynseg.methods.regions",
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
        If there is no such method, or it is a plug-in that can't be used.
    """
    if name in MODULES:
        method: Method = importlib.import_module(MODULES[name]).method
        return method
    for point in _third_party():
        if point.name == name:
            return _load(point)
    raise UserError(f"there is no method {name!r}: use one of {', '.join(method_names())}")


def plug_in_version(module: str) -> str:
    """Return names and versions of the installed packages that add methods from a top-level module, as text."""
    points = [point for point in _third_party() if point.module.partition(".")[0] == module]
    return ", ".join(sorted({f"{point.dist.name} {point.dist.version}" for point in points if point.dist}))


def _load(point: EntryPoint) -> Method:
    package = point.dist.name if point.dist else point.module
    try:
        method = point.load()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"the method {point.name!r} of the package {package} can't be loaded ({reason}): repair or remove "
            "the package"
        ) from error
    if not isinstance(method, Method) or not is_parameter_class(method.parameters):
        raise UserError(
            f"the method {point.name!r} of the package {package} isn't a Method whose parameters are a "
            "parameter_class: repair it as docs/methods.md shows, or remove the package"
        )
    return method


def _third_party() -> list[EntryPoint]:
    return [point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name not in MODULES]
