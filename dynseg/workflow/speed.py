"""How fast this machine trains, measured in about a second."""

import statistics
import time

from dynseg.devices import limited_threads
from dynseg.training.cost import iteration_gflop

# A quarter of the size of BSD500's images, as the fast preset trains; the iterations after those that fill the caches.
SIZE = (80, 120)
COMPONENTS = 2
CHANNELS = 100
WARM_UP = 2
MEASURED = 5


def measure_gflops() -> float:
    """Return the GFLOP/s of one thread of this machine in training, counted as `dynseg.training.cost` counts.

    CPU seconds count, so that others who use the machine as well change little.
    """
    import torch

    from dynseg.training.descent import GradientDescent
    from dynseg.training.fast.step import FastStep
    from dynseg.training.network import initial_network

    with limited_threads(1):
        image = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0))
        step = FastStep(initial_network(COMPONENTS, CHANNELS, seed=0), image)
        optimiser = GradientDescent(momentum=0.9)
        seconds = []
        for _ in range(WARM_UP + MEASURED):
            start = time.process_time()
            optimiser.descend(step.gradients(step.forward().label_count / 15), 0.1)
            seconds.append(time.process_time() - start)
    return iteration_gflop(*SIZE, COMPONENTS, CHANNELS) / statistics.median(seconds[WARM_UP:])
