"""The paper's network."""

import pytest
import torch

from dynseg.training.network import initial_network


@pytest.mark.parametrize(("components", "parameters"), [(2, 103_600), (3, 193_900)])
def test_it_has_as_many_parameters_as_published(components: int, parameters: int) -> None:
    network = initial_network(components, channels=100, seed=0)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_the_seed_alone_decides_the_initial_weights() -> None:
    first = initial_network(2, 10, seed=3).state_dict()
    torch.rand(5)
    again = initial_network(2, 10, seed=3).state_dict()
    other = initial_network(2, 10, seed=4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["convolutions.0.weight"], other["convolutions.0.weight"])


def test_xavier_weights_fill_their_interval_and_biases_are_zero() -> None:
    first = initial_network(2, 100, seed=0, initialisation="xavier").convolutions[1]
    limit = (6 / (9 * 100 + 9 * 100)) ** 0.5
    assert 0.999 * limit < first.weight.abs().max() <= limit
    assert first.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.02)
    assert not first.bias.any()


def test_drawing_weights_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    initial_network(2, 10, seed=7)
    assert torch.equal(torch.rand(3), expected)


def test_the_response_map_is_normalised_over_the_image() -> None:
    torch.manual_seed(0)
    response = initial_network(2, 10, seed=0)(torch.rand(1, 3, 9, 7))
    assert response.shape == (1, 10, 9, 7)
    torch.testing.assert_close(response.mean(dim=(0, 2, 3)), torch.zeros(10), atol=1e-5, rtol=0)
    torch.testing.assert_close(response.var(dim=(0, 2, 3), correction=0), torch.ones(10), atol=1e-2, rtol=0)
