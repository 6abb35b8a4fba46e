"""Label maps of a network: one forward pass."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynseg.training.descent import GradientDescent
from dynseg.training.fast.step import FastStep
from dynseg.training.network import SegmentationNetwork, initial_network
from dynseg.training.parameters import TrainingParameters
from dynseg.training.prediction import label_map


def trained_network(image: torch.Tensor, components: int = 2, channels: int = 20) -> SegmentationNetwork:
    network = initial_network(components, channels, seed=0, bands=len(image)).to(image.dtype)
    step, optimiser = FastStep(network, image), GradientDescent(momentum=0.9)
    for _ in range(3):
        step.forward()
        optimiser.descend(step.gradients(torch.tensor(2.5)), 0.1)
    return network


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_it_is_the_label_map_that_a_step_shows(height: int, width: int, components: int, bands: int) -> None:
    image = torch.rand(bands, height, width, generator=torch.Generator().manual_seed(0))
    network = trained_network(image, components, 6)
    labels = label_map(network, image)
    assert labels.dtype == torch.int64
    assert torch.equal(labels, FastStep(network, image).forward().labels)


@pytest.mark.parametrize("step", ["fast", "plain"])
def test_an_enlarged_label_map_has_the_size_and_the_labels_of_what_it_comes_from(step: str) -> None:
    image = torch.rand(3, 12, 16, generator=torch.Generator().manual_seed(0))
    network, parameters = trained_network(image), TrainingParameters(step=step)
    labels = label_map(network, image, parameters)
    assert torch.equal(label_map(network, image, parameters, (12, 16)), labels)
    enlarged = label_map(network, image, parameters, (37, 48))
    assert enlarged.shape == (37, 48)
    assert set(enlarged.unique().tolist()) <= set(labels.unique().tolist())
    # The middle of every third pixel lies where the small map's pixel does.
    assert torch.equal(label_map(network, image, parameters, (36, 48))[1::3, 1::3], labels)


def test_both_steps_give_the_same_label_map() -> None:
    image = torch.rand(3, 30, 41, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    network = trained_network(image)
    maps = [label_map(network, image, TrainingParameters(step=step)) for step in ("fast", "plain")]
    assert torch.equal(*maps)


def test_it_holds_two_maps_however_many_layers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(self: torch.Tensor, *shape: object) -> torch.Tensor:
        made.append(shape)
        return new_empty(self, *shape)

    image, made, new_empty = torch.rand(3, 12, 16), list[object](), torch.Tensor.new_empty
    network = initial_network(5, 8, seed=0)
    monkeypatch.setattr(torch.Tensor, "new_empty", counted)
    label_map(network, image)
    assert made.count(((12, 16, 8),)) == 2


@pytest.mark.parametrize("step", ["fast", "plain"])
def test_a_uniform_image_has_one_label_where_the_border_is_repeated(step: str) -> None:
    image = torch.full((3, 30, 40), 0.5)
    parameters = TrainingParameters(components=2, channels=10, step=step)
    network = initial_network(2, 10, seed=0)
    assert label_map(network, image, parameters).unique().numel() > 1
    for size in (None, (60, 80)):
        labels = label_map(network, image, parameters, size, repeats_border=True)
        assert labels.shape == (size or (30, 40))
        assert labels.unique().numel() == 1


def test_beyond_the_reach_of_the_border_responses_differ_by_no_more_than_normalisation() -> None:
    image = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0))
    network = initial_network(1, 6, seed=0)
    published, repeated = label_map(network, image), label_map(network, image, repeats_border=True)
    assert (published != repeated)[3:-3, 3:-3].float().mean() < 0.02


def test_networks_are_of_single_precision_whatever_the_caller_s_default_is() -> None:
    expected = [parameter.clone() for parameter in initial_network(2, 6, seed=1).parameters()]
    torch.set_default_dtype(torch.float64)
    try:
        network = initial_network(2, 6, seed=1)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), expected, strict=True))
