"""What a segmentation job costs, from the size of its images and the method's parameters. Quick to import.

Cluster profiles ask for time by these estimates and `images_per_job: auto` sizes jobs by them; they decide no result.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dynseg.methods import Method

# Measured on the machine of benchmarks/README.md with the fast step, 100 channels: GFLOP/s of one thread, and how
# they grow with threads.
CPU_GFLOPS = 110.0
THREAD_EXPONENT = 0.7
# Cautious, as for a small GPU of recent years: an H200 reaches 8,000 to 50,000, and .0004 s (benchmarks/README.md).
GPU_GFLOPS = 5000.0
GPU_ITERATION_SECONDS = 0.003

# Methods that train no network and don't say their speed.
SECONDS_A_PIXEL = 1e-5

# Python, its libraries and Snakemake's share of a job on one machine, in CPU seconds.
JOB_CPU_SECONDS = 1.7
# Scoring a label map against five annotators, and showing it in the report, in CPU seconds a pixel.
SCORING_SECONDS_A_PIXEL = 7e-7
SHOWING_SECONDS_A_PIXEL = 2e-7

# Snakemake's job step, Python and torch; on a cluster Python starts three times.
START_UP_SECONDS = 6.0
START_UP_SHARE = 0.1
# With fewer jobs a method would leave a laptop's cores idle.
FEWEST_JOBS = 8
# The longest job that `auto` makes of several images, on one thread.
LONGEST_JOB_SECONDS = 3600.0

# Unknown machines, and neighbours on them.
CPU_MARGIN = 4.0
GPU_MARGIN = 10.0
LEAST_MINUTES = 10
MEMORY_MARGIN = 1.5
# CUDA's own share of the host's memory.
GPU_HOST_BYTES = 4_000_000_000
# k-means on windows of 7 × 7 pixels keeps three float32 copies of them.
BYTES_A_PIXEL = 2000
LEAST_BYTES = 1_000_000_000

Size = tuple[int, int]


def segmentation_seconds(
    method: Method, parameters: Any, size: Size, threads: int = 1, gpu: bool = False, *, usual: bool = False
) -> float:
    """Return about how long one image takes on the machine of benchmarks/README.md, in seconds.

    Parameters
    ----------
    method : Method
        Without a `cost`, the method trains no network.
    parameters : object
        The method's parameters.
    size : (int, int)
        Height and width of the image, in pixels.
    threads : int
        Threads of the job; of no account on a GPU.
    gpu : bool
        Whether the network is trained on a GPU.
    usual : bool
        Whether training stops where it does in the mean, and not at its last iteration.
    """
    height, width = size
    if method.cost is None:
        return height * width * (method.pixel_seconds(parameters) if method.pixel_seconds else SECONDS_A_PIXEL)
    cost = method.cost(parameters, height, width, threads)
    iterations = cost.usual_iterations if usual and cost.usual_iterations is not None else cost.iterations
    if gpu:
        slowest = max(cost.iteration_gflop / GPU_GFLOPS, GPU_ITERATION_SECONDS)
        return iterations * slowest + cost.application_gflop / GPU_GFLOPS
    gflop = iterations * cost.iteration_gflop + cost.application_gflop
    return cost.cpu_factor * gflop / (CPU_GFLOPS * float(threads**THREAD_EXPONENT))


def scoring_seconds(pixels: int) -> float:
    """Return about how long label maps of so many pixels take to be scored, in seconds.

    Examples
    --------
    >>> scoring_seconds(200 * 481 * 321) < 60
    True
    """
    return SCORING_SECONDS_A_PIXEL * pixels


def choose_images_per_job(method: Method, parameters: Sequence[Any], sizes: Iterable[Size]) -> int:
    """Return how many images `images_per_job: auto` gives a job: so many that starting it is a tenth of its time.

    The estimate for a GPU counts, on every machine, for methods that use one: the same batches serve a laptop and a
    cluster, so that moving between them reruns nothing. But no method gets fewer than `FEWEST_JOBS` jobs for that, and
    no job of several images more than `LONGEST_JOB_SECONDS` on one thread.

    Parameters
    ----------
    method : Method
    parameters : sequence of object
        The method's parameters; several share their batches, and the most expensive ones count.
    sizes : iterable of (int, int)
        Height and width of all images of the dataset, in pixels. The median counts.
    """
    by_area = sorted(sizes, key=lambda size: size[0] * size[1])
    if not by_area:
        return 1
    typical = by_area[len(by_area) // 2]
    on_gpu = method.uses_gpu and method.gpu_pays
    seconds = max(segmentation_seconds(method, each, typical, gpu=on_gpu) for each in parameters)
    seconds_on_cpu = max(segmentation_seconds(method, each, typical) for each in parameters)
    wanted = _power_of_two(START_UP_SECONDS / START_UP_SHARE / seconds, math.ceil)
    longest = _power_of_two(LONGEST_JOB_SECONDS / seconds_on_cpu, math.floor)
    return min(wanted, longest, math.ceil(len(by_area) / FEWEST_JOBS))


def job_minutes(
    method: Method, parameters: Any, sizes: Iterable[Size], threads: int, gpu: bool, attempt: int = 1
) -> int:
    """Return the minutes to ask a cluster for, far above the estimate, and more with every attempt.

    Parameters
    ----------
    method : Method
    parameters : object
        The method's parameters.
    sizes : iterable of (int, int)
        Height and width of the job's images, in pixels.
    threads, gpu
        As for `segmentation_seconds`.
    attempt : int
        1 for the first.
    """
    seconds = sum(segmentation_seconds(method, parameters, size, threads, gpu) for size in sizes)
    margin = GPU_MARGIN if gpu else CPU_MARGIN
    return attempt * (LEAST_MINUTES + math.ceil(margin * seconds / 60))


def job_megabytes(
    method: Method, parameters: Any, sizes: Iterable[Size], threads: int, gpu: bool, attempt: int = 1
) -> int:
    """Return the memory to ask a cluster for in MB, above the estimate, and more with every attempt.

    Parameters are those of `job_minutes`; the largest image counts.
    """
    height, width = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    needed = LEAST_BYTES + BYTES_A_PIXEL * height * width
    if gpu:
        needed += GPU_HOST_BYTES
    elif method.cost is not None:
        needed = max(needed, math.ceil(MEMORY_MARGIN * method.cost(parameters, height, width, threads).memory))
    return attempt * math.ceil(needed / 1e6)


def _power_of_two(value: float, rounding: Callable[[float], int]) -> int:
    return int(2 ** max(0, rounding(math.log2(value))))
