"""What decides a training: the network's shape, its optimiser, when it stops; and presets of these values."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from dynseg.errors import UserError
from dynseg.parameters import parameter_class

# The largest seed that NumPy, torch and scikit-learn all accept.
LARGEST_SEED = 2**32 - 1

# What a preset changes of the defaults, which are the paper's. config/config.yaml and config/fast.yaml train with the
# same values; a test compares them.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "fast": {"components": 2, "iterations": 60, "scale": 0.25, "precision": "tf32"},
}

Continuity = Literal["l1", "smooth_l1"]

_SMALLEST_FLOAT32 = 2.0**-126
_LARGEST_FLOAT32 = (2 - 2.0**-23) * 2.0**127


def _within_float32(value: float) -> float:
    if not _SMALLEST_FLOAT32 <= value <= _LARGEST_FLOAT32:
        raise ValueError(f"a number from {_SMALLEST_FLOAT32:.2g} to {_LARGEST_FLOAT32:.2g}, the range of 32-bit floats")
    return value


Mu = Annotated[float, Field(gt=0, description="μ, above 0"), AfterValidator(_within_float32)]
Iterations = Annotated[int, Field(ge=1, description="T, the largest number of iterations")]
LearningRate = Annotated[float, Field(gt=0, description="learning rate of stochastic gradient descent")]
Scale = Annotated[
    float,
    Field(
        gt=0,
        le=1,
        description="train on the image reduced by this factor, then apply the network once to the whole image; 1: as "
        "published",
    ),
]


@parameter_class
class NetworkParameters:
    """The paper's network and its optimiser: what every method that trains it has."""

    components: Annotated[int, Field(ge=1, description="M, the number of 3×3 convolution components")] = 3
    channels: Annotated[
        int, Field(ge=1, description="p = q, the width of every layer and the largest number of clusters")
    ] = 100
    iterations: Iterations = 1000
    learning_rate: LearningRate = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1, description="momentum of stochastic gradient descent")] = 0.9


@parameter_class
class TrainingParameters(NetworkParameters):
    """Adds when training stops, the initial weights, and what makes training cheaper; each can be changed alone."""

    minimum_labels: Annotated[
        int,
        Field(
            ge=1, description="training stops when the number of labels q′ is at or below this; it is below `channels`"
        ),
    ] = 3
    initialisation: Annotated[
        Literal["pytorch", "xavier"],
        Field(
            description="initial weights: `pytorch`'s default, as all released code; `xavier`: uniform and without "
            "biases (Glorot & Bengio 2010)"
        ),
    ] = "pytorch"
    continuity: Annotated[
        Continuity,
        Field(
            description="continuity loss of neighbouring responses: `l1`, the absolute difference, as published; "
            "`smooth_l1`, half its square below 1, as the first public version of the released code"
        ),
    ] = "l1"
    stop: Annotated[
        Literal["settled", "fixed"],
        Field(description="`settled`: also stop when the label map stands still; `fixed`: as published"),
    ] = "settled"
    settled_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="the label map stands still when a smaller share of pixels than this has another label than "
            "`settled_iterations` before",
        ),
    ] = 0.005
    settled_iterations: Annotated[
        int, Field(ge=1, description="iterations between the two label maps that are compared")
    ] = 50
    scale: Scale = 1.0
    step: Annotated[
        Literal["fast", "plain"],
        Field(description="implementation of an iteration: `fast`, or `plain` PyTorch; the same mathematics"),
    ] = "fast"
    precision: Annotated[
        Literal["float32", "tf32", "bfloat16"],
        Field(
            description="number format of the network on a GPU: `float32`, `tf32` (3.7 times as fast on an H200 at "
            "full size) or `bfloat16`; the CPU has `float32`"
        ),
    ] = "float32"


def check_label_limits(parameters: TrainingParameters) -> None:
    """Raise a UserError if training would stop at once, with no more labels than it begins with.

    It is no check of the class, since scribbles may have as many labels as there are channels.
    """
    least, most = parameters.minimum_labels, parameters.channels
    if least >= most:
        raise UserError(
            f"training stops at {least} labels (minimum_labels, --min-labels) and would begin with {most} (channels, "
            "--max-labels): lower the first or raise the second"
        )


def reduced_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Return the height and width of an image reduced by a factor: rounded, and at least 1."""
    return max(1, round(height * scale)), max(1, round(width * scale))
