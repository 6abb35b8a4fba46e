"""Which implementation and which floating-point precision a network runs in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from dynseg.parameters import TrainingParameters


def runs_fast(image: Tensor, parameters: TrainingParameters) -> bool:
    """Tell whether the strips of `dynseg.training.fast` work on an image (bands, H, W), and not plain PyTorch."""
    # PyTorch's batch norm refuses a single pixel.
    return image.device.type == "cpu" and (parameters.step == "fast" or image[0].numel() == 1)


def autocast_type(device: torch.device, precision: str) -> torch.dtype | None:
    """Return the type that autocast runs a network in, None for none; the CPU always computes in float32."""
    return torch.bfloat16 if device.type == "cuda" and precision == "bfloat16" else None


@contextmanager
def tf32_allowed(allowed: bool) -> Iterator[None]:
    """Let CUDA's matrix products and cuDNN use TF32, or keep them from it; the caller's settings are put back."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    newer = [(place, place.fp32_precision) for place in (matmul, cudnn.conv, cudnn.rnn)]
    older = [(place, _older_setting(place)) for place in (matmul, cudnn)]
    try:
        matmul.allow_tf32 = cudnn.allow_tf32 = allowed
        yield
    finally:
        for place, before in older:
            if before is not None:
                place.allow_tf32 = before
        for place, precision in newer:
            place.fp32_precision = precision


def _older_setting(place: Any) -> bool | None:
    """Return `allow_tf32`, which PyTorch doesn't tell once a caller has used the newer `fp32_precision`."""
    try:
        return bool(place.allow_tf32)
    except RuntimeError:
        return None
