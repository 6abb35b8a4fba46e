"""Both losses of a response map and their gradient in closed form: the fast step without its convolutions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dynseg.training.fast.continuity import PENALTIES
from dynseg.training.fast.normalisation import Normalisation
from dynseg.training.fast.strips import StripBuffers, StripRunner, as_pixels, total
from dynseg.training.losses import valid_pairs
from dynseg.training.parameters import Continuity
from dynseg.training.step import (
    Observation,
    as_targets,
    count_labels,
    similarity_weights,
    with_scribbles,
    without_invalid,
)


@dataclass(frozen=True)
class ResponseSums:
    """What the backward pass of a response map needs to know before it starts; each (channels,) float64.

    Attributes
    ----------
    gradient, products : Tensor
        The gradient of L_sim times the number of pixels, and its products with the responses before the batch norm.
    variation : Tensor
        The products of L_con's gradient with the same responses, the batch norm's scale left out.
    """

    gradient: Tensor
    products: Tensor
    variation: Tensor


class ResponseLosses:
    """L_sim and L_con of a response map, and their gradient through the last batch norm.

    Parameters
    ----------
    responses : Tensor, (H, W, channels)
        The map that forward passes fill, before the last batch norm.
    runner : StripRunner
        Runs on the strips of that map.
    scribbles : Tensor, (H, W), int64, optional
        Labels that some pixels should get, -1 elsewhere; see `dynseg.training.losses.pixel_weights`.
    valid : Tensor, (H, W), bool, optional
        The pixels that count; by default all.
    continuity : {"l1", "smooth_l1"}
        See `dynseg.training.losses.continuity_loss`.

    Attributes
    ----------
    gradients : Tensor, (H, W, channels)
        The gradient of L_sim times the number of pixels, from `observe` until a backward pass writes over it.
    """

    def __init__(
        self,
        responses: Tensor,
        runner: StripRunner[StripBuffers],
        scribbles: Tensor | None,
        valid: Tensor | None = None,
        continuity: Continuity = "l1",
    ) -> None:
        self.gradients = torch.empty_like(responses)
        self._responses = responses
        self._runner = runner
        self._height, self._width, _ = responses.shape
        self._pixels = self._height * self._width
        self._labels = torch.empty(self._height, self._width, dtype=torch.int64)
        self._scribbles = scribbles
        self._penalty = PENALTIES[continuity]
        self._weights = similarity_weights(scribbles, valid, responses.dtype)
        self._valid = valid
        self._valid_share = 1.0 if valid is None else float(valid.double().mean())
        pairs = None if valid is None else [valid_pairs(valid, axis) for axis in (0, 1)]
        self._pairs = None if pairs is None else [each[:, :, None].to(responses.dtype) for each in pairs]
        channels = responses.shape[-1]
        # The part of one pair of neighbours, and one channel, in the mean that L_con takes over them.
        counts = [responses[1:].numel(), responses[:, 1:].numel()]
        counts = counts if pairs is None else [channels * int(each.sum()) for each in pairs]
        self._vertical_share, self._horizontal_share = (1 / max(count, 1) for count in counts)

    def observe(self, normalisation: Normalisation) -> tuple[Observation, ResponseSums]:
        """Measure the response map, and fill `gradients`.

        Parameters
        ----------
        normalisation : Normalisation
            The last batch norm.
        """
        scale, shift = normalisation.scale, normalisation.shift

        def work(rows: slice, buffers: StripBuffers) -> Tensor:
            responses = as_pixels(self._responses[rows])
            # Its gradient takes the place of the response map.
            normalised = torch.addcmul(shift, responses, scale, out=as_pixels(self.gradients[rows]))
            largest, labels = normalised.max(dim=1, keepdim=True)
            self._labels[rows] = labels.view(-1, self._width)
            shortfall = self._scribble_shortfall(rows, normalised, largest)
            exponentials = normalised.sub_(largest).exp_()
            sums = exponentials.sum(dim=1)
            # Subtracted pixel by pixel: on a settled map the totals are nearly equal, and their difference is rounding.
            differences = exponentials.scatter_add_(1, self._target(rows).reshape(-1, 1), -sums[:, None])
            reciprocals = torch.reciprocal(sums)
            similarity = sums.log_()
            if shortfall is not None:
                similarity.add_(shortfall)
            if self._weights is not None:
                weights = self._weights[rows].flatten()
                reciprocals.mul_(weights)
                similarity.mul_(weights)
            gradient = differences.mul_(reciprocals[:, None]).sum(dim=0)
            products = torch.mul(differences, responses, out=buffers.pixels(0, len(responses))).sum(dim=0)
            similarity = similarity.sum().expand_as(products)
            vertical = self._vertical_differences(rows.start, rows.stop, buffers)
            vertical_sums = self._penalty.sums(vertical, scale, buffers.map(0, *vertical.shape[:2]))
            horizontal = self._horizontal_differences(rows, buffers)
            horizontal_sums = self._penalty.sums(horizontal, scale, buffers.map(0, *horizontal.shape[:2]))
            return torch.stack([gradient, products, similarity, *vertical_sums, *horizontal_sums])

        gradient, products, similarity, *sums = total(self._runner.strips(work))
        of_axis = len(sums) // 2
        penalties = [
            vertical * self._vertical_share + horizontal * self._horizontal_share
            for vertical, horizontal in zip(sums[:of_axis], sums[of_axis:], strict=True)
        ]
        labels = self._labels.clone() if self._valid is None else without_invalid(self._labels, self._valid)
        observation = Observation(
            labels,
            count_labels(labels, self._responses.shape[-1]),
            (similarity[0] / self._pixels).to(self._responses.dtype),
            self._penalty.loss(penalties, scale).to(self._responses.dtype),
            self._valid_share,
        )
        return observation, ResponseSums(gradient, products, self._penalty.products(penalties, normalisation.factor))

    def retarget(self, sums: ResponseSums, target: Tensor) -> ResponseSums:
        """Turn the gradient of L_sim, measured with the argmax as target, into that with another target.

        Parameters
        ----------
        sums : ResponseSums
            From `observe`.
        target : Tensor, (H, W), int64
            Labels of L_sim; scribbles come first.
        """
        target = with_scribbles(as_targets(target, self._valid), self._scribbles)
        pixels = self.gradients.new_ones(self._pixels) if self._weights is None else self._weights.flatten()
        gradient, products = sums.gradient, sums.products
        for labels, weights in ((self._target(slice(None)), pixels), (target, -pixels)):
            labels = labels.reshape(-1, 1)
            as_pixels(self.gradients).scatter_add_(1, labels, weights[:, None])
            at_labels = as_pixels(self._responses).gather(1, labels)[:, 0].double() * weights
            gradient = gradient + torch.bincount(labels[:, 0], weights.double(), minlength=len(gradient))
            products = products + torch.bincount(labels[:, 0], at_labels, minlength=len(products))
        return ResponseSums(gradient, products, sums.variation)

    def sum_gradient(self, sums: ResponseSums, weight: Tensor, normalisation: Normalisation) -> Tensor:
        """Return the losses' gradient, and its products with the normalised responses, summed over pixels."""
        similarity = (sums.products - normalisation.mean * sums.gradient) / self._pixels
        # The gradient of a difference cancels in the sum over pixels.
        continuity = weight * sums.variation
        return torch.stack([sums.gradient / self._pixels, (similarity + continuity) * normalisation.inverse_deviation])

    def write_gradient(
        self, rows: slice, weight: Tensor, coefficients: tuple[Tensor, Tensor, Tensor], buffers: StripBuffers
    ) -> Tensor:
        """Return the losses' gradient of the responses of some rows, (pixels, channels), in the first buffer.

        Parameters
        ----------
        rows : slice
            A strip.
        weight : Tensor, ()
            The weight of L_con.
        coefficients : tuple of Tensor, (channels,)
            Those of `Normalisation.backward_coefficients` for the last batch norm.
        buffers : StripBuffers
            Both maps are overwritten.
        """
        factor, slope, constant = coefficients
        responses = as_pixels(self._responses[rows])
        gradient = torch.addcmul(constant, responses, slope, out=buffers.pixels(0, len(responses)))
        if self._valid is not None:
            gradient.mul_(self._valid[rows].flatten()[:, None])
        gradient.addcmul_(as_pixels(self.gradients[rows]), factor, value=1 / self._pixels)
        self._add_continuity_gradient(rows, weight, factor, gradient, buffers)
        return gradient

    def _add_continuity_gradient(
        self, rows: slice, weight: Tensor, factor: Tensor, gradient: Tensor, buffers: StripBuffers
    ) -> None:
        """Add to the gradient of a strip: up for the greater of two neighbours, down for the smaller."""
        gradient = gradient.view(-1, self._width, gradient.shape[-1])
        differences = self._vertical_differences(rows.start, rows.stop + 1, buffers)
        steps = self._penalty.slopes(differences, factor, weight * self._vertical_share)
        above = min(rows.start, 1)
        below = len(steps) - (len(gradient) - 1 + above)
        gradient[1 - above :].add_(steps[: len(steps) - below])
        gradient[: len(gradient) - 1 + below].sub_(steps[above:])
        differences = self._horizontal_differences(rows, buffers)
        steps = self._penalty.slopes(differences, factor, weight * self._horizontal_share)
        gradient[:, 1:].add_(steps)
        gradient[:, :-1].sub_(steps)

    def _target(self, rows: slice) -> Tensor:
        """Return the labels of L_sim: the argmax, and the scribbles where there are any."""
        return with_scribbles(self._labels[rows], None if self._scribbles is None else self._scribbles[rows])

    def _scribble_shortfall(self, rows: slice, responses: Tensor, largest: Tensor) -> Tensor | None:
        """Return how far each pixel's response at its target is below its largest one; None without scribbles."""
        if self._scribbles is None:
            return None
        return (largest - responses.gather(1, self._target(rows).reshape(-1, 1)))[:, 0]

    def _vertical_differences(self, start: int, stop: int, buffers: StripBuffers) -> Tensor:
        """Return the responses of the rows from start to stop, each less those of the row above it, if there is one.

        0 where one of the two doesn't count.
        """
        first = max(start - 1, 0)
        responses = self._responses[first:stop]
        differences = buffers.map(1, len(responses) - 1, self._width)
        torch.sub(responses[1:], responses[:-1], out=differences)
        return (
            differences if self._pairs is None else differences.mul_(self._pairs[0][first : first + len(differences)])
        )

    def _horizontal_differences(self, rows: slice, buffers: StripBuffers) -> Tensor:
        """Return the responses of every column but the first, each less those of the column to its left."""
        responses = self._responses[rows]
        differences = buffers.map(1, len(responses), self._width - 1)
        torch.sub(responses[:, 1:], responses[:, :-1], out=differences)
        return differences if self._pairs is None else differences.mul_(self._pairs[1][rows])
