"""The fast step against the plain one: the same observations and updates, in float32 and in float64."""

import copy
from collections.abc import Iterator

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from skimage.data import astronaut
from torch import Tensor

from dynseg.training.descent import GradientDescent
from dynseg.training.fast.step import FastStep
from dynseg.training.loop import make_step as make_step_of
from dynseg.training.loop import train as run_training
from dynseg.training.losses import pixel_weights
from dynseg.training.network import SegmentationNetwork, initial_network
from dynseg.training.parameters import TrainingParameters
from dynseg.training.prediction import label_map
from dynseg.training.step import Observation, PlainStep, Step
from dynseg.training.weighting import weight_of

Shape = tuple[int, int, int, int]
# Height, width, M, channels: even, odd, one row, one column, wide, high enough for several bands.
SHAPES = [(12, 16, 2, 8), (13, 17, 3, 7), (1, 9, 2, 8), (9, 1, 1, 5), (5, 530, 2, 4), (70, 33, 2, 20), (2, 1, 2, 3)]
WEIGHT = torch.tensor(2.5, dtype=torch.float64)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tests of small maps, the plain step's above all, mostly wait when threads share a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def random_image(shape: Shape, bands: int = 3) -> Tensor:
    """An image in float64."""
    return torch.rand(bands, *shape[:2], generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def make_step(
    kind: type, shape: Shape, dtype: torch.dtype, scribbles: Tensor | None = None, bands: int = 3
) -> tuple[Step, SegmentationNetwork]:
    """Return a step on a random image, and the network that it trains."""
    _, _, components, channels = shape
    network = initial_network(components, channels, seed=0, bands=bands).to(dtype)
    return kind(network, random_image(shape, bands).to(dtype), scribbles=scribbles), network


def train(step: Step, iterations: int, weight: Tensor = WEIGHT) -> Observation:
    """Train with momentum, and return the last of some iterations' observations."""
    optimiser = GradientDescent(momentum=0.9)
    for _ in range(iterations):
        observation = step.forward()
        optimiser.descend(step.gradients(weight.to(observation.similarity_loss)), 0.1)
    return observation


def gradients(
    kind: type,
    shape: Shape,
    dtype: torch.dtype,
    target: Tensor | None = None,
    scribbles: Tensor | None = None,
    bands: int = 3,
) -> list[Tensor]:
    """Return the first gradient of every parameter, but of the two constants that the last batch norm takes away."""
    step, network = make_step(kind, shape, dtype, scribbles, bands)
    step.forward()
    found = step.gradients(WEIGHT.to(dtype), target)
    constants = {network.convolutions[-1].bias, network.normalisations[-2].bias}
    return [found[parameter].double() for parameter in network.parameters() if parameter not in constants]


def largest_error(values: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest error of a tensor relative to its norm, or to 1e-3 of the largest norm if that is more.

    Where all gradients are 0 but for rounding, errors are relative to 1e-8: losses and their terms are about 1.
    """
    least = max(1e-3 * max(tensor.norm() for tensor in expected), torch.tensor(1e-8))
    return max(float((a - b).norm() / max(b.norm(), least)) for a, b in zip(values, expected, strict=True))


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[0] * shape[1] > 2])
def test_gradients_in_float32_agree_with_the_plain_step_and_with_float64(shape: Shape) -> None:
    exact = gradients(PlainStep, shape, torch.float64)
    plain = gradients(PlainStep, shape, torch.float32)
    fast = gradients(FastStep, shape, torch.float32)
    assert largest_error(plain, exact) < 1e-4
    assert largest_error(fast, exact) < 1e-4
    assert largest_error(fast, plain) < 1e-4


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_in_float64_are_exact(shape: Shape) -> None:
    assert largest_error(gradients(FastStep, shape, torch.float64), gradients(PlainStep, shape, torch.float64)) < 1e-10


@given(
    st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.integers(2, 6), st.integers(0, 2**32), st.booleans()
)
@example(1, 4, 1, 2, 0, False)
@settings(max_examples=30, deadline=None)
def test_every_shape_and_target(
    height: int, width: int, components: int, channels: int, seed: int, own_target: bool
) -> None:
    if height * width == 1:
        width = 2  # PyTorch's batch norm refuses a single pixel.
    shape = (height, width, components, channels)
    generator = torch.Generator().manual_seed(seed)
    target = None if own_target else torch.randint(channels, (height, width), generator=generator)
    fast = gradients(FastStep, shape, torch.float64, target)
    assert largest_error(fast, gradients(PlainStep, shape, torch.float64, target)) < 1e-6


def test_gradients_of_a_settled_map_in_float32_are_as_good_as_the_plain_steps() -> None:
    """Where the probabilities of labels are nearly 1."""
    image = torch.from_numpy(astronaut()[::6, ::6] / 255).permute(2, 0, 1)
    weight = torch.tensor(0.5, dtype=torch.float64)
    fast_errors, plain_errors = 0.0, 0.0
    for seed in range(4):
        settled = initial_network(2, 30, seed=seed)
        train(FastStep(settled, image.float()), 60, weight)
        gradients = []
        for kind, dtype in ((PlainStep, torch.float64), (PlainStep, torch.float32), (FastStep, torch.float32)):
            network = copy.deepcopy(settled).to(dtype)
            step = kind(network, image.to(dtype))
            step.forward()
            found = step.gradients(weight.to(dtype))
            gradients.append([found[parameter].double() for parameter in network.normalisations[-1].parameters()])
        exact, plain, fast = gradients
        plain_errors, fast_errors = plain_errors + largest_error(plain, exact), fast_errors + largest_error(fast, exact)
    assert fast_errors < 3 * plain_errors


@pytest.mark.parametrize("shape", SHAPES)
def test_trajectories_in_float64_are_the_same(shape: Shape) -> None:
    plain, plain_network = make_step(PlainStep, shape, torch.float64)
    fast, fast_network = make_step(FastStep, shape, torch.float64)
    expected, observed = train(plain, 6), train(fast, 6)
    assert torch.equal(observed.labels, expected.labels)
    assert observed.label_count == expected.label_count
    assert observed.similarity_loss.item() == pytest.approx(expected.similarity_loss.item(), abs=1e-9)
    assert observed.continuity_loss.item() == pytest.approx(expected.continuity_loss.item(), abs=1e-9)
    for parameter, other in zip(fast_network.parameters(), plain_network.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-9, atol=1e-9)


def test_observations_in_float32_agree() -> None:
    shape = (40, 31, 2, 20)
    expected, observed = (make_step(kind, shape, torch.float32)[0].forward() for kind in (PlainStep, FastStep))
    assert torch.equal(observed.labels, expected.labels)
    assert observed.label_count == expected.label_count
    torch.testing.assert_close(observed.similarity_loss, expected.similarity_loss)
    torch.testing.assert_close(observed.continuity_loss, expected.continuity_loss)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_image_has_no_variance_to_amplify(dtype: torch.dtype) -> None:
    network = initial_network(1, 6, seed=0).to(dtype)
    step = FastStep(network, torch.full((3, 9, 9), 0.7, dtype=dtype))
    plain = PlainStep(network, torch.full((3, 9, 9), 0.7, dtype=dtype))
    torch.testing.assert_close(step.forward().similarity_loss, plain.forward().similarity_loss)


def test_a_single_pixel_responds_with_the_offsets() -> None:
    network = initial_network(2, 4, seed=0)
    with torch.no_grad():
        network.normalisations[-1].bias.copy_(torch.tensor([0.0, 1.0, 3.0, 2.0]))
    step = FastStep(network, torch.rand(3, 1, 1))
    observation = step.forward()
    assert observation.labels.tolist() == [[2]]
    assert observation.continuity_loss == 0
    train(step, 1)
    assert all(parameter.isfinite().all() for parameter in network.parameters())


def test_results_do_not_depend_on_threads_or_on_the_run() -> None:
    def parameters_after_training(threads: int) -> list[Tensor]:
        torch.set_num_threads(threads)
        step, network = make_step(FastStep, (70, 33, 2, 20), torch.float32)
        train(step, 4)
        return list(network.parameters())

    expected = parameters_after_training(1)
    for threads in (1, 2, 2, 3):
        for parameter, other in zip(parameters_after_training(threads), expected, strict=True):
            assert torch.equal(parameter, other)


def test_threads_of_the_caller_are_left_alone() -> None:
    torch.set_num_threads(2)
    step, _ = make_step(FastStep, (70, 33, 2, 20), torch.float32)
    train(step, 1)
    assert torch.get_num_threads() == 2


def test_observed_labels_outlive_the_next_forward_pass() -> None:
    step, _ = make_step(FastStep, (12, 16, 2, 8), torch.float32)
    labels = step.forward().labels
    before = labels.clone()
    train(step, 3, torch.tensor(20.0))
    assert torch.equal(labels, before)


@pytest.mark.parametrize("kind", [PlainStep, FastStep])
def test_gradients_need_a_forward_pass(kind: type) -> None:
    step, _ = make_step(kind, (12, 16, 2, 8), torch.float32)
    with pytest.raises(RuntimeError, match="forward"):
        step.gradients(WEIGHT)
    train(step, 1)
    with pytest.raises(RuntimeError, match="forward"):
        step.gradients(WEIGHT)


@pytest.mark.parametrize("bands", [1, 2, 7])
def test_any_number_of_bands_has_exact_gradients(bands: int) -> None:
    shape = (13, 17, 2, 7)
    plain, fast = (gradients(kind, shape, torch.float64, bands=bands) for kind in (PlainStep, FastStep))
    assert largest_error(fast, plain) < 1e-10


def smooth_gradients(
    kind: type,
    shape: Shape,
    dtype: torch.dtype,
    spread: float,
    scribbles: Tensor | None = None,
    valid: Tensor | None = None,
) -> tuple[Observation, list[Tensor]]:
    """What a step with smooth L1 shows, and its gradients but of the two constants, of a batch norm with a spread.

    The last batch norm's factors, half of them negative, decide how many differences are below 1.
    """
    network = initial_network(shape[2], shape[3], seed=0).to(dtype)
    with torch.no_grad():
        factors = network.normalisations[-1].weight
        factors.mul_(torch.linspace(0.5, 1.5, len(factors)) * spread)
        factors[::2].neg_()
    step = kind(network, random_image(shape).to(dtype), scribbles=scribbles, valid=valid, continuity="smooth_l1")
    observation = step.forward()
    found = step.gradients(WEIGHT.to(dtype))
    constants = {network.convolutions[-1].bias, network.normalisations[-2].bias}
    return observation, [found[parameter].double() for parameter in network.parameters() if parameter not in constants]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spread", [0.1, 1.0, 8.0])
def test_gradients_of_smooth_l1_in_float64_are_exact(shape: Shape, spread: float) -> None:
    expected, plain = smooth_gradients(PlainStep, shape, torch.float64, spread)
    observed, fast = smooth_gradients(FastStep, shape, torch.float64, spread)
    assert torch.equal(observed.labels, expected.labels)
    assert observed.continuity_loss.item() == pytest.approx(expected.continuity_loss.item(), rel=1e-9, abs=1e-12)
    assert largest_error(fast, plain) < 1e-9


def test_gradients_of_smooth_l1_are_exact_where_some_pixels_do_not_count() -> None:
    shape = (40, 31, 2, 12)
    valid = torch.rand(40, 31, generator=torch.Generator().manual_seed(1)) < 0.8
    expected, plain = smooth_gradients(PlainStep, shape, torch.float64, 1.0, valid=valid)
    observed, fast = smooth_gradients(FastStep, shape, torch.float64, 1.0, valid=valid)
    assert observed.continuity_loss.item() == pytest.approx(expected.continuity_loss.item(), rel=1e-9)
    assert largest_error(fast, plain) < 1e-9


@pytest.mark.parametrize("scheme", ["fixed", "fsf", "scf"])
def test_trainings_with_smooth_l1_in_float64_have_the_same_counts_and_losses(scheme: str) -> None:
    histories = []
    for kind in (PlainStep, FastStep):
        network = initial_network(2, 20, seed=0).double()
        step = kind(network, random_image((30, 21, 2, 20)), continuity="smooth_l1")
        parameters = TrainingParameters(components=2, channels=20, iterations=8, stop="fixed", minimum_labels=1)
        histories.append(run_training(step, weight_of(scheme, 5), parameters).history)
    plain, fast = histories
    assert fast["label_count"].tolist() == plain["label_count"].tolist()
    for name in ("weight", "similarity_loss", "continuity_loss"):
        assert fast[name].tolist() == pytest.approx(plain[name].tolist(), rel=1e-9)


def test_gradients_of_smooth_l1_in_float32_and_with_scribbles_agree() -> None:
    shape = (70, 33, 2, 20)
    for scribbles in (None, random_scribbles(shape)):
        _, exact = smooth_gradients(PlainStep, shape, torch.float64, 1.0, scribbles)
        _, fast = smooth_gradients(FastStep, shape, torch.float32, 1.0, scribbles)
        assert largest_error(fast, exact) < 1e-4


@pytest.mark.parametrize("kind", ["fast", "plain"])
def test_training_takes_the_continuity_loss_that_it_is_told(kind: str) -> None:
    losses = {}
    for continuity in ("l1", "smooth_l1"):
        parameters = TrainingParameters(components=1, channels=6, step=kind, continuity=continuity)
        step = make_step_of(initial_network(1, 6, seed=0), random_image((12, 16, 1, 6)).float(), parameters)
        losses[continuity] = step.forward().continuity_loss.item()
    assert 0 < losses["smooth_l1"] < losses["l1"]


def random_scribbles(shape: Shape, seed: int = 0, share: float = 0.3) -> Tensor:
    """Labels on about this share of the pixels, -1 elsewhere."""
    height, width, _, channels = shape
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(channels, (height, width), generator=generator)
    return torch.where(torch.rand(height, width, generator=generator) < share, labels, -1)


@pytest.mark.parametrize("shape", [(12, 16, 2, 8), (70, 33, 2, 20), (1, 9, 2, 8)])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_gradients_with_scribbles_in_float64_are_exact(shape: Shape, share: float) -> None:
    scribbles = random_scribbles(shape, share=share)
    plain, fast = (gradients(kind, shape, torch.float64, scribbles=scribbles) for kind in (PlainStep, FastStep))
    assert largest_error(fast, plain) < 1e-10


@given(
    st.integers(1, 12), st.integers(2, 12), st.integers(1, 3), st.integers(2, 6), st.integers(0, 2**32), st.booleans()
)
@settings(max_examples=30, deadline=None)
def test_every_shape_and_scribble(
    height: int, width: int, components: int, channels: int, seed: int, own_target: bool
) -> None:
    shape = (height, width, components, channels)
    scribbles = random_scribbles(shape, seed)
    target = None if own_target else random_scribbles(shape, seed + 1, share=1.0)
    fast = gradients(FastStep, shape, torch.float64, target, scribbles)
    assert largest_error(fast, gradients(PlainStep, shape, torch.float64, target, scribbles)) < 1e-6


def test_trajectories_with_scribbles_in_float64_are_the_same() -> None:
    shape = (40, 31, 2, 20)
    steps = [
        make_step(kind, shape, torch.float64, scribbles=random_scribbles(shape))[0] for kind in (PlainStep, FastStep)
    ]
    expected, observed = (train(step, 6) for step in steps)
    assert torch.equal(observed.labels, expected.labels)
    assert observed.similarity_loss.item() == pytest.approx(expected.similarity_loss.item(), abs=1e-9)


def test_the_loss_with_scribbles_is_the_published_one() -> None:
    shape = (12, 16, 2, 8)
    scribbles = random_scribbles(shape)
    network = initial_network(2, 8, seed=0).double()
    image = torch.rand(3, 12, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    response = network(image[None])[0].flatten(1).T
    labels, scribbled = response.argmax(dim=1), scribbles.flatten() >= 0
    cross_entropy = torch.nn.functional.cross_entropy
    expected = cross_entropy(response[~scribbled], labels[~scribbled]) + 0.5 * cross_entropy(
        response[scribbled], scribbles.flatten()[scribbled]
    )
    observed = FastStep(network, image, scribbles=scribbles).forward().similarity_loss
    assert observed.item() == pytest.approx(expected.item(), rel=1e-9)


def test_scribbles_weigh_the_same_however_many_pixels_they_have() -> None:
    one, many = torch.full((4, 5), -1), torch.full((4, 5), -1)
    one[0, 0] = 2
    many[:2] = 2
    for scribbles in (one, many):
        weights = pixel_weights(scribbles)
        assert weights[scribbles >= 0].sum().item() == pytest.approx(0.5 * 20)
        assert weights[scribbles < 0].sum().item() == pytest.approx(20)


@pytest.mark.parametrize("kind", [PlainStep, FastStep])
def test_scribbled_pixels_come_to_have_their_labels(kind: type) -> None:
    shape = (16, 12, 2, 12)
    scribbles = torch.full((16, 12), -1)
    scribbles[2, 2:10], scribbles[12, 2:10] = 7, 3
    step, network = make_step(kind, shape, torch.float32, scribbles=scribbles)
    train(step, 60)
    labels = label_map(network, random_image(shape).float())
    assert (labels[scribbles >= 0] == scribbles[scribbles >= 0]).double().mean() > 0.9
