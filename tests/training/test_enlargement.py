"""Enlarged label maps against PyTorch's own bilinear interpolation."""

import pytest
import torch
from torch.nn.functional import interpolate

from dynseg.training import enlargement
from dynseg.training.enlargement import enlarged_labels


@pytest.mark.parametrize("size", [(5, 7), (10, 14), (13, 29), (5, 300)])
def test_labels_are_the_argmax_of_interpolated_responses(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(enlargement, "ENLARGED_VALUES_PER_STRIP", 900)
    response = torch.rand(5, 7, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    response[:, :, 5] = response[:, :, :5].max(dim=2).values - 1e-9  # Second everywhere, so in no label map.
    expected = interpolate(response.permute(2, 0, 1)[None, :5], size=size, mode="bilinear")[0].argmax(dim=0)
    labels = enlarged_labels(response, size)
    assert labels.dtype == torch.int64
    assert torch.equal(labels, expected)


def test_one_pixel_becomes_any_size() -> None:
    assert enlarged_labels(torch.tensor([[[0.1, 0.7, 0.2]]]), (2, 3)).tolist() == [[1, 1, 1], [1, 1, 1]]
