"""One network trained on several images at once: reference images (Kim, Kanezaki & Tanaka 2020, section 3.4)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dynseg.training.descent import descend
from dynseg.training.step import Observation, Step, count_labels


class JointStep:
    """`dynseg.training.step.Step` on several images that share a network: the losses are means over the images.

    The label map that it shows holds the pixels of all images in one row, (1, pixels), and q′ counts the labels of all.
    Kim et al. take one image after the other with many updates each; here every update sees all images, so that none
    of them counts more for coming last and q′ is that of the whole set.

    Parameters
    ----------
    steps : sequence of Step
        One an image, all of the same network.
    parameters : sequence of Tensor
        The network's.
    channels : int
        q of the network.
    learning_rate, momentum : float
    """

    def __init__(
        self,
        steps: Sequence[Step],
        parameters: Sequence[Tensor],
        channels: int,
        learning_rate: float = 0.1,
        momentum: float = 0.9,
    ) -> None:
        self.learning_rate: float | Tensor = learning_rate
        self._momentum = momentum
        self._steps = steps
        self._channels = channels
        self._velocities = {parameter: torch.zeros_like(parameter) for parameter in parameters}

    def forward(self) -> Observation:
        """See `Step.forward`."""
        observations = [step.forward() for step in self._steps]
        labels = torch.cat([observation.labels.flatten() for observation in observations])[None]
        similarity = torch.stack([observation.similarity_loss for observation in observations]).mean()
        continuity = torch.stack([observation.continuity_loss for observation in observations]).mean()
        return Observation(labels, count_labels(labels, self._channels), similarity, continuity)

    def gradients(self, weight: Tensor, target: Tensor | None = None) -> dict[Tensor, Tensor]:
        """See `Step.gradients`; targets of several images are not supported."""
        if target is not None:
            raise ValueError("several images have no common target")
        total: dict[Tensor, Tensor] = {}
        for step in self._steps:
            for parameter, gradient in step.gradients(weight).items():
                total[parameter] = total[parameter] + gradient if parameter in total else gradient
        return {parameter: gradient / len(self._steps) for parameter, gradient in total.items()}

    def update(self, weight: Tensor, target: Tensor | None = None) -> None:
        """See `Step.update`."""
        descend(self._velocities, self.gradients(weight, target), self.learning_rate, self._momentum)

    def predict(self, size: tuple[int, int] | None = None) -> Tensor:
        """Return the label map that `forward` shows; it can't be enlarged."""
        return self.forward().labels
