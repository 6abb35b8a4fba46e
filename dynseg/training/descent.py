"""Stochastic gradient descent with momentum, in place."""

from collections.abc import Mapping

import torch
from torch import Tensor


class GradientDescent:
    """Stochastic gradient descent with momentum, as `torch.optim.SGD` does it.

    It takes gradients as a mapping, so that they needn't come from autograd, and the learning rate as a tensor, so that
    a GPU isn't waited for.

    Parameters
    ----------
    momentum : float
        Share of the last velocity that is kept, at least 0 and below 1.
    """

    def __init__(self, momentum: float) -> None:
        self._momentum = momentum
        self._velocities: dict[Tensor, Tensor] = {}

    @torch.no_grad()
    def descend(self, gradients: Mapping[Tensor, Tensor], learning_rate: float | Tensor) -> None:
        """Update parameters in place.

        Parameters
        ----------
        gradients : mapping from parameter to Tensor
            A parameter without a gradient stays as it is.
        learning_rate : float or Tensor, ()
        """
        for parameter, gradient in gradients.items():
            velocity = self._velocities.get(parameter)
            if velocity is None:
                velocity = self._velocities[parameter] = torch.zeros_like(parameter)
            velocity.mul_(self._momentum).add_(gradient)
            parameter.sub_(learning_rate * velocity)
