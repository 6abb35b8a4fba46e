"""The readable reference of one training iteration: plain PyTorch with autograd, on any device."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dynseg.training.losses import continuity_loss, pixel_weights, similarity_loss
from dynseg.training.network import SegmentationNetwork
from dynseg.training.parameters import Continuity


@dataclass(frozen=True)
class Observation:
    """What a forward pass shows, all on the network's device.

    Attributes
    ----------
    labels : Tensor, (H, W), int64
        The argmax c of the response map; of several images in one row, (1, pixels). -1 at pixels that don't count.
    label_count : Tensor, (), int64
        q′, the number of distinct labels.
    similarity_loss, continuity_loss : Tensor, (), float
        L_sim (to the argmax, or to the scribbles where there are any) and L_con.
    valid_share : float
        The share of the pixels that count.
    """

    labels: Tensor
    label_count: Tensor
    similarity_loss: Tensor
    continuity_loss: Tensor
    valid_share: float = 1.0


class Step(Protocol):
    """One iteration without the update: a forward pass, then the gradients of its losses."""

    def forward(self) -> Observation:
        """Run the network and measure its response map."""

    def gradients(self, weight: Tensor, target: Tensor | None = None) -> dict[Tensor, Tensor]:
        """Return the gradient of L_sim + weight · L_con of the last forward pass, by parameter.

        Parameters
        ----------
        weight : Tensor, (), float
            The weight of L_con, a constant for the gradient.
        target : Tensor, int64, optional
            The labels of L_sim, of the same shape as `Observation.labels`; the response map's own argmax if missing.
            Scribbles come first.

        Raises
        ------
        RuntimeError
            If there was no forward pass since the last gradients.
        """


class PlainStep:
    """`Step` in plain PyTorch.

    Parameters
    ----------
    network : SegmentationNetwork
    image : Tensor, (bands, H, W), float
        Values in [0, 1], on the network's device and of its type.
    autocast : torch.dtype, optional
        Run the network in this type where autocast holds it safe; losses stay in float32.
    scribbles : Tensor, (H, W), int64, optional
        Labels that some pixels should get, -1 elsewhere; see `dynseg.training.losses.pixel_weights`.
    valid : Tensor, (H, W), bool, optional
        The pixels that count, those with scribbles among them; by default all. The others take no part in the
        statistics of batch norm, in losses and in q′. Their values are context of their neighbours.
    continuity : {"l1", "smooth_l1"}
        See `dynseg.training.losses.continuity_loss`.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        image: Tensor,
        *,
        autocast: torch.dtype | None = None,
        scribbles: Tensor | None = None,
        valid: Tensor | None = None,
        continuity: Continuity = "l1",
    ) -> None:
        self._network = network
        self._image = image[None]
        self._autocast = autocast
        self._parameters: list[Tensor] = list(network.parameters())
        self._scribbles = scribbles
        self._continuity = continuity
        self._valid = valid
        self._valid_share = 1.0 if valid is None else float(valid.double().mean())
        self._weights = similarity_weights(scribbles, valid, image.dtype)
        self._response: Tensor | None = None
        self._labels: Tensor | None = None

    def forward(self) -> Observation:
        """See `Step.forward`."""
        self._response = respond(self._network, self._image, self._autocast, self._valid)
        response = self._response.detach()
        self._labels = labels = response.argmax(dim=1)[0]
        counted = without_invalid(labels, self._valid)
        return Observation(
            counted,
            count_labels(counted, response.shape[1]),
            similarity_loss(response, with_scribbles(labels, self._scribbles), self._weights),
            continuity_loss(response, self._valid, self._continuity),
            self._valid_share,
        )

    def gradients(self, weight: Tensor, target: Tensor | None = None) -> dict[Tensor, Tensor]:
        """See `Step.gradients`."""
        if self._response is None or self._labels is None:
            raise RuntimeError("gradients() needs a forward() before it")
        target = with_scribbles(self._labels if target is None else as_targets(target, self._valid), self._scribbles)
        similarity = similarity_loss(self._response, target, self._weights)
        loss = similarity + weight * continuity_loss(self._response, self._valid, self._continuity)
        gradients = torch.autograd.grad(loss, self._parameters)
        self._response = None
        return dict(zip(self._parameters, gradients, strict=True))


def respond(
    network: SegmentationNetwork, image: Tensor, autocast: torch.dtype | None = None, valid: Tensor | None = None
) -> Tensor:
    """Return the response map (1, q, H, W) of an image (1, bands, H, W); see `PlainStep` for the others."""
    with torch.autocast(image.device.type, autocast, enabled=autocast is not None):
        response: Tensor = network(image, valid)
    return response if autocast is None else response.float()


def count_labels(labels: Tensor, channels: int) -> Tensor:
    """Return q′, the number of distinct labels but -1, as a tensor () on their device, without waiting for it."""
    # -1 is the last place.
    present = torch.zeros(channels + 1, dtype=torch.bool, device=labels.device)
    return present.index_fill_(0, labels.flatten(), True)[:-1].sum()


def without_invalid(labels: Tensor, valid: Tensor | None) -> Tensor:
    """Return labels that are -1 at pixels that don't count."""
    return labels if valid is None else torch.where(valid, labels, -1)


def as_targets(labels: Tensor, valid: Tensor | None) -> Tensor:
    """Return labels as `Observation` has them as targets of L_sim: any channel where the weight is 0."""
    return labels if valid is None else labels.clamp(min=0)


def similarity_weights(scribbles: Tensor | None, valid: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Return the weight of each pixel in L_sim, (H, W); None if all have the same."""
    if scribbles is not None:
        return pixel_weights(scribbles, valid).to(dtype)
    return None if valid is None else pixel_weights(torch.full(valid.shape, -1, device=valid.device), valid).to(dtype)


def with_scribbles(labels: Tensor, scribbles: Tensor | None) -> Tensor:
    """Return the targets of L_sim: the labels, and the scribbles where there are any."""
    return labels if scribbles is None else torch.where(scribbles >= 0, scribbles, labels)
