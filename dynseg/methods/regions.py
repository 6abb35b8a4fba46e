"""Regions between boundaries of learned textons and colour, as a hierarchy: this project's own method.

Several small networks, trained on the image alone with the FSF weight, label its pixels; their clusters are textons. A
pixel is on a boundary where the histograms of textons and of colour on its two sides differ, at several scales. A
watershed of that strength gives small regions, which merge in the order of how unlike they are. No step has seen a
label or another image. docs/methods.md has what was tried, and what each part buys.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class
from dynseg.regions.scale import choose_threshold
from dynseg.training.cost import FORWARD_SHARE, Cost, iteration_gflop
from dynseg.training.memory import PROCESS_BYTES, estimate_memory
from dynseg.training.parameters import TrainingParameters, reduced_size

if TYPE_CHECKING:
    from dynseg.regions.ensemble import Ensemble
    from dynseg.regions.merging import MergingParameters
    from dynseg.training.loop import OnIteration

# Thresholds between 0 and 1 for all images, chosen on train and val images of BSD500: that of `regions` for covering
# and mIOU together, that of `details` for the best mIOU (Mean).
THRESHOLDS = {"regions": 0.42, "details": 0.31}

# What evidence, watershed and merging take, in the arithmetic of the training step: 0.44 CPU seconds for 481 × 321
# pixels; and what an iteration on so few pixels takes beside its arithmetic, 9 ms at an eighth of that size with 100
# channels.
_GFLOP_A_PIXEL = 48 / (481 * 321)
_ITERATION_GFLOP_A_VALUE = 1.0 / (60 * 40 * 100)
# Stacks of orientations, and Higra's graph of pixels.
_BYTES_A_PIXEL = 500


@parameter_class
class RegionsParameters:
    """Parameters of regions."""

    networks: Annotated[int, Field(ge=0, le=64, description="number of networks; with 0 colour alone decides")] = 2
    components: Annotated[int, Field(ge=1, description="M, the number of 3×3 convolutions of each network")] = 2
    channels: Annotated[int, Field(ge=2, le=256, description="p = q, channels of each network")] = 32
    iterations: Annotated[int, Field(ge=1, description="T of each training")] = 20
    mu: Annotated[float, Field(gt=0, le=1e30, description="μ of FSF in each training")] = 15.0
    scale: Annotated[float, Field(gt=0, le=1, description="size of training, as a share of the image's")] = 0.125
    application_scale: Annotated[
        float, Field(gt=0, le=1, description="size of the networks' label maps, as a share of the image's")
    ] = 0.5
    setting: Annotated[
        Literal["regions", "details"],
        Field(
            description="how regions merge: `regions` as people draw them, `details` keeps small ones, which the mIOU "
            "counts as much as large ones"
        ),
    ] = "regions"
    threshold: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="where the hierarchy is cut; if left out, where the setting's is best on train and val",
        ),
    ] = None
    segments: Annotated[
        int | None, Field(ge=1, description="number of regions of every image, in place of a threshold")
    ] = None

    def __post_init__(self) -> None:
        if self.threshold is not None and self.segments is not None:
            raise UserError("threshold and segments both say where to cut: leave one of them out")


def total_iterations(parameters: RegionsParameters) -> int:
    """Return the number of iterations of all networks together."""
    return parameters.networks * parameters.iterations


def segment(image: NDArray[Any], context: Context, parameters: RegionsParameters) -> Segmentation:
    """Segment one image into connected regions, with their hierarchy.

    Parameters
    ----------
    image : ndarray, (H, W, bands), uint8 or float32
        Values of float32 are in [0, 1]. Three bands are RGB.
    context : Context
        The seed decides the initial weights of the networks.
    parameters : RegionsParameters

    Returns
    -------
    Segmentation
        Regions from 0 in the order of their first pixels, the hierarchy that they were cut from, and as facts the
        `threshold`, the number of regions (`segments`) and of `leaves`.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    if context.valid is not None:
        image = with_neighbours(image, context.valid)
    hierarchy = find_hierarchy(image, context.seed, context.device, parameters, valid=context.valid)
    return cut(hierarchy, parameters)


def with_neighbours(image: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    """Return an image whose pixels without data have the values of the nearest ones that have, of which there are."""
    from dynseg.training.validity import nearest

    rows, columns = nearest(valid)
    filled: NDArray[Any] = image[rows, columns]
    return filled


def find_hierarchy(
    image: NDArray[Any],
    seed: int,
    device: str,
    parameters: RegionsParameters,
    on_iteration: "OnIteration | None" = None,
    valid: NDArray[np.bool_] | None = None,
) -> Hierarchy:
    """Return the hierarchy of an image's regions; arguments as for `segment`.

    `on_iteration` is called at every iteration of every network; see `dynseg.training.loop.OnIteration`. `valid`,
    (H, W), are the pixels that count, all by default; the others have the values of their neighbours.
    """
    from dynseg.regions.boundaries import boundary_evidence
    from dynseg.regions.ensemble import texton_maps
    from dynseg.regions.merging import build_hierarchy

    maps = texton_maps(image, make_ensemble(parameters), seed, device, on_iteration, valid)
    evidence = boundary_evidence(image, maps)
    return build_hierarchy(image, evidence, merging_parameters(parameters), valid)


def merging_parameters(parameters: RegionsParameters) -> "MergingParameters":
    """Return what makes two neighbouring regions dissimilar."""
    from dynseg.regions.merging import DETAILS, REGIONS

    return DETAILS if parameters.setting == "details" else REGIONS


def make_ensemble(parameters: RegionsParameters) -> "Ensemble":
    """Return which networks are trained on an image."""
    from dynseg.regions.ensemble import Ensemble

    return Ensemble(parameters.networks, _training(parameters), parameters.mu, parameters.application_scale)


def cut(hierarchy: Hierarchy, parameters: RegionsParameters) -> Segmentation:
    """Return the regions of a hierarchy where the parameters say, or else where the setting's threshold does."""
    if parameters.segments is not None:
        labels = hierarchy.cut_into(parameters.segments)
        threshold = hierarchy.threshold_of(_count(labels, hierarchy))
    else:
        usual = THRESHOLDS[parameters.setting]
        threshold = choose_threshold(hierarchy, usual) if parameters.threshold is None else parameters.threshold
        labels = hierarchy.cut_at(threshold)
    facts: dict[str, str | int | float] = {
        "threshold": threshold,
        "segments": _count(labels, hierarchy),
        "leaves": hierarchy.leaf_count,
    }
    return Segmentation(labels, facts=facts, hierarchy=hierarchy)


def _count(labels: NDArray[np.int32], hierarchy: Hierarchy) -> int:
    """Return the number of regions of a cut, which has them from 1 where there are pixels without data."""
    return int(labels.max()) + (hierarchy.valid is None)


def cost(parameters: RegionsParameters, height: int, width: int, threads: int = 1) -> Cost:
    """Return what the networks of an image, its evidence and its hierarchy cost."""
    applied = reduced_size(height, width, parameters.application_scale)
    trained = reduced_size(height, width, parameters.scale)
    network = (parameters.components, parameters.channels)
    beside = _ITERATION_GFLOP_A_VALUE * trained[0] * trained[1] * parameters.channels
    application = parameters.networks * FORWARD_SHARE * iteration_gflop(*applied, *network)
    of_networks = estimate_memory(*applied, _training(parameters), threads=threads) if parameters.networks else 0
    return Cost(
        max(1, total_iterations(parameters)),
        iteration_gflop(*trained, *network) + beside if parameters.networks else 0.0,
        application + _GFLOP_A_PIXEL * height * width,
        1.0,
        PROCESS_BYTES + max(of_networks, _BYTES_A_PIXEL * height * width),
    )


def _training(parameters: RegionsParameters) -> TrainingParameters:
    return TrainingParameters(
        components=parameters.components,
        channels=parameters.channels,
        iterations=parameters.iterations,
        scale=parameters.scale,
        stop="fixed",
        minimum_labels=1,
        precision="tf32",
    )


# Training is a third of the work on one core (docs/gpu.md).
method = Method(RegionsParameters, segment, uses_gpu=True, gpu_pays=False, cost=cost, takes_any_bands=True)
