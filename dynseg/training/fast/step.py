"""The fast exact training step on the CPU: the mathematics of `PlainStep` with a hand-derived backward pass.

What makes it fast:

- 3×3 convolutions and both their gradients take fewer multiplications (`dynseg.training.fast.winograd`).
- Every pass runs in strips that stay in the cache, each in one thread (`dynseg.training.fast.strips`).
- Batch norm is never a pass of its own: going forward it is applied as the next convolution reads its inputs, going
  back as the convolution before it reads its gradient (`dynseg.training.fast.normalisation`).
- The gradients of both losses are written in closed form, together with the last batch norm's.
- Every map is allocated once, and so are the pixels' neighbourhoods that the first convolution multiplies.

Maps are channels-last, (H, W, channels). There are M + 2: the ReLU outputs, the responses and one for gradients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from dynseg.training.descent import descend
from dynseg.training.enlargement import enlarged_labels
from dynseg.training.fast.normalisation import Moments, Normalisation, measure_moments
from dynseg.training.fast.strips import StripRunner, one_thread_per_operation
from dynseg.training.fast.winograd import (
    PATCH,
    StripConvolution,
    restore_kernel_gradient,
    strip_height,
    transform_kernels,
    transform_turned_kernels,
)
from dynseg.training.losses import pixel_weights
from dynseg.training.network import SegmentationNetwork
from dynseg.training.step import Observation, count_labels, with_scribbles


class FastStep:
    """`dynseg.training.step.Step` on the CPU, several times as fast as `PlainStep`: the same sums, rounded otherwise.

    It uses as many threads as `torch.get_num_threads()` says when it is made; results don't depend on the number.

    Parameters
    ----------
    network : SegmentationNetwork
    image : Tensor, (3, H, W), float32 or float64
        RGB in [0, 1], of the network's type.
    learning_rate, momentum : float
        Of stochastic gradient descent. `learning_rate` may later be set to a tensor of shape ().
    scribbles : Tensor, (H, W), int64, optional
        Labels that some pixels should get, -1 elsewhere; see `dynseg.training.losses.pixel_weights`.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        image: Tensor,
        learning_rate: float = 0.1,
        momentum: float = 0.9,
        scribbles: Tensor | None = None,
    ) -> None:
        self.learning_rate: float | Tensor = learning_rate
        self._momentum = momentum
        self._convolutions = cast(list[nn.Conv2d], list(network.convolutions))
        self._biases = [cast(Tensor, convolution.bias) for convolution in self._convolutions]
        self._batch_norms = cast(list[nn.BatchNorm2d], list(network.normalisations))
        self._velocities: dict[Tensor, Tensor] = {
            parameter: torch.zeros_like(parameter) for parameter in network.parameters()
        }

        _, self._height, self._width = image.shape
        shape = (self._height, self._width, self._convolutions[-1].out_channels)
        self._neighbourhoods = _neighbourhoods(image)
        self._features = [image.new_empty(shape) for _ in self._convolutions[:-1]]
        self._responses = image.new_empty(shape)
        self._gradients = image.new_empty(shape)
        self._labels = torch.empty(self._height, self._width, dtype=torch.int64)
        self._scribbles = scribbles
        self._weights = None if scribbles is None else pixel_weights(scribbles).to(image.dtype)
        self._normalisations: list[Normalisation] = []
        self._sums: _ResponseSums | None = None

        strip = strip_height(self._height, self._width)
        self._runner = StripRunner(self._height, strip, lambda: _StripBuffers(strip, *shape[1:], image.dtype))
        self._kernel_gradients = image.new_empty(self._runner.band_count, PATCH**2, shape[-1], shape[-1])

    @torch.no_grad()
    @one_thread_per_operation()
    def forward(self) -> Observation:
        """See `Step.forward`."""
        self._respond()
        return self._observe()

    @torch.no_grad()
    @one_thread_per_operation()
    def gradients(self, weight: Tensor, target: Tensor | None = None) -> dict[Tensor, Tensor]:
        """See `Step.gradients`; without the last convolution's bias, whose gradient is 0."""
        if self._sums is None:
            raise RuntimeError("update() needs a forward() before it")
        sums = self._sums if target is None else self._retarget(self._sums, with_scribbles(target, self._scribbles))
        self._sums = None
        return self._backpropagate(sums, weight)

    def update(self, weight: Tensor, target: Tensor | None = None) -> None:
        """See `Step.update`."""
        descend(self._velocities, self.gradients(weight, target), self.learning_rate, self._momentum)

    @torch.no_grad()
    def predict(self, size: tuple[int, int] | None = None) -> Tensor:
        """See `Step.predict`."""
        labels = self.forward().labels
        self._sums = None
        if size is None or size == labels.shape:
            return labels
        normalisation = self._normalisations[-1]
        response = torch.addcmul(normalisation.shift, self._responses, normalisation.scale, out=self._gradients)
        return enlarged_labels(response, size)

    # Forward

    def _respond(self) -> None:
        """Fill the maps of features and responses."""
        self._normalisations = []
        self._convolve_image()
        for layer in range(1, len(self._features)):
            self._convolve_features(layer)
        self._convolve_pixels()

    def _convolve_image(self) -> None:
        """Apply the first 3×3 convolution, as one product with the neighbourhoods, and ReLU."""
        convolution = self._convolutions[0]
        kernels = torch.cat([convolution.weight.flatten(1), self._biases[0][:, None]], dim=1).T.contiguous()

        def work(rows: slice, buffers: _StripBuffers) -> Moments:
            features = _pixels(self._features[0][rows])
            torch.mm(_pixels(self._neighbourhoods[rows]), kernels, out=features)
            return measure_moments(features.clamp_min_(0), buffers.pixels(0, len(features)))

        self._normalise(self._runner.strips(work))

    def _convolve_features(self, layer: int) -> None:
        """Apply a batch norm and the 3×3 convolution and ReLU that follow."""
        convolution = self._convolutions[layer]
        kernels = transform_kernels(convolution.weight)
        write_inputs = self._feature_writer(layer - 1)

        def work(rows: slice, buffers: _StripBuffers) -> Moments:
            inputs = buffers.convolution.read_inputs(rows.start, self._height, write_inputs)
            buffers.convolution.convolve(inputs, kernels, self._features[layer][rows], self._biases[layer], minimum=0)
            features = _pixels(self._features[layer][rows])
            return measure_moments(features, buffers.pixels(0, len(features)))

        self._normalise(self._runner.strips(work))

    def _feature_writer(self, layer: int) -> Callable[[slice, Tensor], None]:
        """Return what writes the normalised features of a layer."""
        scale, shift = self._normalisations[layer].scale, self._normalisations[layer].shift

        def write(rows: slice, out: Tensor) -> None:
            torch.addcmul(shift, self._features[layer][rows], scale, out=out)

        return write

    def _convolve_pixels(self) -> None:
        """Apply a batch norm and the 1×1 convolution, up to a constant that the last batch norm takes away."""
        normalisation = self._normalisations[-1]
        kernels = (self._pixel_kernels() * normalisation.scale).T.contiguous()

        def work(rows: slice, buffers: _StripBuffers) -> Moments:
            responses = _pixels(self._responses[rows])
            # Features that vary little about a large mean would lose most of their digits in the sum over channels.
            centred = _centred(_pixels(self._features[-1][rows]), normalisation, buffers.pixels(0, len(responses)))
            torch.mm(centred, kernels, out=responses)
            return measure_moments(responses, buffers.pixels(0, len(responses)))

        self._normalise(self._runner.strips(work))

    def _pixel_kernels(self) -> Tensor:
        return self._convolutions[-1].weight[:, :, 0, 0]

    def _normalise(self, moments: list[Moments]) -> None:
        module = self._batch_norms[len(self._normalisations)]
        self._normalisations.append(Normalisation.from_moments(moments, module.eps, module.weight, module.bias))

    def _observe(self) -> Observation:
        """Measure the response map, and keep what the backward pass needs to know of it."""
        scale, shift = self._normalisations[-1].scale, self._normalisations[-1].shift

        def work(rows: slice, buffers: _StripBuffers) -> Tensor:
            responses = _pixels(self._responses[rows])
            # Its gradient takes the place of the response map.
            normalised = torch.addcmul(shift, responses, scale, out=_pixels(self._gradients[rows]))
            largest, labels = normalised.max(dim=1, keepdim=True)
            self._labels[rows] = labels.view(-1, self._width)
            shortfall = self._scribble_shortfall(rows, normalised, largest)
            exponentials = normalised.sub_(largest).exp_()
            sums = exponentials.sum(dim=1)
            # Subtracted pixel by pixel: on a settled map the totals are nearly equal, and their difference is rounding.
            differences = exponentials.scatter_add_(1, self._target(rows).reshape(-1, 1), -sums[:, None])
            reciprocals = torch.reciprocal(sums)
            similarity = sums.log_()
            if self._weights is not None and shortfall is not None:
                weights = self._weights[rows].flatten()
                reciprocals.mul_(weights)
                similarity.add_(shortfall).mul_(weights)
            gradient = differences.mul_(reciprocals[:, None]).sum(dim=0)
            products = torch.mul(differences, responses, out=buffers.pixels(0, len(responses))).sum(dim=0)
            vertical = self._vertical_differences(rows.start, rows.stop, buffers).abs_().sum(dim=(0, 1))
            horizontal = self._horizontal_differences(rows, buffers).abs_().sum(dim=(0, 1))
            return torch.stack([gradient, products, vertical, horizontal, similarity.sum().expand_as(products)])

        gradient, products, vertical, horizontal, similarity = _total(self._runner.strips(work))
        variation = vertical * self._vertical_share + horizontal * self._horizontal_share
        self._sums = _ResponseSums(gradient, products, variation)
        return Observation(
            self._labels.clone(),
            count_labels(self._labels, self._responses.shape[-1]),
            (similarity[0] / self._labels.numel()).to(self._responses.dtype),
            (variation @ scale.abs().double()).to(self._responses.dtype),
        )

    def _target(self, rows: slice) -> Tensor:
        """Return the labels of L_sim: the argmax, and the scribbles where there are any."""
        return with_scribbles(self._labels[rows], None if self._scribbles is None else self._scribbles[rows])

    def _scribble_shortfall(self, rows: slice, responses: Tensor, largest: Tensor) -> Tensor | None:
        """Return how far each pixel's response at its target is below its largest one; None without scribbles."""
        if self._scribbles is None:
            return None
        return (largest - responses.gather(1, self._target(rows).reshape(-1, 1)))[:, 0]

    @property
    def _vertical_share(self) -> float:
        """The part of one pair of vertical neighbours, and one channel, in the mean that L_con takes over them."""
        return 1 / max(self._responses[1:].numel(), 1)

    @property
    def _horizontal_share(self) -> float:
        return 1 / max(self._responses[:, 1:].numel(), 1)

    def _vertical_differences(self, start: int, stop: int, buffers: "_StripBuffers") -> Tensor:
        """Return the responses of the rows from start to stop, each less those of the row above it, if there is one."""
        responses = self._responses[max(start - 1, 0) : stop]
        differences = buffers.map(1, len(responses) - 1, self._width)
        return torch.sub(responses[1:], responses[:-1], out=differences)

    def _horizontal_differences(self, rows: slice, buffers: "_StripBuffers") -> Tensor:
        """Return the responses of every column but the first, each less those of the column to its left."""
        responses = self._responses[rows]
        differences = buffers.map(1, len(responses), self._width - 1)
        return torch.sub(responses[:, 1:], responses[:, :-1], out=differences)

    # Backward

    def _retarget(self, sums: "_ResponseSums", target: Tensor) -> "_ResponseSums":
        """Turn the gradient of L_sim, measured with the argmax as target, into that with another target."""
        pixels = self._gradients.new_ones(target.numel()) if self._weights is None else self._weights.flatten()
        gradient, products = sums.gradient, sums.products
        for labels, weights in ((self._target(slice(None)), pixels), (target, -pixels)):
            labels = labels.reshape(-1, 1)
            _pixels(self._gradients).scatter_add_(1, labels, weights[:, None])
            at_labels = _pixels(self._responses).gather(1, labels)[:, 0].double() * weights
            gradient = gradient + torch.bincount(labels[:, 0], weights.double(), minlength=len(gradient))
            products = products + torch.bincount(labels[:, 0], at_labels, minlength=len(products))
        return _ResponseSums(gradient, products, sums.variation)

    def _backpropagate(self, sums: "_ResponseSums", weight: Tensor) -> dict[Tensor, Tensor]:
        """Return the gradients of the parameters; the responses are lost."""
        weight = torch.as_tensor(weight, dtype=self._responses.dtype)
        gradients: dict[Tensor, Tensor] = {}
        self._set_normalisation_gradients(gradients, -1, self._sum_loss_gradient(sums, weight))
        self._set_normalisation_gradients(gradients, -2, self._backpropagate_pixels(gradients, weight))
        current, earlier = self._gradients, self._responses
        for layer in range(len(self._features) - 1, 0, -1):
            feature_sums = self._backpropagate_features(gradients, layer, current, earlier)
            self._set_normalisation_gradients(gradients, layer - 1, feature_sums)
            current, earlier = earlier, current
        self._backpropagate_image(gradients, current)
        return gradients

    def _set_normalisation_gradients(self, gradients: dict[Tensor, Tensor], layer: int, sums: Tensor) -> None:
        module = self._batch_norms[layer]
        gradients[module.bias], gradients[module.weight] = sums.to(module.weight.dtype)

    def _backward_coefficients(self, gradients: dict[Tensor, Tensor], layer: int) -> tuple[Tensor, Tensor, Tensor]:
        module = self._batch_norms[layer]
        return self._normalisations[layer].backward_coefficients(
            gradients[module.bias], gradients[module.weight], self._labels.numel()
        )

    def _sum_loss_gradient(self, sums: "_ResponseSums", weight: Tensor) -> Tensor:
        """Return the losses' gradient, and its products with the normalised responses, summed over pixels."""
        normalisation, pixels = self._normalisations[-1], self._labels.numel()
        similarity = (sums.products - normalisation.mean * sums.gradient) / pixels
        # |x| is x times its own derivative, so that the terms of L_con are the products of its gradient; the gradient
        # of a difference cancels in the sum over pixels.
        continuity = weight * normalisation.factor.sign() * sums.variation
        return torch.stack([sums.gradient / pixels, (similarity + continuity) * normalisation.inverse_deviation])

    def _backpropagate_pixels(self, gradients: dict[Tensor, Tensor], weight: Tensor) -> Tensor:
        """Carry the losses' gradient through the last batch norm and the 1×1 convolution."""
        convolution = self._convolutions[-1]
        kernels = self._pixel_kernels().contiguous()
        features, normalisation = self._features[-1], self._normalisations[-2]

        factor, slope, constant = self._backward_coefficients(gradients, -1)
        vertical_step = weight * self._vertical_share * factor.abs()
        horizontal_step = weight * self._horizontal_share * factor.abs()

        def write_response_gradient(rows: slice, buffers: _StripBuffers) -> Tensor:
            responses = _pixels(self._responses[rows])
            gradient = torch.addcmul(constant, responses, slope, out=buffers.pixels(0, len(responses)))
            gradient.addcmul_(_pixels(self._gradients[rows]), factor, value=1 / self._labels.numel())
            self._add_continuity_gradient(rows, vertical_step, horizontal_step, gradient, buffers)
            return gradient

        def work(strips: Sequence[slice], buffers: _StripBuffers, kernel_gradient: Tensor) -> Tensor:
            sums = torch.zeros(2, len(kernels), dtype=torch.float64)
            for rows in strips:
                gradient = write_response_gradient(rows, buffers)
                inputs = _centred(_pixels(features[rows]), normalisation, buffers.pixels(1, len(gradient)))
                kernel_gradient.addmm_(gradient.T, inputs)
                input_gradient = torch.mm(gradient, kernels, out=_pixels(self._gradients[rows]))
                sums += _gradient_sums(input_gradient, inputs, normalisation)
            return sums

        kernel_gradients = kernels.new_zeros(self._runner.band_count, *kernels.shape)
        sums = self._runner.bands(work, kernel_gradients)
        # Behind a batch norm the gradient's sum over pixels is 0: neither a shift of the inputs nor the bias matters.
        gradients[convolution.weight] = (kernel_gradients.sum(dim=0) * normalisation.scale)[:, :, None, None]
        return _total(sums)

    def _add_continuity_gradient(
        self, rows: slice, vertical_step: Tensor, horizontal_step: Tensor, gradient: Tensor, buffers: "_StripBuffers"
    ) -> None:
        """Add to the gradient of a strip: up for the greater of two neighbours, down for the smaller."""
        gradient = gradient.view(-1, self._width, gradient.shape[-1])
        steps = self._vertical_differences(rows.start, rows.stop + 1, buffers).sign_().mul_(vertical_step)
        above = min(rows.start, 1)
        below = len(steps) - (len(gradient) - 1 + above)
        gradient[1 - above :].add_(steps[: len(steps) - below])
        gradient[: len(gradient) - 1 + below].sub_(steps[above:])
        steps = self._horizontal_differences(rows, buffers).sign_().mul_(horizontal_step)
        gradient[:, 1:].add_(steps)
        gradient[:, :-1].sub_(steps)

    def _backpropagate_features(
        self, gradients: dict[Tensor, Tensor], layer: int, output_gradients: Tensor, input_gradients: Tensor
    ) -> Tensor:
        """Carry the gradient through a batch norm, the ReLU and 3×3 convolution before it, to the features before."""
        convolution = self._convolutions[layer]
        kernels = transform_turned_kernels(convolution.weight)
        write_inputs = self._feature_writer(layer - 1)
        write_gradients = self._gradient_writer(gradients, layer, output_gradients)
        features, normalisation = self._features[layer - 1], self._normalisations[layer - 1]

        def work(strips: Sequence[slice], buffers: _StripBuffers, kernel_gradient: Tensor) -> tuple[Tensor, Tensor]:
            bias_gradient = torch.zeros_like(self._biases[layer])
            sums = torch.zeros(2, len(bias_gradient), dtype=torch.float64)
            for rows in strips:
                inputs = buffers.convolution.read_inputs(rows.start, self._height, write_inputs)
                gradient = buffers.convolution.read_gradients(rows.start, self._height, write_gradients)
                buffers.convolution.add_kernel_gradient(inputs, gradient, kernel_gradient, restart=rows is strips[0])
                bias_gradient += gradient[1:-1].sum(dim=(0, 1, 2))
                buffers.convolution.convolve(gradient, kernels, input_gradients[rows])
                input_gradient = _pixels(input_gradients[rows])
                inputs = _centred(_pixels(features[rows]), normalisation, buffers.pixels(0, len(input_gradient)))
                sums += _gradient_sums(input_gradient, inputs, normalisation)
            return bias_gradient, sums

        bias_gradients, sums = zip(*self._runner.bands(work, self._kernel_gradients), strict=True)
        gradients[convolution.weight] = restore_kernel_gradient(self._kernel_gradients.sum(dim=0))
        gradients[self._biases[layer]] = _total(bias_gradients).to(kernels.dtype)
        return _total(sums)

    def _gradient_writer(
        self, gradients: dict[Tensor, Tensor], layer: int, output_gradients: Tensor
    ) -> Callable[[slice, Tensor], None]:
        """Return what writes the gradient of a layer's convolution: through its batch norm and ReLU."""
        scale, slope, constant = self._backward_coefficients(gradients, layer)

        def write(rows: slice, out: Tensor) -> None:
            features = self._features[layer][rows]
            torch.addcmul(constant, output_gradients[rows], scale, out=out)
            out.addcmul_(features, slope)
            # What autograd calls for ReLU: a mask would be a pass and a temporary more.
            torch.ops.aten.threshold_backward.grad_input(out, features, 0, grad_input=out)

        return write

    def _backpropagate_image(self, gradients: dict[Tensor, Tensor], output_gradients: Tensor) -> None:
        """Carry the gradient to the first convolution."""
        convolution = self._convolutions[0]
        write_gradients = self._gradient_writer(gradients, 0, output_gradients)

        def work(strips: Sequence[slice], buffers: _StripBuffers, kernel_gradient: Tensor) -> None:
            for rows in strips:
                gradient = buffers.map(0, rows.stop - rows.start, self._width)
                write_gradients(rows, gradient)
                kernel_gradient.addmm_(_pixels(gradient).T, _pixels(self._neighbourhoods[rows]))

        inputs = self._neighbourhoods.shape[-1]
        kernel_gradients = convolution.weight.new_zeros(self._runner.band_count, convolution.out_channels, inputs)
        self._runner.bands(work, kernel_gradients)
        kernel_gradient = kernel_gradients.sum(dim=0)
        gradients[convolution.weight] = kernel_gradient[:, :-1].reshape(convolution.weight.shape)
        gradients[self._biases[0]] = kernel_gradient[:, -1]


@dataclass(frozen=True)
class _ResponseSums:
    """What the backward pass of a response map needs to know before it starts; each (channels,) float64.

    Attributes
    ----------
    gradient, products : Tensor
        The gradient of L_sim times the number of pixels, and its products with the responses before the batch norm.
    variation : Tensor
        The terms of L_con, from the same responses.
    """

    gradient: Tensor
    products: Tensor
    variation: Tensor


class _StripBuffers:
    """What one thread needs while it works on a strip."""

    def __init__(self, height: int, width: int, channels: int, dtype: torch.dtype) -> None:
        self.convolution = StripConvolution(height, width, channels, dtype)
        self._channels = channels
        # Differences between rows also need the rows above and below a strip.
        self._maps = torch.empty(2, (height + 2) * width * channels, dtype=dtype)

    def map(self, index: int, height: int, width: int) -> Tensor:
        """Return one of two buffers as a map (height, width, channels)."""
        return self._maps[index, : height * width * self._channels].view(height, width, self._channels)

    def pixels(self, index: int, count: int) -> Tensor:
        """Return one of two buffers as (count, channels)."""
        return self._maps[index, : count * self._channels].view(count, self._channels)


def _neighbourhoods(image: Tensor) -> Tensor:
    """Return every pixel's 3×3 neighbourhood, zero outside the image, and a 1 for the bias: (H, W, 28)."""
    shape = image.shape[1:]
    patches = unfold(image[None], kernel_size=3, padding=1)[0]
    return torch.cat([patches, patches.new_ones(1, patches.shape[1])]).T.contiguous().view(*shape, -1)


def _pixels(maps: Tensor) -> Tensor:
    return maps.view(-1, maps.shape[-1])


def _total(parts: Sequence[Tensor]) -> Tensor:
    """Return the sum in float64."""
    return torch.stack(list(parts)).sum(dim=0, dtype=torch.float64)


def _centred(features: Tensor, normalisation: Normalisation, out: Tensor) -> Tensor:
    return torch.sub(features, normalisation.mean, out=out)


def _gradient_sums(gradient: Tensor, centred: Tensor, normalisation: Normalisation) -> Tensor:
    """Return the gradient of a batch norm's output, and its products with the normalised input, summed over pixels.

    The centred input is overwritten.
    """
    products = centred.mul_(gradient).sum(dim=0)
    return torch.stack([gradient.sum(dim=0), products * normalisation.inverse_deviation])
