"""The network's forward pass on the CPU, in strips: the first half of the fast step, and all that a prediction needs.

Maps are channels-last, (H, W, channels). Batch norm is never a pass of its own: it is applied as the next convolution
reads its inputs.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from dynseg.training.fast.normalisation import Moments, Normalisation, measure_moments
from dynseg.training.fast.strips import StripBuffers, StripRunner, as_pixels
from dynseg.training.fast.winograd import transform_kernels
from dynseg.training.network import SegmentationNetwork
from dynseg.training.strip_sizes import strip_height


class ForwardPass:
    """The maps of a network on one image, and how they are computed.

    It uses as many threads as `torch.get_num_threads()` says when it is made. To be run within
    `dynseg.training.fast.strips.one_thread_per_operation`.

    Parameters
    ----------
    network : SegmentationNetwork
    image : Tensor, (bands, H, W), float32 or float64
        Values in [0, 1], of the network's type.
    keeps_features : bool
        Whether every layer's features stay, as a backward pass needs them; otherwise two maps serve all layers.
    valid : Tensor, (H, W), bool, optional
        The pixels that the statistics of batch norm are taken from; by default all.

    Attributes
    ----------
    convolutions, biases, batch_norms : list
        The network's modules and parameters, by layer.
    neighbourhoods : Tensor, (H, W, 9 · bands + 1)
        Inputs of the first convolution.
    features : list of Tensor, (H, W, channels)
        ReLU outputs of the 3×3 convolutions.
    responses : Tensor, (H, W, channels)
        Outputs of the 1×1 convolution, before the last batch norm and up to a constant that it takes away.
    normalisations : list of Normalisation
        Batch norms of the last run, by layer.
    runner : StripRunner
    counted : int
        The number of pixels that statistics are taken from.
    """

    def __init__(
        self, network: SegmentationNetwork, image: Tensor, keeps_features: bool, valid: Tensor | None = None
    ) -> None:
        self.convolutions = cast(list[nn.Conv2d], list(network.convolutions))
        self.biases = [cast(Tensor, convolution.bias) for convolution in self.convolutions]
        self.batch_norms = cast(list[nn.BatchNorm2d], list(network.normalisations))
        _, self.height, self.width = image.shape
        shape = (self.height, self.width, self.convolutions[-1].out_channels)
        self.neighbourhoods = pixel_neighbourhoods(image)
        layers = len(self.convolutions)
        maps = [image.new_empty(shape) for _ in range(layers if keeps_features else 2)]
        *self.features, self.responses = (maps[layer % len(maps)] for layer in range(layers))
        self.normalisations: list[Normalisation] = []
        self._valid = valid
        self.counted = self.height * self.width if valid is None else int(valid.sum())
        strip = strip_height(*shape)
        self.runner = StripRunner(self.height, strip, lambda: StripBuffers(strip, *shape[1:], image.dtype))

    def run(self) -> None:
        """Fill the maps of features and responses."""
        self.normalisations = []
        self._convolve_image()
        for layer in range(1, len(self.features)):
            self._convolve_features(layer)
        self._convolve_pixels()

    def feature_writer(self, layer: int) -> Callable[[slice, Tensor], None]:
        """Return a function that writes some rows of the normalised features of a layer."""
        scale, shift = self.normalisations[layer].scale, self.normalisations[layer].shift

        def write(rows: slice, out: Tensor) -> None:
            torch.addcmul(shift, self.features[layer][rows], scale, out=out)

        return write

    def pixel_kernels(self) -> Tensor:
        """Return the kernels of the 1×1 convolution, (channels_out, channels_in)."""
        return self.convolutions[-1].weight[:, :, 0, 0]

    def _convolve_image(self) -> None:
        """Apply the first 3×3 convolution, as one product with the neighbourhoods, and ReLU."""
        kernels = torch.cat([self.convolutions[0].weight.flatten(1), self.biases[0][:, None]], dim=1).T.contiguous()

        def work(rows: slice, buffers: StripBuffers) -> Moments:
            features = as_pixels(self.features[0][rows])
            torch.mm(as_pixels(self.neighbourhoods[rows]), kernels, out=features)
            return self._measure(rows, features.clamp_min_(0), buffers)

        self._normalise(self.runner.strips(work))

    def _convolve_features(self, layer: int) -> None:
        """Apply a batch norm and the 3×3 convolution and ReLU that follow."""
        kernels = transform_kernels(self.convolutions[layer].weight)
        write_inputs = self.feature_writer(layer - 1)

        def work(rows: slice, buffers: StripBuffers) -> Moments:
            inputs = buffers.convolution.read_inputs(rows.start, self.height, write_inputs)
            buffers.convolution.convolve(inputs, kernels, self.features[layer][rows], self.biases[layer], minimum=0)
            return self._measure(rows, as_pixels(self.features[layer][rows]), buffers)

        self._normalise(self.runner.strips(work))

    def _convolve_pixels(self) -> None:
        """Apply a batch norm and the 1×1 convolution, up to a constant that the last batch norm takes away."""
        normalisation = self.normalisations[-1]
        kernels = (self.pixel_kernels() * normalisation.scale).T.contiguous()

        def work(rows: slice, buffers: StripBuffers) -> Moments:
            responses = as_pixels(self.responses[rows])
            # Features that vary little about a large mean would lose most of their digits in the sum over channels.
            centred = normalisation.centred(as_pixels(self.features[-1][rows]), out=buffers.pixels(0, len(responses)))
            torch.mm(centred, kernels, out=responses)
            return self._measure(rows, responses, buffers)

        self._normalise(self.runner.strips(work))

    def _measure(self, rows: slice, features: Tensor, buffers: StripBuffers) -> Moments:
        """Return the moments of some rows, (pixels, channels); the first buffer is overwritten."""
        if self._valid is not None:
            features = features[self._valid[rows].flatten()]
        return measure_moments(features, buffers.pixels(0, len(features)))

    def _normalise(self, moments: list[Moments]) -> None:
        module = self.batch_norms[len(self.normalisations)]
        self.normalisations.append(Normalisation.from_moments(moments, module.eps, module.weight, module.bias))


def pixel_neighbourhoods(image: Tensor) -> Tensor:
    """Return every pixel's 3×3 neighbourhood, zero outside the image, and a 1 for the bias: (H, W, 9 · bands + 1)."""
    bands, height, width = image.shape
    neighbourhoods = image.new_ones(height, width, 9 * bands + 1)
    windows = pad(image, (1, 1, 1, 1)).unfold(1, 3, 1).unfold(2, 3, 1)
    neighbourhoods[:, :, :-1].unflatten(2, (bands, 3, 3)).copy_(windows.permute(1, 2, 0, 3, 4))
    return neighbourhoods
