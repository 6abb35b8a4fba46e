"""One network on several images: the mean of their losses, and targets for all of them."""

import pytest
import torch
from torch import Tensor

from dynseg.training.fast.step import FastStep
from dynseg.training.joint_step import JointStep
from dynseg.training.network import initial_network
from dynseg.training.step import PlainStep

WEIGHT = torch.tensor(2.5, dtype=torch.float64)


@pytest.mark.parametrize("kind", [PlainStep, FastStep])
@pytest.mark.parametrize("with_targets", [False, True])
def test_several_images_have_the_mean_of_their_gradients(kind: type, with_targets: bool) -> None:
    network = initial_network(2, 6, seed=0).double()
    images = [torch.rand(3, height, 9, dtype=torch.float64) for height in (7, 12)]
    targets: list[Tensor | None] = [None, None]
    if with_targets:
        targets = [torch.randint(6, image.shape[1:]) for image in images]
    apart = []
    for image, target in zip(images, targets, strict=True):
        step = PlainStep(network, image)
        step.forward()
        apart.append(step.gradients(WEIGHT, target))
    joint = JointStep([kind(network, image) for image in images], channels=6)
    observation = joint.forward()
    assert observation.labels.shape == (1, 7 * 9 + 12 * 9)
    assert observation.label_count == len(observation.labels.unique())
    joined = torch.cat([target.flatten() for target in targets if target is not None])[None] if with_targets else None
    for parameter, gradient in joint.gradients(WEIGHT, joined).items():
        expected = (apart[0][parameter] + apart[1][parameter]) / 2
        # The last batch norm takes away the bias of the convolution before it.
        torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-9)
