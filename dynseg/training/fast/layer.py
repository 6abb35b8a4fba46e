"""The fast step's 3×3 convolutions as a layer that PyTorch differentiates: for training with any loss."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from dynseg.training.fast.strips import StripRunner, one_thread_per_operation
from dynseg.training.fast.winograd import (
    PATCH,
    StripConvolution,
    restore_kernel_gradient,
    transform_kernels,
    transform_turned_kernels,
)
from dynseg.training.network import SegmentationNetwork
from dynseg.training.strip_sizes import strip_height


def convolve_in_strips(network: SegmentationNetwork) -> None:
    """Put strip convolutions in place of a network's 3×3 convolutions, except the first; it must be on the CPU."""
    for index in range(1, len(network.convolutions) - 1):
        network.convolutions[index] = StripConvolutionLayer(cast(nn.Conv2d, network.convolutions[index]))


class StripConvolutionLayer(nn.Module):
    """A 3×3 convolution with as many outputs as inputs, on the CPU, in less time than PyTorch's.

    The same sums, rounded otherwise (`dynseg.training.fast.winograd`); they don't depend on the number of threads.

    Parameters
    ----------
    convolution : nn.Conv2d
        3×3, padded by 1. Its parameters become the layer's.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self._shape: torch.Size | None = None
        self._runner: StripRunner[StripConvolution] | None = None

    def forward(self, features: Tensor) -> Tensor:
        """Return the convolution of features (1, channels, H, W), channels-last."""
        if self._runner is None or self._shape != features.shape:
            _, channels, height, width = self._shape = features.shape
            strip = strip_height(height, width, channels)
            self._runner = StripRunner(height, strip, lambda: StripConvolution(strip, width, channels, features.dtype))
        apply = cast(Callable[..., Tensor], _Convolve.apply)
        return apply(features, self.weight, self.bias, self._runner)


class _Convolve(torch.autograd.Function):
    @staticmethod
    @one_thread_per_operation()
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, runner: StripRunner[StripConvolution]
    ) -> Tensor:
        inputs = _channels_last(features)
        outputs = torch.empty_like(inputs)
        kernels = transform_kernels(weight)

        def work(rows: slice, convolution: StripConvolution) -> None:
            strip = convolution.read_inputs(rows.start, len(inputs), _writer(inputs))
            convolution.convolve(strip, kernels, outputs[rows], bias)

        runner.strips(work)
        ctx.save_for_backward(inputs, weight)
        ctx.runner = runner
        return _channels_first(outputs)

    @staticmethod
    @one_thread_per_operation()
    def backward(ctx: Any, output_gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        inputs, weight = ctx.saved_tensors
        runner: StripRunner[StripConvolution] = ctx.runner
        gradients = _channels_last(output_gradient)
        input_gradients = torch.empty_like(inputs)
        kernels = transform_turned_kernels(weight)

        def work(strips: Sequence[slice], convolution: StripConvolution, kernel_gradient: Tensor) -> None:
            for rows in strips:
                strip = convolution.read_inputs(rows.start, len(inputs), _writer(inputs))
                gradient = convolution.read_gradients(rows.start, len(inputs), _writer(gradients))
                convolution.add_kernel_gradient(strip, gradient, kernel_gradient, restart=rows is strips[0])
                convolution.convolve(gradient, kernels, input_gradients[rows])

        kernel_gradients = kernels.new_empty(runner.band_count, PATCH**2, *weight.shape[:2])
        runner.bands(work, kernel_gradients)
        kernel_gradient = restore_kernel_gradient(kernel_gradients.sum(dim=0))
        return _channels_first(input_gradients), kernel_gradient, gradients.sum(dim=(0, 1)), None


def _channels_last(features: Tensor) -> Tensor:
    return features[0].permute(1, 2, 0).contiguous()


def _channels_first(features: Tensor) -> Tensor:
    # In this order the batch gets the stride that PyTorch expects of channels-last maps; with another, the backward
    # pass of batch norm reads them wrongly.
    return features[None].permute(0, 3, 1, 2)


def _writer(values: Tensor) -> Callable[[slice, Tensor], Tensor]:
    return lambda rows, out: out.copy_(values[rows])
