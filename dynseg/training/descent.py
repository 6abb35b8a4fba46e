"""Stochastic gradient descent with momentum, in place."""

from collections.abc import Mapping

import torch
from torch import Tensor


@torch.no_grad()
def descend(
    velocities: Mapping[Tensor, Tensor],
    gradients: Mapping[Tensor, Tensor],
    learning_rate: float | Tensor,
    momentum: float,
) -> None:
    """Update parameters and their velocities as `torch.optim.SGD` does.

    Parameters
    ----------
    velocities, gradients : mapping from parameter to Tensor
        A parameter without a gradient stays as it is.
    learning_rate : float or Tensor, ()
    momentum : float
    """
    for parameter, gradient in gradients.items():
        velocity = velocities[parameter]
        velocity.mul_(momentum).add_(gradient)
        parameter.sub_(learning_rate * velocity)
