"""Pixels that don't count: the fast step against the plain one, and the plain one against its definition."""

import pytest
import torch
from torch import Tensor

from dynseg.training.descent import GradientDescent
from dynseg.training.fast.step import FastStep
from dynseg.training.joint_step import JointStep
from dynseg.training.network import SegmentationNetwork, initial_network
from dynseg.training.parameters import TrainingParameters
from dynseg.training.prediction import label_map
from dynseg.training.step import PlainStep, Step

# Height, width, M, channels: several strips, one row, one column, odd.
SHAPES = [(12, 16, 2, 8), (13, 17, 3, 7), (1, 9, 2, 8), (9, 1, 1, 5), (70, 33, 2, 20)]
WEIGHT = torch.tensor(2.5, dtype=torch.float64)


def random_valid(height: int, width: int) -> Tensor:
    """Two thirds of the pixels, and none of the lower half: strips without any are among them."""
    valid = torch.rand(height, width, generator=torch.Generator().manual_seed(1)) < 2 / 3
    valid[height // 2 + 1 :] = False
    valid[0, 0] = True
    return valid


def make_step(
    kind: type, shape: tuple[int, ...], valid: Tensor | None, scribbles: Tensor | None = None
) -> tuple[Step, SegmentationNetwork]:
    height, width, components, channels = shape
    image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    network = initial_network(components, channels, seed=0).double()
    return kind(network, image, scribbles=scribbles, valid=valid), network


@pytest.mark.parametrize("scribbled", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_fast_step_is_the_plain_one(shape: tuple[int, ...], scribbled: bool) -> None:
    valid = random_valid(*shape[:2])
    scribbles = torch.full(shape[:2], -1)
    scribbles[0, 0] = 3
    observed = []
    for kind in (PlainStep, FastStep):
        step, network = make_step(kind, shape, valid, scribbles if scribbled else None)
        optimiser = GradientDescent(momentum=0.9)
        for _ in range(3):
            observation = step.forward()
            optimiser.descend(step.gradients(WEIGHT), 0.1)
        observed.append((observation, network))
    (plain, plain_network), (fast, fast_network) = observed
    assert torch.equal(plain.labels, fast.labels)
    assert bool(((plain.labels >= 0) == valid).all())
    assert int(plain.label_count) == int(fast.label_count) == len(plain.labels[valid].unique())
    torch.testing.assert_close(fast.similarity_loss, plain.similarity_loss)
    torch.testing.assert_close(fast.continuity_loss, plain.continuity_loss)
    assert fast.valid_share == plain.valid_share == float(valid.double().mean())
    constants = {"convolutions.-1", "convolutions." + str(shape[2])}
    for (name, one), (_, other) in zip(plain_network.named_parameters(), fast_network.named_parameters(), strict=True):
        if not (name.startswith(tuple(constants)) and name.endswith("bias")):
            torch.testing.assert_close(other, one, rtol=1e-7, atol=1e-9, msg=name)


@pytest.mark.parametrize("kind", [PlainStep, FastStep])
def test_another_target_is_that_of_pixels_that_count(kind: type) -> None:
    shape = SHAPES[0]
    valid = random_valid(*shape[:2])
    target = torch.arange(12 * 16).view(12, 16) % 8
    others = torch.where(valid, target, -1)
    found = []
    for each in (target, others):
        step, network = make_step(kind, shape, valid)
        step.forward()
        gradients = step.gradients(WEIGHT, each)
        found.append([gradients[parameter] for parameter in network.parameters() if parameter in gradients])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", [PlainStep, FastStep])
def test_where_all_count_nothing_changes(kind: type) -> None:
    shape = SHAPES[1]
    with_mask, _ = make_step(kind, shape, torch.ones(shape[:2], dtype=torch.bool))
    without, _ = make_step(kind, shape, None)
    one, other = with_mask.forward(), without.forward()
    assert torch.equal(one.labels, other.labels)
    torch.testing.assert_close(one.similarity_loss, other.similarity_loss)
    torch.testing.assert_close(one.continuity_loss, other.continuity_loss)


def test_losses_are_means_over_what_counts() -> None:
    """Without a convolution that looks beyond them, the valid rows alone are an image of their own."""
    network = initial_network(1, 6, seed=0).double()
    with torch.no_grad():
        # Each 3 × 3 kernel looks at its own pixel alone.
        centre = network.convolutions[0].weight[:, :, 1:2, 1:2].clone()
        network.convolutions[0].weight.zero_()
        network.convolutions[0].weight[:, :, 1:2, 1:2] = centre
    image = torch.rand(3, 10, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    valid = torch.zeros(10, 8, dtype=torch.bool)
    valid[:4] = True
    masked, cropped = PlainStep(network, image, valid=valid).forward(), PlainStep(network, image[:, :4]).forward()
    assert torch.equal(masked.labels[:4], cropped.labels)
    assert int(masked.label_count) == int(cropped.label_count)
    torch.testing.assert_close(masked.similarity_loss, cropped.similarity_loss)
    torch.testing.assert_close(masked.continuity_loss, cropped.continuity_loss)


@pytest.mark.parametrize("step", ["plain", "fast"])
def test_a_prediction_has_the_statistics_of_what_counts(step: str) -> None:
    network = initial_network(2, 8, seed=0)
    image = torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(0))
    valid = random_valid(20, 24)
    parameters = TrainingParameters(step=step)  # type: ignore[arg-type]
    labels = label_map(network, image, parameters, valid=valid, repeats_border=True)
    assert labels.shape == (20, 24)
    assert torch.equal(labels, label_map(network, image, TrainingParameters(), valid=valid, repeats_border=True))
    assert not torch.equal(labels, label_map(network, image, parameters, repeats_border=True))


def test_several_images_share_the_count_of_labels() -> None:
    valid = random_valid(12, 16)
    one, network = make_step(FastStep, SHAPES[0], valid)
    other = FastStep(network, torch.rand(3, 5, 6, dtype=torch.float64))
    observation = JointStep([one, other], 8).forward()
    labels = observation.labels
    assert int(observation.label_count) == len(labels[labels >= 0].unique())
    assert observation.valid_share == pytest.approx((int(valid.sum()) + 30) / (12 * 16 + 30))
