"""Steps, loop, groups, prediction, API and IIC where `--device` and `--dtype` say, against the CPU in double precision.

pytest --device cuda tests/training/test_on_device.py
pytest --dtype float64 tests/training/test_on_device.py
"""

import copy
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import dynseg
from dynseg.methods import Context
from dynseg.methods.iic import IicParameters
from dynseg.methods.iic import segment as segment_by_iic
from dynseg.training.group.loop import train_together
from dynseg.training.group.network import NetworkGroup
from dynseg.training.group.step import GroupStep
from dynseg.training.joint_step import JointStep
from dynseg.training.loop import CHECK_EVERY, make_step, train
from dynseg.training.network import SegmentationNetwork, initial_network
from dynseg.training.parameters import TrainingParameters
from dynseg.training.precision import tf32_allowed
from dynseg.training.prediction import label_map
from dynseg.training.step import Observation, PlainStep, Step
from dynseg.training.weighting import weight_of

CHANNELS = 10
WEIGHT = 2.5
# Relative errors of the losses, and of all gradients together. Reduced types compute the network by autocast.
TOLERANCES = {
    torch.float64: (1e-9, 1e-9),
    torch.float32: (1e-4, 1e-3),
    torch.float16: (2e-2, 1e-1),
    torch.bfloat16: (1e-1, 3e-1),
}
REDUCED = (torch.float16, torch.bfloat16)
QUICK = {"iterations": 6, "channels": 12, "minimum_labels": 1}


def picture(height: int = 24, width: int = 32) -> NDArray[np.uint8]:
    """Two flat regions with noise."""
    image = np.random.default_rng(0).integers(0, 60, (height, width, 3))
    image[:, width // 2 :] += np.array([190, 90, 30])
    return image.astype(np.uint8)


def image_of(device: str, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(picture() / 255).permute(2, 0, 1).to(device, dtype)


def network_of(device: str, dtype: torch.dtype) -> SegmentationNetwork:
    return initial_network(2, CHANNELS, seed=0).to(device, dtype)


def plain_step(device: str, dtype: torch.dtype, scribbles: Tensor | None = None) -> tuple[PlainStep, list[Tensor]]:
    """Return a step and the parameters that it has gradients of."""
    autocast, kept = (dtype, torch.float32) if dtype in REDUCED else (None, dtype)
    network = network_of(device, kept)
    targets = None if scribbles is None else scribbles.to(device)
    step = PlainStep(network, image_of(device, kept), autocast=autocast, scribbles=targets)
    return step, list(network.parameters())


def observe(step: Step, parameters: list[Tensor], target: Tensor) -> tuple[Observation, Tensor]:
    """Return what a forward pass shows, and its gradients towards a target in one row, in float64 on the CPU."""
    with tf32_allowed(False):
        observation = step.forward()
        weight = torch.tensor(WEIGHT, device=target.device, dtype=observation.similarity_loss.dtype)
        gradients = step.gradients(weight, target)
    return observation, torch.cat([gradients[parameter].flatten().cpu().double() for parameter in parameters])


def some_scribbles() -> Tensor:
    scribbles = torch.full(picture().shape[:2], -1)
    scribbles[2:4, 2:12], scribbles[20:22, 20:30] = 0, 1
    return scribbles


@pytest.mark.parametrize("scribbles", [None, some_scribbles()], ids=["free", "scribbled"])
def test_the_plain_step_is_that_of_the_cpu_in_double_precision(
    device: str, dtype: torch.dtype, scribbles: Tensor | None
) -> None:
    of_losses, of_gradients = TOLERANCES[dtype]
    # One target for both: where two responses are nearly equal, rounding chooses the argmax.
    target = torch.randint(CHANNELS, picture().shape[:2], generator=torch.Generator().manual_seed(0))
    expected, expected_gradients = observe(*plain_step("cpu", torch.float64, scribbles), target)
    observed, gradients = observe(*plain_step(device, dtype, scribbles), target.to(device))

    assert observed.labels.device.type == observed.similarity_loss.device.type == device
    share_of_equal = (observed.labels.cpu() == expected.labels).double().mean().item()
    assert share_of_equal >= 1 - of_losses
    assert abs(observed.label_count.item() - expected.label_count.item()) <= (dtype in REDUCED)
    assert observed.similarity_loss.item() == pytest.approx(expected.similarity_loss.item(), rel=of_losses)
    assert observed.continuity_loss.item() == pytest.approx(expected.continuity_loss.item(), rel=of_losses)
    error = (gradients - expected_gradients).norm() / expected_gradients.norm()
    assert error.item() < of_gradients


def test_the_loops_first_iterations_are_those_of_the_cpu_in_double_precision(device: str, dtype: torch.dtype) -> None:
    parameters = TrainingParameters(components=2, channels=CHANNELS, iterations=4, stop="fixed", minimum_labels=1)
    weighting = weight_of("fsf", 15.0)
    expected_step, _ = plain_step("cpu", torch.float64)
    expected = train(expected_step, weighting, parameters).history
    step, _ = plain_step(device, dtype)
    with tf32_allowed(False):
        found = train(step, weighting, parameters, check_every=CHECK_EVERY[device]).history
    tolerance = 10 * TOLERANCES[dtype][0]
    for name in ("similarity_loss", "continuity_loss"):
        np.testing.assert_allclose(found[name], expected[name], rtol=tolerance, err_msg=name)
    assert np.abs(found["label_count"] - expected["label_count"]).max() <= (0 if dtype == torch.float64 else 1)


def test_how_often_the_loop_checks_changes_nothing(device: str) -> None:
    parameters = TrainingParameters(components=2, channels=CHANNELS, iterations=20, minimum_labels=9, step="plain")
    runs = []
    for check_every in (1, 7):
        network = network_of(device, torch.float32)
        step = make_step(network, image_of(device, torch.float32), parameters)
        with tf32_allowed(False):
            result = train(step, weight_of("fixed", 5.0), parameters, check_every=check_every)
        runs.append((result, [parameter.detach().cpu() for parameter in network.parameters()]))
    (first, first_weights), (second, second_weights) = runs
    # Soon, so that what a GPU rounds otherwise each time stays small.
    assert first.stopped_by == second.stopped_by == "labels"
    assert len(first.history["iteration"]) == len(second.history["iteration"])
    for one, other in zip(first_weights, second_weights, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def group_losses(device: str, kept: torch.dtype, count: int, **options: Any) -> tuple[list[Tensor], Tensor]:
    """Return the losses of a group's forward pass, and its gradients by network, in float64 on the CPU."""
    networks = [initial_network(2, CHANNELS, seed).to(device, kept) for seed in range(count)]
    group = NetworkGroup(networks)
    images = image_of(device, kept).expand(count, -1, -1, -1)
    step = GroupStep(group, images, **options)
    with tf32_allowed(False):
        shown = step.forward()
        gradients = step.gradients(torch.full((count,), WEIGHT, device=device, dtype=kept)).cpu().double()
    losses = [shown.similarity_loss.cpu().double(), shown.continuity_loss.cpu().double()]
    return losses, torch.stack([gradients[group.owners.cpu() == number] for number in range(count)])


@pytest.mark.parametrize("count", [1, 3])
def test_a_group_is_that_of_the_cpu_in_double_precision(device: str, dtype: torch.dtype, count: int) -> None:
    if device == "mps":
        pytest.skip("groups run on the CPU and on CUDA")
    of_losses, of_gradients = TOLERANCES[dtype]
    reduced, kept = (dtype, torch.float32) if dtype in REDUCED else (None, dtype)
    expected, expected_gradients = group_losses("cpu", torch.float64, count)
    losses, gradients = group_losses(device, kept, count, reduced_type=reduced)
    for loss, other in zip(losses, expected, strict=True):
        torch.testing.assert_close(loss, other, rtol=of_losses, atol=0)
    errors = (gradients - expected_gradients).norm(dim=1) / expected_gradients.norm(dim=1)
    # Of reduced types other labels than the expected ones are targets at some pixels.
    assert errors.max() < (1.0 if reduced else of_gradients)


@pytest.mark.parametrize("captured", [False, True])
def test_groups_train_as_single_networks_do_on_the_cpu(device: str, captured: bool) -> None:
    if device == "mps":
        pytest.skip("groups run on the CPU and on CUDA")
    parameters = TrainingParameters(components=2, channels=CHANNELS, iterations=20, minimum_labels=9, step="plain")
    weighting = weight_of("fsf", 15.0)
    networks = [initial_network(2, CHANNELS, seed).to(device) for seed in range(3)]
    images = image_of(device, torch.float32).expand(3, -1, -1, -1)
    with warnings.catch_warnings():
        # That an iteration couldn't be captured.
        warnings.simplefilter("error", RuntimeWarning)
        results = train_together(networks, images, parameters, weighting, captured=captured)
    for seed, result in enumerate(results):
        step = PlainStep(initial_network(2, CHANNELS, seed).double(), image_of("cpu", torch.float64))
        expected = train(step, weighting, parameters)
        shortest = min(len(expected.history["iteration"]), len(result.history["iteration"]), 5)
        for name in ("similarity_loss", "continuity_loss"):
            np.testing.assert_allclose(result.history[name][:shortest], expected.history[name][:shortest], rtol=1e-3)


def test_a_joint_step_of_the_same_image_twice_is_the_step_of_one(device: str) -> None:
    network = network_of(device, torch.float32)
    image = image_of(device, torch.float32)
    target = torch.zeros(picture().shape[:2], dtype=torch.int64, device=device)
    parameters = list(network.parameters())
    one, gradients = observe(PlainStep(network, image), parameters, target)
    joint = JointStep([PlainStep(network, image) for _ in range(2)], CHANNELS)
    both, of_both = observe(joint, parameters, target.flatten().repeat(2)[None])
    assert both.label_count == one.label_count
    torch.testing.assert_close(both.similarity_loss, one.similarity_loss)
    torch.testing.assert_close(of_both, gradients, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [None, (37, 48)], ids=["its own size", "enlarged"])
def test_the_label_map_is_that_of_the_cpu(device: str, size: tuple[int, int] | None) -> None:
    parameters = TrainingParameters(components=2, channels=CHANNELS)
    network = network_of("cpu", torch.float32)
    expected = label_map(copy.deepcopy(network).double(), image_of("cpu", torch.float64), parameters, size)
    found = label_map(network.to(device), image_of(device, torch.float32), parameters, size)
    assert found.device.type == device
    assert (found.cpu() == expected).double().mean() > 0.999


def test_segmenting_fitting_and_applying(device: str) -> None:
    image = picture()
    result = dynseg.segment(image, device=device, **QUICK)
    assert result.labels.shape == image.shape[:2]
    assert np.isfinite(result.history["similarity_loss"]).all()
    assert result.history["label_count"][0] == dynseg.segment(image, device="cpu", **QUICK).history["label_count"][0]

    model = dynseg.fit([image, image[:, ::-1]], device=device, **QUICK)
    assert {parameter.device.type for parameter in model.network.parameters()} == {"cpu"}
    labels = dynseg.apply_model(model, image, device=device).labels
    assert labels.shape == image.shape[:2]
    assert (labels == dynseg.apply_model(model, image, device="cpu").labels).mean() > 0.99


def test_scribbles_stay_where_they_were_drawn(device: str) -> None:
    scribbles = np.full(picture().shape[:2], 255, np.uint8)
    scribbles[4:20, 2:12], scribbles[4:20, 20:30] = 3, 8
    result = dynseg.segment(picture(), scribbles=scribbles, device=device, **QUICK)
    assert {3, 8} <= set(np.unique(result.labels))


def test_the_same_seed_gives_the_same_label_map(device: str) -> None:
    if device != "cpu":
        pytest.skip("a GPU adds up in another order each time")
    first, second = (dynseg.segment(picture(), seed=1, device=device, **QUICK).labels for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_regions(device: str) -> None:
    if device == "mps":
        pytest.skip("regions run on the CPU and on CUDA")
    result = dynseg.segment_regions(picture(), segments=2, device=device)
    left, right = result.labels[:, :14], result.labels[:, 18:]
    assert np.unique(result.labels).size == 2
    # The two halves of the picture.
    assert (left == np.bincount(left.ravel()).argmax()).mean() > 0.9
    assert (right == np.bincount(right.ravel()).argmax()).mean() > 0.9
    assert np.bincount(left.ravel()).argmax() != np.bincount(right.ravel()).argmax()


def test_iic(device: str) -> None:
    parameters = IicParameters(components=2, channels=8, displacement=2, iterations=3, scale=1.0)
    with tf32_allowed(False):
        on_device, on_cpu = (
            segment_by_iic(picture(), Context(seed=0, device=place), parameters) for place in (device, "cpu")
        )
    assert on_device.labels.shape == picture().shape[:2]
    # The same views and initial weights, whatever the device.
    expected, found = (result.history["mutual_information_loss"] for result in (on_cpu, on_device))
    np.testing.assert_allclose(found, expected, rtol=5e-2, atol=1e-3)
