"""Strip convolutions as layers, against PyTorch's own."""

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dynseg.training.fast.layer import StripConvolutionLayer, convolve_in_strips
from dynseg.training.network import SegmentationNetwork, initial_network


def loss_and_gradients(network: SegmentationNetwork, image: Tensor) -> tuple[Tensor, list[Tensor]]:
    # Two views go forward before the first goes back.
    loss = (network(image) * network(image.flip(3)).sigmoid()).mean()
    return loss.detach(), list(torch.autograd.grad(loss, list(network.parameters())))


@given(st.integers(1, 40), st.integers(1, 20), st.integers(1, 5), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_outputs_and_gradients_are_those_of_pytorch(
    height: int, width: int, channels: int, last: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    convolution = nn.Conv2d(channels, channels, 3, padding=1, dtype=torch.float64)
    layer = StripConvolutionLayer(convolution)
    features, gradient = torch.randn(2, 1, channels, height, width, generator=generator, dtype=torch.float64)
    if last:
        features = features.contiguous(memory_format=torch.channels_last)
    arguments = [features.requires_grad_(), *convolution.parameters()]
    expected, found = convolution(features), layer(features)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, arguments, gradient), torch.autograd.grad(expected, arguments, gradient)
    )


def test_a_network_with_strips_is_the_same_function_and_takes_maps_of_any_size() -> None:
    plain = initial_network(components=3, channels=8, seed=0).double()
    strips = deepcopy(plain)
    convolve_in_strips(strips)
    assert [name for name, _ in strips.named_parameters()] == [name for name, _ in plain.named_parameters()]
    assert sum(isinstance(layer, StripConvolutionLayer) for layer in strips.convolutions) == 2
    for size in ((24, 30), (9, 7), (24, 30)):
        image = torch.rand(1, 3, *size, dtype=torch.float64)
        torch.testing.assert_close(loss_and_gradients(strips, image), loss_and_gradients(plain, image))


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    before = torch.get_num_threads()
    results = []
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            torch.manual_seed(0)
            layer = StripConvolutionLayer(nn.Conv2d(8, 8, 3, padding=1))
            features = torch.randn(1, 8, 50, 70).requires_grad_()
            outputs = layer(features)
            results.append([outputs, *torch.autograd.grad(outputs.square().sum(), [features, *layer.parameters()])])
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    for one, several in zip(*results, strict=True):
        torch.testing.assert_close(several, one, rtol=0, atol=0)
