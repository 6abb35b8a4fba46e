"""Several networks at once against each alone, with autograd: the same observations and gradients."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from dynseg.training.group.network import NetworkGroup
from dynseg.training.group.step import GroupStep
from dynseg.training.network import initial_network
from dynseg.training.parameters import Continuity
from dynseg.training.step import PlainStep


def random_images(networks: int, height: int, width: int, bands: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(networks, bands, height, width, generator=generator, dtype=torch.float64)


def largest_difference(found: Tensor, expected: Tensor) -> float:
    """Relative to the norm, or to 1 where all is 0 but for rounding."""
    return float((found - expected).norm() / expected.norm().clamp(min=1e-3))


def compare(
    images: Tensor,
    components: int,
    channels: int,
    scribbles: Tensor | None = None,
    continuity: Continuity = "l1",
) -> None:
    networks = [
        initial_network(components, channels, seed, bands=images.shape[1]).to(images.dtype)
        for seed in range(len(images))
    ]
    group = NetworkGroup(networks)
    step = GroupStep(group, images, scribbles=scribbles, continuity=continuity)
    observation = step.forward()
    weights = torch.arange(1, len(images) + 1, dtype=images.dtype)
    gradients = step.gradients(weights)
    for number, (network, image) in enumerate(zip(networks, images, strict=True)):
        plain = PlainStep(network, image, scribbles=scribbles, continuity=continuity)
        expected = plain.forward()
        assert torch.equal(observation.labels[number], expected.labels)
        assert observation.label_count[number] == expected.label_count
        torch.testing.assert_close(observation.similarity_loss[number], expected.similarity_loss)
        torch.testing.assert_close(observation.continuity_loss[number], expected.continuity_loss)
        by_parameter = plain.gradients(weights[number])
        # In the row of all values, a network's come in the order of its parameters.
        flat = torch.cat([by_parameter[parameter].flatten() for parameter in network.parameters()])
        assert largest_difference(gradients[group.owners == number], flat) < 1e-9


@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("size", [(12, 16), (13, 17), (1, 9), (9, 1), (2, 1)])
@pytest.mark.parametrize("components", [1, 2, 3])
def test_each_network_is_as_if_it_were_alone(networks: int, size: tuple[int, int], components: int) -> None:
    compare(random_images(networks, *size), components, 7)


# On fewer pixels responses are equal but for rounding, which chooses the label.
@given(st.integers(3, 10), st.integers(3, 10), st.integers(1, 4), st.integers(3, 6), st.integers(1, 5))
@example(10, 3, 2, 5, 1)
@settings(max_examples=25)
def test_every_shape(height: int, width: int, networks: int, channels: int, bands: int) -> None:
    compare(random_images(networks, height, width, bands), 2, channels)


@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("size", [(12, 16), (1, 9), (9, 1)])
def test_smooth_l1_is_that_of_each_network_alone(networks: int, size: tuple[int, int]) -> None:
    compare(random_images(networks, *size), 2, 7, continuity="smooth_l1")


@pytest.mark.parametrize("networks", [1, 2])
def test_scribbles_come_first(networks: int) -> None:
    scribbles = torch.full((12, 16), -1)
    scribbles[2:4, 2:12], scribbles[9:11, 3:9] = 0, 4
    compare(random_images(networks, 12, 16), 2, 7, scribbles)


@pytest.mark.parametrize("networks", [1, 2])
def test_a_reduced_type_is_near_the_plain_steps_autocast(networks: int) -> None:
    images = random_images(networks, 24, 32).float()
    trained = [initial_network(2, 10, seed) for seed in range(networks)]
    step = GroupStep(NetworkGroup(trained), images, reduced_type=torch.bfloat16)
    observation = step.forward()
    assert observation.similarity_loss.dtype == torch.float32
    assert step.gradients(torch.ones(networks)).dtype == torch.float32
    for number, (network, image) in enumerate(zip(trained, images, strict=True)):
        expected = PlainStep(network, image).forward()
        assert (observation.labels[number] == expected.labels).double().mean() > 0.9
        torch.testing.assert_close(observation.similarity_loss[number], expected.similarity_loss, rtol=0.1, atol=0)


def test_gradients_need_a_forward_pass() -> None:
    step = GroupStep(NetworkGroup([initial_network(1, 4, 0)]), random_images(1, 4, 4).float())
    with pytest.raises(RuntimeError, match="forward"):
        step.gradients(torch.ones(1))


def test_a_group_gives_back_what_it_took() -> None:
    networks = [initial_network(2, 5, seed) for seed in range(3)]
    others = [initial_network(2, 5, seed) for seed in range(3, 6)]
    NetworkGroup(networks).store(others)
    for network, other in zip(networks, others, strict=True):
        for parameter, copied in zip(network.parameters(), other.parameters(), strict=True):
            assert torch.equal(parameter, copied)
