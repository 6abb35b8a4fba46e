"""The fast exact training step on the CPU: the mathematics of `PlainStep` with a hand-derived backward pass.

What makes it fast:

- 3×3 convolutions and both their gradients take fewer multiplications (`dynseg.training.fast.winograd`).
- Every pass runs in strips that stay in the cache, each in one thread (`dynseg.training.fast.strips`).
- Batch norm is never a pass of its own: going forward it is applied as the next convolution reads its inputs, going
  back as the convolution before it reads its gradient (`dynseg.training.fast.normalisation`).
- The gradients of both losses are written in closed form, together with the last batch norm's
  (`dynseg.training.fast.losses`).
- Every map is allocated once, and so are the pixels' neighbourhoods that the first convolution multiplies
  (`dynseg.training.fast.forward`).

Maps are channels-last, (H, W, channels). There are M + 2: the ReLU outputs, the responses and one for gradients.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dynseg.training.fast.forward import ForwardPass
from dynseg.training.fast.losses import ResponseLosses, ResponseSums
from dynseg.training.fast.strips import StripBuffers, as_pixels, one_thread_per_operation, total
from dynseg.training.fast.winograd import PATCH, restore_kernel_gradient, transform_turned_kernels
from dynseg.training.network import SegmentationNetwork
from dynseg.training.parameters import Continuity
from dynseg.training.step import Observation


class FastStep:
    """`dynseg.training.step.Step` on the CPU, several times as fast as `PlainStep`: the same sums, rounded otherwise.

    It uses as many threads as `torch.get_num_threads()` says when it is made; results don't depend on the number.

    Parameters
    ----------
    network : SegmentationNetwork
    image : Tensor, (bands, H, W), float32 or float64
        Values in [0, 1], of the network's type.
    scribbles : Tensor, (H, W), int64, optional
        Labels that some pixels should get, -1 elsewhere; see `dynseg.training.losses.pixel_weights`.
    valid : Tensor, (H, W), bool, optional
        The pixels that count; see `dynseg.training.step.PlainStep`.
    continuity : {"l1", "smooth_l1"}
        See `dynseg.training.losses.continuity_loss`.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        image: Tensor,
        *,
        scribbles: Tensor | None = None,
        valid: Tensor | None = None,
        continuity: Continuity = "l1",
    ) -> None:
        self._forward = ForwardPass(network, image, keeps_features=True, valid=valid)
        self._losses = ResponseLosses(self._forward.responses, self._forward.runner, scribbles, valid, continuity)
        self._counts = None if valid is None else valid[:, :, None].to(image.dtype)
        self._sums: ResponseSums | None = None
        channels = self._forward.responses.shape[-1]
        self._kernel_gradients = image.new_empty(self._forward.runner.band_count, PATCH**2, channels, channels)

    @torch.no_grad()
    @one_thread_per_operation()
    def forward(self) -> Observation:
        """See `Step.forward`."""
        self._forward.run()
        observation, self._sums = self._losses.observe(self._forward.normalisations[-1])
        return observation

    @torch.no_grad()
    @one_thread_per_operation()
    def gradients(self, weight: Tensor, target: Tensor | None = None) -> dict[Tensor, Tensor]:
        """See `Step.gradients`; without the last convolution's bias, whose gradient is 0."""
        if self._sums is None:
            raise RuntimeError("gradients() needs a forward() before it")
        sums = self._sums if target is None else self._losses.retarget(self._sums, target)
        self._sums = None
        return self._backpropagate(sums, weight)

    def _backpropagate(self, sums: ResponseSums, weight: Tensor) -> dict[Tensor, Tensor]:
        """Return the gradients of the parameters; the responses are lost."""
        weight = torch.as_tensor(weight, dtype=self._forward.responses.dtype)
        gradients: dict[Tensor, Tensor] = {}
        loss_sums = self._losses.sum_gradient(sums, weight, self._forward.normalisations[-1])
        self._set_normalisation_gradients(gradients, -1, loss_sums)
        self._set_normalisation_gradients(gradients, -2, self._backpropagate_pixels(gradients, weight))
        current, earlier = self._losses.gradients, self._forward.responses
        for layer in range(len(self._forward.features) - 1, 0, -1):
            feature_sums = self._backpropagate_features(gradients, layer, current, earlier)
            self._set_normalisation_gradients(gradients, layer - 1, feature_sums)
            current, earlier = earlier, current
        self._backpropagate_image(gradients, current)
        return gradients

    def _set_normalisation_gradients(self, gradients: dict[Tensor, Tensor], layer: int, sums: Tensor) -> None:
        module = self._forward.batch_norms[layer]
        gradients[module.bias], gradients[module.weight] = sums.to(module.weight.dtype)

    def _backward_coefficients(self, gradients: dict[Tensor, Tensor], layer: int) -> tuple[Tensor, Tensor, Tensor]:
        module = self._forward.batch_norms[layer]
        normalisation = self._forward.normalisations[layer]
        return normalisation.backward_coefficients(
            gradients[module.bias], gradients[module.weight], self._forward.counted
        )

    def _backpropagate_pixels(self, gradients: dict[Tensor, Tensor], weight: Tensor) -> Tensor:
        """Carry the losses' gradient through the last batch norm and the 1×1 convolution."""
        kernels = self._forward.pixel_kernels().contiguous()
        features, normalisation = self._forward.features[-1], self._forward.normalisations[-2]
        coefficients = self._backward_coefficients(gradients, -1)

        def work(strips: Sequence[slice], buffers: StripBuffers, kernel_gradient: Tensor) -> Tensor:
            sums = torch.zeros(2, len(kernels), dtype=torch.float64)
            for rows in strips:
                gradient = self._losses.write_gradient(rows, weight, coefficients, buffers)
                inputs = normalisation.centred(as_pixels(features[rows]), out=buffers.pixels(1, len(gradient)))
                kernel_gradient.addmm_(gradient.T, inputs)
                input_gradient = torch.mm(gradient, kernels, out=as_pixels(self._losses.gradients[rows]))
                sums += normalisation.gradient_sums(input_gradient, inputs)
            return sums

        kernel_gradients = kernels.new_zeros(self._forward.runner.band_count, *kernels.shape)
        sums = self._forward.runner.bands(work, kernel_gradients)
        # Behind a batch norm the gradient's sum over pixels is 0: neither a shift of the inputs nor the bias matters.
        kernel_gradient = kernel_gradients.sum(dim=0) * normalisation.scale
        gradients[self._forward.convolutions[-1].weight] = kernel_gradient[:, :, None, None]
        return total(sums)

    def _backpropagate_features(
        self, gradients: dict[Tensor, Tensor], layer: int, output_gradients: Tensor, input_gradients: Tensor
    ) -> Tensor:
        """Carry the gradient through a batch norm, the ReLU and 3×3 convolution before it, to the features before."""
        weight, bias, height = (
            self._forward.convolutions[layer].weight,
            self._forward.biases[layer],
            self._forward.height,
        )
        kernels = transform_turned_kernels(weight)
        write_inputs = self._forward.feature_writer(layer - 1)
        write_gradients = self._gradient_writer(gradients, layer, output_gradients)
        features, normalisation = self._forward.features[layer - 1], self._forward.normalisations[layer - 1]

        def work(strips: Sequence[slice], buffers: StripBuffers, kernel_gradient: Tensor) -> tuple[Tensor, Tensor]:
            bias_gradient = torch.zeros_like(bias)
            sums = torch.zeros(2, len(bias_gradient), dtype=torch.float64)
            for rows in strips:
                inputs = buffers.convolution.read_inputs(rows.start, height, write_inputs)
                gradient = buffers.convolution.read_gradients(rows.start, height, write_gradients)
                buffers.convolution.add_kernel_gradient(inputs, gradient, kernel_gradient, restart=rows is strips[0])
                bias_gradient += gradient[1:-1].sum(dim=(0, 1, 2))
                buffers.convolution.convolve(gradient, kernels, input_gradients[rows])
                input_gradient = as_pixels(input_gradients[rows])
                inputs = normalisation.centred(as_pixels(features[rows]), out=buffers.pixels(0, len(input_gradient)))
                sums += normalisation.gradient_sums(input_gradient, inputs)
            return bias_gradient, sums

        bias_gradients, sums = zip(*self._forward.runner.bands(work, self._kernel_gradients), strict=True)
        gradients[weight] = restore_kernel_gradient(self._kernel_gradients.sum(dim=0))
        gradients[bias] = total(bias_gradients).to(kernels.dtype)
        return total(sums)

    def _gradient_writer(
        self, gradients: dict[Tensor, Tensor], layer: int, output_gradients: Tensor
    ) -> Callable[[slice, Tensor], None]:
        """Return what writes the gradient of a layer's convolution: through its batch norm and ReLU."""
        scale, slope, constant = self._backward_coefficients(gradients, layer)

        def write(rows: slice, out: Tensor) -> None:
            features = self._forward.features[layer][rows]
            if self._counts is None:
                torch.addcmul(constant, output_gradients[rows], scale, out=out)
                out.addcmul_(features, slope)
            else:
                # Pixels that don't count had no part in the statistics.
                torch.addcmul(constant, features, slope, out=out)
                out.mul_(self._counts[rows]).addcmul_(output_gradients[rows], scale)
            # What autograd calls for ReLU: a mask would be a pass and a temporary more.
            torch.ops.aten.threshold_backward.grad_input(out, features, 0, grad_input=out)

        return write

    def _backpropagate_image(self, gradients: dict[Tensor, Tensor], output_gradients: Tensor) -> None:
        """Carry the gradient to the first convolution."""
        weight, neighbourhoods = self._forward.convolutions[0].weight, self._forward.neighbourhoods
        write_gradients = self._gradient_writer(gradients, 0, output_gradients)

        def work(strips: Sequence[slice], buffers: StripBuffers, kernel_gradient: Tensor) -> None:
            for rows in strips:
                gradient = buffers.map(0, rows.stop - rows.start, self._forward.width)
                write_gradients(rows, gradient)
                kernel_gradient.addmm_(as_pixels(gradient).T, as_pixels(neighbourhoods[rows]))

        kernel_gradients = weight.new_zeros(self._forward.runner.band_count, len(weight), neighbourhoods.shape[-1])
        self._forward.runner.bands(work, kernel_gradients)
        kernel_gradient = kernel_gradients.sum(dim=0)
        gradients[weight] = kernel_gradient[:, :-1].reshape(weight.shape)
        gradients[self._forward.biases[0]] = kernel_gradient[:, -1]
