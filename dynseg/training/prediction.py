"""The label map of a network: one forward pass, fast on the CPU, plain PyTorch on a GPU."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from dynseg.training.enlargement import enlarged_labels
from dynseg.training.fast.forward import ForwardPass
from dynseg.training.fast.strips import as_pixels, one_thread_per_operation
from dynseg.training.network import SegmentationNetwork
from dynseg.training.parameters import TrainingParameters
from dynseg.training.precision import autocast_type, in_layout_of, runs_fast, tf32_allowed
from dynseg.training.step import respond


@torch.no_grad()
def label_map(
    network: SegmentationNetwork,
    image: Tensor,
    parameters: TrainingParameters | None = None,
    size: tuple[int, int] | None = None,
    *,
    repeats_border: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """Return the label map of a network as it is now.

    Parameters
    ----------
    network : SegmentationNetwork
    image : Tensor, (bands, H, W), float
        Values in [0, 1], on the network's device and of its type.
    parameters : TrainingParameters, optional
        Its `step` and `precision` count; the defaults if missing.
    size : tuple of int, optional
        H and W of the label map, by default the image's own; larger ones come from enlarged responses.
    repeats_border : bool
        Whether the image goes on beyond its border with its outermost pixels, as far as the network sees. As published
        it goes on with zeros, which leaves a frame of clusters that are nowhere else.
    valid : Tensor, (H, W), bool, optional
        The pixels that the statistics of batch norm are taken from, on the image's device; by default all.

    Returns
    -------
    Tensor, (H, W), int64
        Indices of the network's channels, on the network's device.
    """
    parameters = parameters or TrainingParameters()
    margin = len(network.convolutions) - 1 if repeats_border else 0
    enlarged_size = None if size is None or size == tuple(image.shape[1:]) else size
    if margin:
        image = pad(image[None], (margin,) * 4, mode="replicate")[0]
        valid = None if valid is None else pad(valid[None, None].to(image), (margin,) * 4, mode="replicate")[0, 0] > 0
    if runs_fast(image, parameters):
        response = _fast_response(network, image, valid)
    else:
        with tf32_allowed(parameters.precision == "tf32"):
            network = in_layout_of(image.device, network)
            response = respond(network, image[None], autocast_type(image.device, parameters.precision), valid)[0]
        response = response.permute(1, 2, 0)
    if margin:
        response = response[margin:-margin, margin:-margin].contiguous()
    if enlarged_size is not None:
        return enlarged_labels(response, enlarged_size)
    # As the training step takes it: of equal responses the first.
    return as_pixels(response.contiguous()).max(dim=1).indices.view(response.shape[:2])


@one_thread_per_operation()
def _fast_response(network: SegmentationNetwork, image: Tensor, valid: Tensor | None) -> Tensor:
    """Return the normalised response map (H, W, channels)."""
    forward = ForwardPass(network, image, keeps_features=False, valid=valid)
    forward.run()
    normalisation = forward.normalisations[-1]
    return torch.addcmul(normalisation.shift, forward.responses, normalisation.scale, out=forward.responses)
