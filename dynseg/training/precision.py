"""Which implementation, memory layout and floating-point precision a network runs in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from dynseg.training.network import SegmentationNetwork
from dynseg.training.parameters import TrainingParameters

T = TypeVar("T")


def runs_fast(image: Tensor, parameters: TrainingParameters) -> bool:
    """Tell whether the strips of `dynseg.training.fast` work on an image (bands, H, W), and not plain PyTorch."""
    # PyTorch's batch norm refuses a single pixel.
    return image.device.type == "cpu" and (parameters.step == "fast" or image[0].numel() == 1)


def runs_in_group(image: Tensor, parameters: TrainingParameters) -> bool:
    """Tell whether `dynseg.training.group` trains on an image (bands, H, W), alone or beside others."""
    return image.device.type == "cuda" and parameters.step == "fast"


def in_layout_of(device: torch.device, network: SegmentationNetwork) -> SegmentationNetwork:
    """Return a network with its weights in the memory layout that plain PyTorch is fastest with; it is changed."""
    return network.to(memory_format=torch.channels_last) if device.type == "cuda" else network  # type: ignore[call-overload]


def autocast_type(device: torch.device, precision: str) -> torch.dtype | None:
    """Return the type that autocast runs a network in, None for none; the CPU always computes in float32."""
    return torch.bfloat16 if device.type == "cuda" and precision == "bfloat16" else None


@contextmanager
def tf32_allowed(allowed: bool) -> Iterator[None]:
    """Let CUDA's matrix products and cuDNN use TF32, or keep them from it; the caller's settings are put back."""
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    # PyTorch has two kinds of settings. Both are put back, or it would complain of a mixture.
    precision = _unless_mixed(torch.get_float32_matmul_precision)
    cudnn_allowed = _unless_mixed(lambda: cudnn.allow_tf32)
    newer = [(place, place.fp32_precision) for place in (matmul, mkldnn.matmul, cudnn.conv, cudnn.rnn)]
    try:
        matmul.allow_tf32 = cudnn.allow_tf32 = allowed
        yield
    finally:
        if precision is not None:
            torch.set_float32_matmul_precision(precision)
        if cudnn_allowed is not None:
            cudnn.allow_tf32 = cudnn_allowed
        for place, before in newer:
            place.fp32_precision = before


def _unless_mixed(setting: Callable[[], T]) -> T | None:
    """Return an older setting; None where a caller has used the newer ones, which make PyTorch refuse to tell."""
    try:
        return setting()
    except RuntimeError:
        return None
