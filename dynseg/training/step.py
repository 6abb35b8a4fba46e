"""The readable reference of one training iteration: plain PyTorch with autograd. Also what runs on a GPU."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dynseg.training.descent import descend
from dynseg.training.enlargement import enlarged_labels
from dynseg.training.losses import continuity_loss, pixel_weights, similarity_loss
from dynseg.training.network import SegmentationNetwork


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
        L_sim (to the argmax, or to the scribbles where there are any) and L_con.
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

    def gradients(self, weight: Tensor, target: Tensor | None = None) -> dict[Tensor, Tensor]:
        """Return the gradient of L_sim + weight · L_con of the last forward pass, by parameter.

        Parameters
        ----------
        weight : Tensor, (), float
            The weight of L_con, a constant for the gradient.
        target : Tensor, (H, W), int64, optional
            The labels of L_sim; the response map's own argmax if missing. Scribbles come first.
        """

    def update(self, weight: Tensor, target: Tensor | None = None) -> None:
        """Descend along `gradients(weight, target)`."""

    def predict(self, size: tuple[int, int] | None = None) -> Tensor:
        """Return the label map, int64, of the network as it is now.

        Parameters
        ----------
        size : tuple of int, optional
            H and W of the label map, by default the image's own; larger ones come from enlarged responses.
        """


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
    scribbles : Tensor, (H, W), int64, optional
        Labels that some pixels should get, -1 elsewhere; see `dynseg.training.losses.pixel_weights`.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        image: Tensor,
        learning_rate: float = 0.1,
        momentum: float = 0.9,
        autocast: torch.dtype | None = None,
        scribbles: Tensor | None = None,
    ) -> None:
        self.learning_rate: float | Tensor = learning_rate
        self._momentum = momentum
        self._network = network
        self._image = image[None]
        self._autocast = autocast
        self._parameters: list[Tensor] = list(network.parameters())
        self._velocities: dict[Tensor, Tensor] = {
            parameter: torch.zeros_like(parameter) for parameter in self._parameters
        }
        self._scribbles = scribbles
        self._weights = None if scribbles is None else pixel_weights(scribbles).to(image.dtype)
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
            similarity_loss(response, with_scribbles(labels, self._scribbles), self._weights),
            continuity_loss(response),
        )

    def gradients(self, weight: Tensor, target: Tensor | None = None) -> dict[Tensor, Tensor]:
        """See `Step.gradients`."""
        if self._response is None or self._labels is None:
            raise RuntimeError("update() needs a forward() before it")
        target = with_scribbles(self._labels if target is None else target, self._scribbles)
        similarity = similarity_loss(self._response, target, self._weights)
        loss = similarity + weight * continuity_loss(self._response)
        gradients = torch.autograd.grad(loss, self._parameters)
        self._response = None
        return dict(zip(self._parameters, gradients, strict=True))

    def update(self, weight: Tensor, target: Tensor | None = None) -> None:
        """See `Step.update`."""
        descend(self._velocities, self.gradients(weight, target), self.learning_rate, self._momentum)

    @torch.no_grad()
    def predict(self, size: tuple[int, int] | None = None) -> Tensor:
        """See `Step.predict`."""
        response = self._respond()[0]
        if size is None or size == response.shape[1:]:
            return response.argmax(dim=0)
        return enlarged_labels(response.permute(1, 2, 0), size)

    def _respond(self) -> Tensor:
        with torch.autocast(self._image.device.type, self._autocast, enabled=self._autocast is not None):
            response = self._network(self._image)
        return response if self._autocast is None else response.float()


def count_labels(labels: Tensor, channels: int) -> Tensor:
    """Return q′, the number of distinct labels, as a tensor () on the labels' device, without waiting for it."""
    present = torch.zeros(channels, dtype=torch.bool, device=labels.device)
    return present.index_fill_(0, labels.flatten(), True).sum()


def with_scribbles(labels: Tensor, scribbles: Tensor | None) -> Tensor:
    """Return the targets of L_sim: the labels, and the scribbles where there are any."""
    return labels if scribbles is None else torch.where(scribbles >= 0, scribbles, labels)
