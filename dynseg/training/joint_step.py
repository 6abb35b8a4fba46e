"""One network trained on several images at once: reference images (Kim, Kanezaki & Tanaka 2020, section 3.4)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dynseg.training.step import Observation, Step, count_labels


class JointStep:
    """`dynseg.training.step.Step` on several images that share a network: the losses are means over the images.

    The label map that it shows holds the pixels of all images in one row, (1, pixels), and q′ counts the labels of all.
    Kim et al. take one image after the other with many updates each; here every update sees all images, so that none
    of them counts more for coming last and q′ is that of the whole set.

    Parameters
    ----------
    steps : sequence of Step
        One per image, all of the same network.
    channels : int
        q of the network.
    """

    def __init__(self, steps: Sequence[Step], channels: int) -> None:
        self._steps = steps
        self._channels = channels
        self._shapes: list[torch.Size] = []

    def forward(self) -> Observation:
        """See `Step.forward`."""
        observations = [step.forward() for step in self._steps]
        self._shapes = [observation.labels.shape for observation in observations]
        labels = torch.cat([observation.labels.flatten() for observation in observations])[None]
        similarity = torch.stack([observation.similarity_loss for observation in observations]).mean()
        continuity = torch.stack([observation.continuity_loss for observation in observations]).mean()
        sizes = [observation.labels.numel() for observation in observations]
        counting = sum(size * each.valid_share for size, each in zip(sizes, observations, strict=True))
        share = counting / sum(sizes)
        return Observation(labels, count_labels(labels, self._channels), similarity, continuity, share)

    def gradients(self, weight: Tensor, target: Tensor | None = None) -> dict[Tensor, Tensor]:
        """See `Step.gradients`; the target has the shape of the labels that `forward` shows, (1, pixels)."""
        total: dict[Tensor, Tensor] = {}
        for step, part in zip(self._steps, self._targets(target), strict=True):
            for parameter, gradient in step.gradients(weight, part).items():
                total[parameter] = total[parameter] + gradient if parameter in total else gradient
        return {parameter: gradient / len(self._steps) for parameter, gradient in total.items()}

    def _targets(self, target: Tensor | None) -> Sequence[Tensor | None]:
        """Return the target of each image, (H, W)."""
        if target is None:
            return [None] * len(self._steps)
        parts = target.flatten().split([shape.numel() for shape in self._shapes])
        return [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]
