"""Invariant information clustering (Ji et al. 2019) of a single image: this project's adaptation.

Ji et al. train one network on a whole data set. How the paper ran it on each image by itself isn't stated, so this row
takes their loss and their kinds of views, and the paper's network with one response a cluster.
"""

import dataclasses
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.errors import UserError
from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class
from dynseg.training.cost import Cost, training_cost
from dynseg.training.parameters import (
    Iterations,
    LearningRate,
    NetworkParameters,
    Scale,
    TrainingParameters,
    reduced_size,
)

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from dynseg.training.network import SegmentationNetwork

# Ji et al. draw brightness, contrast and saturation factors from 1 ± 0.4.
JITTER = 0.4
# How much more an iteration with its two views costs than the fast step's, and what the loss costs besides, in GFLOP
# that take as long: for each complex number that it keeps of a pair of clusters.
SLOWDOWN = 2.5
SPECTRUM_GFLOP = 7e-6
# Maps of a complex number for each pair of clusters that the loss keeps.
SPECTRA = 3


@parameter_class
class IicParameters(NetworkParameters):
    """Parameters of invariant information clustering.

    This loss bears a larger learning rate than the paper's 0.1 and then needs fewer iterations.
    """

    clusters: Annotated[int, Field(ge=2, description="k, the number of clusters; the paper tried 2 and 20")] = 20
    displacement: Annotated[
        int,
        Field(
            ge=0,
            description="T, the largest displacement between two pixels that should get the same cluster, in pixels of "
            "the image that the network is trained on",
        ),
    ] = 10
    marginal_weight: Annotated[
        float, Field(ge=1, description="λ, the weight of the marginals: larger for clusters of equal size")
    ] = 1.0
    iterations: Iterations = 100
    learning_rate: LearningRate = 0.5
    scale: Scale = 0.25


def segment(image: NDArray[np.uint8], context: Context, parameters: IicParameters) -> Segmentation:
    """Segment one image by training a network to give two views of it the same clusters.

    In each iteration one view is the image, the other has jittered colours and, half of the time, is mirrored
    (Ji, Henriques and Vedaldi, Invariant information clustering for unsupervised image classification and
    segmentation, ICCV 2019, section 3.3).

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        RGB.
    context : Context
        The seed decides the initial weights and the views.
    parameters : IicParameters

    Returns
    -------
    Segmentation
        The argmax of the trained network at full resolution. History: `iteration`, `label_count` and
        `mutual_information_loss`.

    Raises
    ------
    UserError
        If the loss is not finite, or the image a single pixel at the size of training.
    """
    import torch

    from dynseg.training.fast.layer import convolve_in_strips
    from dynseg.training.images import image_tensor, reduce_image
    from dynseg.training.step import count_labels

    network = initial_clustering_network(parameters, context.seed).to(context.device)
    if context.device == "cpu":
        convolve_in_strips(network)
    full_size = image_tensor(image).to(context.device)
    reduced = reduce_image(full_size, reduced_size(image.shape[0], image.shape[1], parameters.scale))
    if reduced.shape[1] * reduced.shape[2] < 2:
        raise UserError(f"the image is a single pixel at scale {parameters.scale}: raise the scale or leave it out")
    generator = torch.Generator().manual_seed(context.seed)
    optimiser = torch.optim.SGD(network.parameters(), parameters.learning_rate, parameters.momentum)
    losses, label_counts = [], []
    for _ in range(parameters.iterations):
        mirrored = bool(torch.rand((), generator=generator) < 0.5)
        view = jitter_colours(reduced, generator)
        first = network(reduced[None])[0].softmax(dim=0)
        second = network((view.flip(2) if mirrored else view)[None])[0].softmax(dim=0)
        second = second.flip(2) if mirrored else second
        loss = mutual_information_loss(first, second, parameters.displacement, parameters.marginal_weight)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
        label_counts.append(count_labels(first.detach().argmax(dim=0), parameters.clusters))
    history = {
        "iteration": np.arange(1, parameters.iterations + 1),
        "label_count": torch.stack(label_counts).cpu().numpy(),
        "mutual_information_loss": torch.stack(losses).double().cpu().numpy(),
    }
    if not np.isfinite(history["mutual_information_loss"]).all():
        raise UserError("the loss is no longer finite: lower the learning rate")
    with torch.no_grad():
        labels = network(full_size[None]).argmax(dim=1)[0].cpu().numpy()
    return Segmentation(labels, history, {"adaptation": "IIC on a single image, as this project adapts it"})


def initial_clustering_network(parameters: IicParameters, seed: int) -> "SegmentationNetwork":
    """Return the paper's network with one response a cluster; its weights depend on the seed and the shape alone."""
    import torch

    from dynseg.training.network import SegmentationNetwork

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SegmentationNetwork(parameters.components, parameters.channels)
        network.convolutions[-1] = torch.nn.Conv2d(parameters.channels, parameters.clusters, kernel_size=1)
        network.normalisations[-1] = torch.nn.BatchNorm2d(parameters.clusters, track_running_stats=False)
        return network


def jitter_colours(image: "Tensor", generator: "Generator") -> "Tensor":
    """Return an image with its brightness, contrast and saturation each multiplied by a random factor near 1.

    Parameters
    ----------
    image : Tensor, (3, H, W), float
        RGB in [0, 1].
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor, (3, H, W), float
        In [0, 1].
    """
    import torch

    brightness, contrast, saturation = (1 + JITTER * (2 * torch.rand(3, generator=generator) - 1)).tolist()
    image = (image * brightness).clamp(0, 1)
    image = image.mean().lerp(image, contrast).clamp(0, 1)
    return image.mean(dim=0, keepdim=True).lerp(image, saturation).clamp(0, 1)


def mutual_information_loss(
    first: "Tensor", second: "Tensor", displacement: int, marginal_weight: float = 1.0
) -> "Tensor":
    """Negative mutual information between the clusters of displaced pixels of two views, mean over displacements.

    With P the joint distribution of the clusters of a pixel in one view and of the pixel displaced by u in the other,
    made symmetric, and Pi, Pj its marginals, it is the mean over u in {−T..T}² of −Σ P (log P − λ log Pi − λ log Pj)
    (Ji et al. 2019, equation 5 for each displacement by itself: the released "uncollapsed" loss).

    Parameters
    ----------
    first, second : Tensor, (k, H, W), float
        Each pixel's probabilities of the k clusters, in the same frame.
    displacement : int
        T, in pixels; no more of it counts than leaves pixels to compare.
    marginal_weight : float
        λ.

    Returns
    -------
    Tensor, ()
    """
    import torch

    joint = correlate(first, second, displacement)
    joint = joint / joint.sum(dim=(0, 1))
    joint = ((joint + joint.transpose(0, 1)) / 2).clamp_min(torch.finfo(joint.dtype).eps)
    information = joint.log() - marginal_weight * (
        joint.sum(dim=0, keepdim=True).log() + joint.sum(dim=1, keepdim=True).log()
    )
    return -(joint * information).sum(dim=(0, 1)).mean()


def correlate(first: "Tensor", second: "Tensor", displacement: int) -> "Tensor":
    """Cross-correlate every pair of maps over a square of displacements; beyond the border maps are 0.

    Parameters
    ----------
    first, second : Tensor, (k, H, W), float
    displacement : int
        T, in pixels.

    Returns
    -------
    Tensor, (k, k, rows, columns), float
        Entry (i, j, u, v) is the sum over pixels of first[i] displaced by (u − T, v − T) times second[j]. There are
        2 T + 1 rows, fewer if the maps have T rows or less; likewise columns.
    """
    import torch

    # The product of spectra is several times faster than convolving or adding up matrix products.
    height, width = first.shape[1:]
    down, right = min(displacement, height - 1), min(displacement, width - 1)
    size = (height + down, width + right)
    spectrum = torch.fft.rfft2(first, s=size)[:, None] * torch.fft.rfft2(second, s=size).conj()
    rows = torch.fft.ifft(spectrum, dim=2)[:, :, torch.arange(-down, down + 1)]
    sums: Tensor = torch.fft.irfft(rows, n=size[1])[..., torch.arange(-right, right + 1)]
    return sums


def cost(parameters: IicParameters, height: int, width: int, threads: int = 1) -> Cost:
    """Return what segmenting an image costs; see `dynseg.training.cost.training_cost`."""
    training = TrainingParameters(
        parameters.components, parameters.channels, parameters.iterations, scale=parameters.scale, step="plain"
    )
    network = training_cost(training, height, width, threads)
    reduced_height, reduced_width = reduced_size(height, width, parameters.scale)
    rows, columns = reduced_height + parameters.displacement, (reduced_width + parameters.displacement) // 2 + 1
    spectrum = parameters.clusters**2 * rows * columns
    return dataclasses.replace(
        network,
        iteration_gflop=SLOWDOWN * network.iteration_gflop + SPECTRUM_GFLOP * spectrum,
        cpu_factor=1.0,
        memory=network.memory + SPECTRA * 8 * spectrum,
    )


method = Method(IicParameters, segment, uses_gpu=True, cost=cost)
