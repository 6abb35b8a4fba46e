"""Gradient descent against torch.optim.SGD."""

import pytest
import torch

from dynseg.training.descent import GradientDescent


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_torch_optim_sgd_but_for_rounding(momentum: float, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    ours = [torch.rand(5, 7, generator=generator, dtype=dtype).requires_grad_() for _ in range(3)]
    theirs = [parameter.detach().clone().requires_grad_() for parameter in ours]
    optimiser, reference = GradientDescent(momentum), torch.optim.SGD(theirs, lr=0.1, momentum=momentum)
    for iteration in range(8):
        gradients = [torch.randn(5, 7, generator=generator, dtype=dtype) for _ in ours]
        # The second parameter gets no gradient in some iterations.
        given = [index for index in range(3) if index != 1 or iteration % 3]
        optimiser.descend({ours[index]: gradients[index] for index in given}, 0.1)
        for index, parameter in enumerate(theirs):
            parameter.grad = gradients[index] if index in given else None
        reference.step()
    for parameter, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(parameter, other)


def test_the_learning_rate_may_be_a_tensor() -> None:
    parameter = torch.ones(3, requires_grad=True)
    optimiser = GradientDescent(momentum=0.9)
    optimiser.descend({parameter: torch.ones(3)}, torch.tensor(0.0))
    assert torch.equal(parameter.detach(), torch.ones(3))
    optimiser.descend({parameter: torch.zeros(3)}, torch.tensor(0.5))
    # The velocity of the first gradient goes on.
    torch.testing.assert_close(parameter.detach(), torch.full((3,), 0.55))
