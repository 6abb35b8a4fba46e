"""Convolutions in strips against PyTorch's, and their gradients against autograd's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import conv2d

from dynseg.training.fast.winograd import (
    PATCH,
    TILE,
    StripConvolution,
    restore_kernel_gradient,
    transform_kernels,
    transform_turned_kernels,
)
from dynseg.training.strip_sizes import strip_height


def channels_first(values: Tensor) -> Tensor:
    return values.permute(2, 0, 1)[None]


def convolve_in_strips(inputs: Tensor, kernels: Tensor, bias: Tensor | None = None, minimum: float = -1e9) -> Tensor:
    height, width, channels = inputs.shape
    strip = strip_height(height, width, channels)
    convolution = StripConvolution(strip, width, channels, inputs.dtype)
    outputs = torch.full_like(inputs, torch.nan)
    for start in range(0, height, strip):
        values = convolution.read_inputs(start, height, lambda rows, out: out.copy_(inputs[rows]))
        convolution.convolve(values, kernels, outputs[start : start + strip], bias, minimum)
    return outputs


@given(st.integers(1, 40), st.integers(1, 20), st.integers(1, 5), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_outputs_and_gradients_equal_the_direct_ones(height: int, width: int, channels: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs, gradients = torch.randn(2, height, width, channels, generator=generator, dtype=torch.float64)
    kernels = torch.randn(channels, channels, 3, 3, generator=generator, dtype=torch.float64)
    bias = torch.randn(channels, generator=generator, dtype=torch.float64)
    for tensor in (inputs, kernels):
        tensor.requires_grad_()
    expected = conv2d(channels_first(inputs), kernels, bias, padding=1)
    input_gradient, kernel_gradient = torch.autograd.grad(expected, [inputs, kernels], channels_first(gradients))

    with torch.no_grad():
        outputs = convolve_in_strips(inputs, transform_kernels(kernels), bias)
        torch.testing.assert_close(channels_first(outputs), expected)
        rectified = convolve_in_strips(inputs, transform_kernels(kernels), bias, minimum=0)
        torch.testing.assert_close(rectified, outputs.clamp_min(0))
        turned = convolve_in_strips(gradients, transform_turned_kernels(kernels))
        torch.testing.assert_close(turned, input_gradient)

        strip = strip_height(height, width, channels)
        convolution = StripConvolution(strip, width, channels, inputs.dtype)
        total = torch.full((PATCH**2, channels, channels), torch.nan, dtype=torch.float64)
        for start in range(0, height, strip):
            values = convolution.read_inputs(start, height, lambda rows, out: out.copy_(inputs[rows]))
            strip_gradients = convolution.read_gradients(start, height, lambda rows, out: out.copy_(gradients[rows]))
            convolution.add_kernel_gradient(values, strip_gradients, total, restart=start == 0)
        torch.testing.assert_close(restore_kernel_gradient(total), kernel_gradient)


def test_float32_is_as_exact_as_the_training_needs() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(32, 32, 100, generator=generator)
    kernels = torch.randn(100, 100, 3, 3, generator=generator)
    exact = conv2d(channels_first(inputs.double()), kernels.double(), padding=1)
    error = channels_first(convolve_in_strips(inputs, transform_kernels(kernels))) - exact
    assert error.norm() / exact.norm() < 3e-6


@pytest.mark.parametrize("channels", [1, 32, 100, 256])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (321, 481), (481, 321), (80, 120), (5, 2000)])
def test_strips_are_whole_tiles_and_not_higher_than_the_map_needs(height: int, width: int, channels: int) -> None:
    strip = strip_height(height, width, channels)
    assert strip % TILE == 0
    assert TILE <= strip < height + TILE
