"""What training a network on an image and applying it costs in arithmetic and memory. Quick to import."""

import math
from dataclasses import dataclass

from dynseg.training.memory import PROCESS_BYTES, estimate_memory
from dynseg.training.parameters import TrainingParameters, reduced_size

# A forward pass against an iteration.
FORWARD_SHARE = 0.4
# The stop of a settled label map, in the mean of what benchmarks/README.md tells ("The stop"): about so many iterations
# after the first two label maps that can be equal, as if it came at random.
SETTLING_ITERATIONS = 350.0
# How much slower the plain step is than the fast one, on the CPU.
PLAIN_FACTOR = 4.0


@dataclass(frozen=True)
class Cost:
    """What one image costs a method that trains a network on it, up to its last iteration.

    Attributes
    ----------
    iterations : int
        The largest number of iterations.
    iteration_gflop, application_gflop : float
        GFLOP of one iteration, and of the forward pass over the whole image.
    cpu_factor : float
        How much slower the method's implementation on the CPU is than the fast step's.
    memory : int
        Peak memory of the process on the CPU, in bytes.
    usual_iterations : float, optional
        About how many iterations it takes in the mean, where training may stop before the last one.
    """

    iterations: int
    iteration_gflop: float
    application_gflop: float
    cpu_factor: float
    memory: int
    usual_iterations: float | None = None


def training_cost(parameters: TrainingParameters, height: int, width: int, threads: int = 1) -> Cost:
    """Return what training the paper's network on an image costs.

    Parameters
    ----------
    parameters : TrainingParameters
    height, width : int
        Size of the image, in pixels.
    threads : int
        Threads of the job; each needs memory.
    """
    network = (parameters.components, parameters.channels)
    return Cost(
        parameters.iterations,
        iteration_gflop(*reduced_size(height, width, parameters.scale), *network),
        FORWARD_SHARE * iteration_gflop(height, width, *network),
        PLAIN_FACTOR if parameters.step == "plain" else 1.0,
        PROCESS_BYTES + estimate_memory(height, width, parameters, threads=threads),
        usual_iterations(parameters),
    )


def usual_iterations(parameters: TrainingParameters) -> float:
    """Return about how many iterations training takes in the mean, with the stop of a settled label map.

    Examples
    --------
    >>> usual_iterations(TrainingParameters(iterations=60))
    60.0
    >>> round(usual_iterations(TrainingParameters(iterations=1000)))
    423
    """
    first = 2 * parameters.settled_iterations
    if parameters.stop == "fixed" or parameters.iterations <= first:
        return float(parameters.iterations)
    return first + SETTLING_ITERATIONS * (1 - math.exp((first - parameters.iterations) / SETTLING_ITERATIONS))


def iteration_gflop(height: int, width: int, components: int, channels: int) -> float:
    """Return the GFLOP of one training iteration of the paper's network, counted as direct convolutions.

    Each convolution has an output and two gradients, but that of the image isn't needed.

    Parameters
    ----------
    height, width : int
        Size of the image that is trained on, in pixels.
    components, channels : int
        M and p = q of the paper.
    """
    first = 27 * channels
    others = (components - 1) * 9 * channels**2 + channels**2
    return 2 * height * width * (2 * first + 3 * others) / 1e9
