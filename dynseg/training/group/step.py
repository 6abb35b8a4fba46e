"""One iteration of several trainings of one size: plain PyTorch operations, with gradients in closed form.

Where autograd would keep and sum what it doesn't know to be needed, this does what `dynseg.training.fast` does on the
CPU: the gradients of both losses are written in closed form, that of a bias before a batch norm is left out, and the
first convolution multiplies neighbourhoods that were gathered once. No operation waits for the device or reads a value
from it, so that an iteration can be captured as a CUDA graph.

Maps are channels-last, (1, networks · channels, H, W).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dynseg.training.fast.forward import pixel_neighbourhoods
from dynseg.training.group.convolution import (
    Convolution,
    LibraryConvolution,
    as_maps,
    as_matrices,
    multiplied,
)
from dynseg.training.group.network import NetworkGroup
from dynseg.training.losses import pixel_weights
from dynseg.training.parameters import Continuity
from dynseg.training.step import with_scribbles


@dataclass(frozen=True)
class GroupObservation:
    """What a forward pass shows of each network, all on the networks' device.

    Attributes
    ----------
    labels : Tensor, (networks, H, W), int64
        The argmax c of the response maps.
    label_count : Tensor, (networks,), int64
        q′, the number of distinct labels.
    similarity_loss, continuity_loss : Tensor, (networks,), float
        L_sim and L_con.
    """

    labels: Tensor
    label_count: Tensor
    similarity_loss: Tensor
    continuity_loss: Tensor


@dataclass(frozen=True)
class _Normalised:
    """A batch norm of the forward pass: input, output and statistics."""

    inputs: Tensor
    outputs: Tensor
    mean: Tensor
    inverse_deviation: Tensor


class GroupStep:
    """An iteration of several trainings without the update; see `dynseg.training.step.Step` for that of one.

    Parameters
    ----------
    group : NetworkGroup
    images : Tensor, (networks, bands, H, W), float32 or float64
        Values in [0, 1], of the networks' type and on their device.
    scribbles : Tensor, (H, W), int64, optional
        Labels that some pixels of every image should get, -1 elsewhere.
    reduced_type : torch.dtype, optional
        Compute the network in this type, but for sums; losses and updates stay in the networks' type.
    convolution : Convolution, optional
        By default the library's.
    continuity : {"l1", "smooth_l1"}
        See `dynseg.training.losses.continuity_loss`.
    """

    def __init__(
        self,
        group: NetworkGroup,
        images: Tensor,
        *,
        scribbles: Tensor | None = None,
        reduced_type: torch.dtype | None = None,
        convolution: Convolution | None = None,
        continuity: Continuity = "l1",
    ) -> None:
        self._group = group
        self._continuity = continuity
        networks, _, self._height, self._width = images.shape
        self._convolution: Convolution = convolution or LibraryConvolution(networks)
        self._type = reduced_type or images.dtype
        neighbourhoods = [pixel_neighbourhoods(image).flatten(0, 1) for image in images]
        self._neighbourhoods = torch.stack(neighbourhoods).to(self._type)
        self._scribbles = scribbles
        weights = None if scribbles is None else pixel_weights(scribbles).to(images.dtype)
        self._pixel_weights = None if weights is None else weights.flatten()[:, None]
        self._channels = len(group.biases[0]) // networks
        self._layers: list[_Normalised] = []
        self._gradient: Tensor | None = None
        self._continuity_gradient: Tensor | None = None

    @torch.no_grad()
    def forward(self) -> GroupObservation:
        """Run the networks and measure their response maps."""
        self._layers = []
        outputs = self._first_features()
        for layer in range(len(self._group.kernels) - 1):
            if layer > 0:
                kernels, biases = self._group.kernels[layer].to(self._type), self._group.biases[layer].to(self._type)
                outputs = self._convolution.forward(self._layers[-1].outputs, kernels, biases)
            self._normalise(outputs.relu_())
        self._normalise(self._product(self._layers[-1].outputs, self._pixel_kernels().mT))
        return self._observe(self._layers[-1].outputs.to(self._group.values.dtype))

    @torch.no_grad()
    def gradients(self, weight: Tensor) -> Tensor:
        """Return the gradient of each network's L_sim + weight · L_con, in the order of `NetworkGroup.values`.

        Parameters
        ----------
        weight : Tensor, (networks,), float
            The weight of L_con, a constant for the gradient.

        Raises
        ------
        RuntimeError
            If there was no forward pass since the last gradients.
        """
        if self._gradient is None or self._continuity_gradient is None:
            raise RuntimeError("gradients() needs a forward() before it")
        pixels = self._height * self._width
        # That of the mean over pixels, times their number: the last batch norm divides.
        continuity = self._continuity_gradient.view(*self._gradient.shape)
        gradient = torch.addcmul(self._gradient, continuity, weight.to(continuity)[:, None], value=pixels)
        self._gradient = self._continuity_gradient = None
        return self._backpropagate(as_maps(gradient, self._height, self._width).to(self._type), pixels)

    def _first_features(self) -> Tensor:
        """Return the first convolution's outputs, as one product a network with the neighbourhoods and a 1."""
        kernels = torch.cat([self._group.kernels[0].flatten(1), self._group.biases[0][:, None]], dim=1)
        kernels = kernels.view(self._group.count, self._channels, -1).to(self._type)
        return multiplied(self._neighbourhoods, kernels.mT, self._height, self._width)

    def _pixel_kernels(self) -> Tensor:
        """Return the kernels of the 1×1 convolutions, (networks, channels out, channels in)."""
        return self._group.kernels[-1].view(self._group.count, self._channels, self._channels).to(self._type)

    def _product(self, maps: Tensor, matrices: Tensor) -> Tensor:
        """Return maps whose pixels are multiplied by a matrix (channels in, channels out) of each network."""
        return multiplied(as_matrices(maps, self._group.count), matrices, self._height, self._width)

    def _normalise(self, inputs: Tensor) -> None:
        layer = len(self._layers)
        outputs, mean, inverse_deviation = torch.ops.aten.native_batch_norm(
            *(inputs, self._group.factors[layer], self._group.offsets[layer], None, None),
            *(True, 0.0, self._group.epsilon),
        )
        self._layers.append(_Normalised(inputs, outputs, mean, inverse_deviation))

    def _observe(self, maps: Tensor) -> GroupObservation:
        """Measure the response maps, and keep the gradients of both losses."""
        count = self._group.count
        responses = as_matrices(maps, count).transpose(0, 1)
        # As the other steps take it: of equal responses the first.
        labels = responses.max(dim=2).indices
        scribbles = None if self._scribbles is None else self._scribbles.flatten()[:, None]
        targets = with_scribbles(labels, scribbles)[:, :, None]
        logarithms = responses.log_softmax(dim=2)
        similarity = logarithms.gather(2, targets)[:, :, 0].neg_()
        gradient = logarithms.exp_().scatter_add_(2, targets, logarithms.new_full((), -1.0).expand(targets.shape))
        if self._pixel_weights is not None:
            similarity.mul_(self._pixel_weights)
            gradient.mul_(self._pixel_weights[:, :, None])
        self._gradient = gradient
        present = torch.zeros(count, self._channels, dtype=torch.bool, device=labels.device)
        return GroupObservation(
            labels.T.reshape(count, self._height, self._width),
            present.scatter_(1, labels.T, True).sum(dim=1),
            similarity.mean(dim=0),
            self._observe_continuity(maps[0].permute(1, 2, 0)),
        )

    def _observe_continuity(self, responses: Tensor) -> Tensor:
        """Return L_con of each network's responses, (H, W, networks · channels), and keep its gradient."""
        self._continuity_gradient = torch.zeros_like(responses, memory_format=torch.contiguous_format)
        loss = responses.new_zeros(self._group.count)
        for axis, length in enumerate((self._height, self._width)):
            if length == 1:
                continue
            differences = responses.diff(dim=axis)
            share = 1 / (differences.numel() // self._group.count)
            sums, slopes = _smooth(differences) if self._continuity == "smooth_l1" else _absolute(differences)
            loss = loss + share * sums.view(self._group.count, -1).sum(dim=1)
            # Up for the greater of two neighbours, down for the smaller.
            self._continuity_gradient.narrow(axis, 1, length - 1).add_(slopes, alpha=share)
            self._continuity_gradient.narrow(axis, 0, length - 1).sub_(slopes, alpha=share)
        return loss

    def _backpropagate(self, gradient: Tensor, pixels: int) -> Tensor:
        """Return the gradients of all parameters, from that of the responses times the number of pixels."""
        last, like = len(self._layers) - 1, self._group.values
        gradient, factors, offsets = self._through_batch_norm(last, gradient, 1 / pixels)
        affine = [factors / pixels, offsets / pixels]
        kernels = as_matrices(gradient, self._group.count).mT @ as_matrices(
            self._layers[last - 1].outputs, self._group.count
        )
        # Before a batch norm a constant changes nothing.
        linear = [kernels, torch.zeros_like(self._group.biases[last])]
        gradient = self._product(gradient, self._pixel_kernels())
        for layer in range(last - 1, -1, -1):
            gradient, factors, offsets = self._through_batch_norm(layer, gradient)
            affine = [factors, offsets, *affine]
            gradient = torch.ops.aten.threshold_backward(gradient, self._layers[layer].inputs, 0)
            if layer > 0:
                biases = gradient.sum(dim=(0, 2, 3), dtype=like.dtype)
                inputs, weight = self._layers[layer - 1].outputs, self._group.kernels[layer].to(self._type)
                gradient, kernels = self._convolution.backward(gradient, inputs, weight)
                linear = [kernels, biases, *linear]
        first = as_matrices(gradient, self._group.count).mT @ self._neighbourhoods
        linear = [first[:, :, :-1], first[:, :, -1], *linear]
        return torch.cat([values.flatten().to(like.dtype) for values in (*linear, *affine)])

    def _through_batch_norm(self, layer: int, gradient: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
        """Carry a gradient through a batch norm; return the gradient of the input times the share, and the parameters'.

        Their sums over pixels aren't multiplied by the share.
        """
        normalised, factors = self._layers[layer], self._group.factors[layer]
        return torch.ops.aten.native_batch_norm_backward(  # type: ignore[no-any-return]
            *(gradient, normalised.inputs, factors if share == 1.0 else factors * share, None, None),
            *(normalised.mean, normalised.inverse_deviation, True, self._group.epsilon),
            [True, True, True],
        )


def _absolute(differences: Tensor) -> tuple[Tensor, Tensor]:
    """Return sums of |d| over pixels, (channels,), and its derivative in the place of d, (H, W, channels)."""
    return torch.linalg.vector_norm(differences, ord=1, dim=(0, 1)), differences.sign_()


def _smooth(differences: Tensor) -> tuple[Tensor, Tensor]:
    """As `_absolute`, for smooth L1: slope · (d - slope / 2), where the slope is d between -1 and 1, else its sign."""
    slopes = differences.clamp(-1, 1)
    return differences.sub_(slopes, alpha=0.5).mul_(slopes).sum(dim=(0, 1)), slopes
