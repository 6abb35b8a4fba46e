"""The readable reference of one training iteration: plain PyTorch with autograd. Also what runs on a GPU."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dynseg.losses import continuity_loss, similarity_loss
from dynseg.network import SegmentationNetwork


@dataclass(frozen=True)
class Observation:
    """What a forward pass shows, all on the network's device.

    Attributes
    ----------
    labels : Tensor, (H, W), int64
        The argmax c of the response map.
    label_count : Tensor, (), int64
        q′, the number of distinct labels.
    similarity_loss, continuity_loss : Tensor, (), float
        L_sim (to the argmax) and L_con.
    """

    labels: Tensor
    label_count: Tensor
    similarity_loss: Tensor
    continuity_loss: Tensor


class Step(Protocol):
    """One iteration on one image: a forward pass, then an update of the network's parameters in place."""

    learning_rate: float | Tensor

    def forward(self) -> Observation:
        """Run the network and measure its response map."""

    def update(self, weight: Tensor, target: Tensor | None = None) -> None:
        """Descend along the gradient of L_sim + weight · L_con of the last forward pass.

        Parameters
        ----------
        weight : Tensor, (), float
            The weight of L_con, a constant for the gradient.
        target : Tensor, (H, W), int64, optional
            The labels of L_sim; the response map's own argmax if missing.
        """

    def predict(self) -> Tensor:
        """Return the label map (H, W), int64, of the network as it is now."""


class PlainStep:
    """`Step` in plain PyTorch.

    Parameters
    ----------
    network : SegmentationNetwork
    image : Tensor, (3, H, W), float
        RGB in [0, 1], on the network's device and of its type.
    learning_rate, momentum : float
        Of stochastic gradient descent. `learning_rate` may later be set to a tensor of shape ().
    autocast : torch.dtype, optional
        Run the network in this type where autocast holds it safe; losses stay in float32.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        image: Tensor,
        learning_rate: float = 0.1,
        momentum: float = 0.9,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.learning_rate: float | Tensor = learning_rate
        self._momentum = momentum
        self._network = network
        self._image = image[None]
        self._autocast = autocast
        self._parameters = list(network.parameters())
        self._velocities = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._response: Tensor | None = None
        self._labels: Tensor | None = None

    def forward(self) -> Observation:
        """See `Step.forward`."""
        self._response = self._respond()
        response = self._response.detach()
        self._labels = labels = response.argmax(dim=1)[0]
        return Observation(
            labels,
            count_labels(labels, response.shape[1]),
            similarity_loss(response, labels),
            continuity_loss(response),
        )

    def update(self, weight: Tensor, target: Tensor | None = None) -> None:
        """See `Step.update`."""
        if self._response is None or self._labels is None:
            raise RuntimeError("update() needs a forward() before it")
        target = self._labels if target is None else target
        loss = similarity_loss(self._response, target) + weight * continuity_loss(self._response)
        gradients = torch.autograd.grad(loss, self._parameters)
        self._response = None
        with torch.no_grad():
            for parameter, velocity, gradient in zip(self._parameters, self._velocities, gradients, strict=True):
                velocity.mul_(self._momentum).add_(gradient)
                parameter.sub_(self.learning_rate * velocity)

    @torch.no_grad()
    def predict(self) -> Tensor:
        """See `Step.predict`."""
        return self._respond().argmax(dim=1)[0]

    def _respond(self) -> Tensor:
        with torch.autocast(self._image.device.type, self._autocast, enabled=self._autocast is not None):
            response = self._network(self._image)
        return response if self._autocast is None else response.float()


def count_labels(labels: Tensor, channels: int) -> Tensor:
    """Return q′, the number of distinct labels, as a tensor () on the labels' device, without waiting for it."""
    present = torch.zeros(channels, dtype=torch.bool, device=labels.device)
    return present.index_fill_(0, labels.flatten(), True).sum()
