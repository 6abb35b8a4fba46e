"""Several trainings side by side against each alone, and what the loop asks of the device."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from counted_operations import CountedOperations
from torch import Tensor

from dynseg.errors import UserError
from dynseg.training.group.loop import WARM_UP, GroupLoop, cuda_graph, train_together
from dynseg.training.group.network import NetworkGroup
from dynseg.training.group.step import GroupStep
from dynseg.training.loop import make_step, train
from dynseg.training.network import SegmentationNetwork, initial_network
from dynseg.training.parameters import TrainingParameters
from dynseg.training.run import train_and_apply, train_and_apply_together
from dynseg.training.step import Observation
from dynseg.training.weighting import weight_of

CHANNELS = 10


def some_parameters(**changes: object) -> TrainingParameters:
    usual = {"components": 2, "channels": CHANNELS, "iterations": 20, "minimum_labels": 1, "step": "plain"}
    return TrainingParameters(**{**usual, **changes})  # type: ignore[arg-type]


def pictures(count: int, height: int = 20, width: int = 24, dtype: torch.dtype = torch.float64) -> Tensor:
    """Images of two flat regions with noise, whose trainings stop at different times."""
    generator = torch.Generator().manual_seed(1)
    images = 0.3 * torch.rand(count, 3, height, width, generator=generator, dtype=dtype)
    for number, image in enumerate(images):
        image[:, :, (number + 1) * width // (count + 2) :] += 0.6
    return images


def some_networks(count: int, dtype: torch.dtype = torch.float64) -> list[SegmentationNetwork]:
    return [initial_network(2, CHANNELS, seed).to(dtype) for seed in range(count)]


def loop_of(networks: list[SegmentationNetwork], images: Tensor, parameters: TrainingParameters) -> GroupLoop:
    group = NetworkGroup(networks)
    return GroupLoop(group, GroupStep(group, images), parameters, weight_of("fsf", 15.0))


@pytest.mark.parametrize(
    "changes",
    [
        {"stop": "fixed"},
        {"stop": "fixed", "minimum_labels": 7, "iterations": 60},
        {"settled_iterations": 4, "settled_share": 0.05, "iterations": 60},
    ],
    ids=["all iterations", "few labels", "settled"],
)
@pytest.mark.parametrize("scheme", ["fsf", "scf", "fixed"])
def test_each_training_is_as_if_it_were_alone(changes: dict[str, object], scheme: str) -> None:
    parameters, weighting = some_parameters(**changes), weight_of(scheme, 15.0)
    networks, images = some_networks(3), pictures(3)
    alone = copy.deepcopy(networks)
    results = train_together(networks, images, parameters, weighting)
    for network, other, image, result in zip(networks, alone, images, results, strict=True):
        expected = train(make_step(other, image, parameters), weighting, parameters)
        assert result.stopped_by == expected.stopped_by
        assert result.history.keys() == expected.history.keys()
        for name, values in expected.history.items():
            np.testing.assert_allclose(result.history[name], values, rtol=1e-7, err_msg=name)
        for parameter, same in zip(network.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(parameter, same, rtol=1e-6, atol=1e-8)


def test_trainings_of_one_group_stop_at_different_times() -> None:
    parameters = some_parameters(stop="fixed", minimum_labels=7, iterations=60)
    results = train_together(some_networks(3), pictures(3), parameters, weight_of("fsf", 15.0))
    assert len({len(result.history["iteration"]) for result in results}) > 1


def test_label_maps_are_those_of_single_trainings() -> None:
    parameters = some_parameters(step="fast", scale=0.5, iterations=10)
    images, weighting = pictures(3, 40, 48, torch.float32), weight_of("fsf", 15.0)
    seeds = [3, 4, 3]
    for found, image, seed in zip(
        train_and_apply_together(images, seeds, parameters, weighting), images, seeds, strict=True
    ):
        expected = train_and_apply(image, seed, parameters, weighting)
        assert (found.labels == expected.labels).mean() > 0.995
        assert found.facts == expected.facts
        np.testing.assert_array_equal(found.history["label_count"], expected.history["label_count"])
        np.testing.assert_allclose(found.history["similarity_loss"], expected.history["similarity_loss"], rtol=1e-3)


def test_a_callback_sees_every_iteration_of_every_network() -> None:
    seen: list[list[tuple[int, int, float, float]]] = [[], []]
    kept: list[tuple[Tensor, Tensor]] = []

    def on_iteration(iteration: int, shown: Observation, weight: Tensor) -> None:
        rows = seen[len(kept) % 2]
        rows.append((iteration, int(shown.label_count), float(weight), float(shown.similarity_loss)))
        kept.append((shown.labels, shown.labels.clone()))

    parameters = some_parameters(stop="fixed", iterations=8)
    results = train_together(
        some_networks(2), pictures(2), parameters, weight_of("scf", 50.0), on_iteration=on_iteration
    )
    for rows, result in zip(seen, results, strict=True):
        names = ("iteration", "label_count", "weight", "similarity_loss")
        assert rows == list(zip(*(result.history[name] for name in names), strict=True))
    # What it was shown stays as it was.
    assert all(torch.equal(labels, then) for labels, then in kept)


def test_an_exception_of_the_callback_ends_the_training() -> None:
    def on_iteration(iteration: int, shown: Observation, weight: Tensor) -> None:
        if iteration == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train_together(
            some_networks(1), pictures(1), some_parameters(), weight_of("fsf", 15.0), on_iteration=on_iteration
        )


@pytest.mark.parametrize("check_every", [1, 4, 100])
@pytest.mark.parametrize("captured", [False, True])
def test_how_often_the_loop_checks_and_what_repeats_it_change_nothing(check_every: int, captured: bool) -> None:
    parameters = some_parameters(stop="fixed", minimum_labels=7, iterations=60)
    repeated: list[int] = []

    def capture(iterate: Callable[[], None]) -> Callable[[], None]:
        """As a CUDA graph: capturing does nothing, replaying does the iteration."""

        def replay() -> None:
            repeated.append(1)
            iterate()

        return replay

    expected = loop_of(some_networks(2), pictures(2), parameters)
    expected.run(check_every=1)
    loop = loop_of(some_networks(2), pictures(2), parameters)
    loop.run(check_every, capture=capture if captured else None)
    iterations = [len(result.history["iteration"]) for result in expected.results()]
    assert [len(result.history["iteration"]) for result in loop.results()] == iterations
    for result, other in zip(loop.results(), expected.results(), strict=True):
        np.testing.assert_array_equal(result.history["similarity_loss"], other.history["similarity_loss"])
    if captured:
        # No more than two checks after the last stop.
        assert max(iterations) - WARM_UP <= len(repeated) <= max(iterations) + 2 * check_every - WARM_UP
    else:
        assert not repeated


@pytest.mark.skipif(torch.cuda.is_available(), reason="a graph can be captured here")
def test_without_a_graph_training_goes_on_and_says_so() -> None:
    loop = loop_of(some_networks(1), pictures(1), some_parameters(iterations=6))
    with pytest.warns(RuntimeWarning, match="training goes on without a CUDA graph"):
        loop.run(check_every=2, capture=cuda_graph)
    assert len(loop.results()[0].history["iteration"]) == 6


def test_weights_after_the_stop_are_those_at_the_stop() -> None:
    parameters = some_parameters(stop="fixed", minimum_labels=7, iterations=60)
    weights = []
    for check_every in (1, 50):
        networks = some_networks(1)
        group = NetworkGroup(networks)
        loop = GroupLoop(group, GroupStep(group, pictures(1)), parameters, weight_of("fsf", 15.0))
        loop.run(check_every)
        assert loop.results()[0].stopped_by == "labels"
        weights.append(group.values)
    assert torch.equal(*weights)


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(UserError, match="no longer finite at iteration 2"):
        networks, images = some_networks(2, torch.float32), pictures(2, dtype=torch.float32)
        train_together(networks, images, some_parameters(iterations=5), weight_of("fixed", 1e38))


@pytest.mark.parametrize("scheme", ["fsf", "scf", "fixed"])
@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("reduced_type", [None, torch.bfloat16])
def test_an_iteration_stays_on_its_device(scheme: str, networks: int, reduced_type: torch.dtype | None) -> None:
    """The meta device has no values: what reads one fails there, as capturing a CUDA graph does."""
    group = NetworkGroup([SegmentationNetwork(2, 100).to("meta") for _ in range(networks)])
    step = GroupStep(group, torch.zeros(networks, 3, 80, 120, device="meta"), reduced_type=reduced_type)
    loop = GroupLoop(group, step, TrainingParameters(components=2), weight_of(scheme, 15.0))
    loop.iterate()
    with CountedOperations() as counted:
        loop.iterate()
    assert counted.devices == {"meta"}
    assert counted.waits() == 0


def test_more_iterations_wait_for_the_device_no_more_often() -> None:
    waits = []
    for iterations in (10, 40):
        loop = loop_of(some_networks(2), pictures(2), some_parameters(stop="settled", iterations=iterations))
        with CountedOperations() as counted:
            loop.run(check_every=5)
        assert sum(counted.calls.values()) > 50 * iterations
        waits.append(counted.waits())
    assert waits == [0, 0]


def test_more_networks_ask_for_no_more_operations() -> None:
    counts = []
    for networks in (2, 9):
        loop = loop_of(some_networks(networks), pictures(networks), some_parameters())
        loop.iterate()
        with CountedOperations() as counted:
            loop.iterate()
        counts.append(counted.calls)
    assert counts[0] == counts[1]
    # Each is a kernel on a GPU, of which it starts some hundred thousand a second.
    assert counts[0].total() <= 107
