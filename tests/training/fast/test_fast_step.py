"""The fast step against the plain one: the same observations and updates, in float32 and in float64."""

import copy
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut
from torch import Tensor

from dynseg.training.fast.step import FastStep
from dynseg.training.joint_step import JointStep
from dynseg.training.losses import pixel_weights
from dynseg.training.network import initial_network
from dynseg.training.step import Observation, PlainStep, Step

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


def make_step(
    kind: type, shape: Shape, dtype: torch.dtype, learning_rate: float = 0.1, scribbles: Tensor | None = None
) -> tuple[Step, list[Tensor]]:
    """Return a step on a random image, and the parameters that it trains."""
    height, width, components, channels = shape
    image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    network = initial_network(components, channels, seed=0).to(dtype)
    step = kind(network, image.to(dtype), learning_rate, scribbles=scribbles)
    return step, [parameter.detach() for parameter in network.parameters()]


def train(step: Step, iterations: int, weight: Tensor = WEIGHT) -> Observation:
    """Return the last of some iterations' observations."""
    for _ in range(iterations):
        observation = step.forward()
        step.update(weight.to(observation.similarity_loss))
    return observation


def gradients(
    kind: type, shape: Shape, dtype: torch.dtype, target: Tensor | None = None, scribbles: Tensor | None = None
) -> list[Tensor]:
    """Return the first gradient of every parameter, but of the two constants that the last batch norm takes away."""
    # A large learning rate, so that the update isn't rounded away beside the parameter.
    learning_rate = 1e6
    step, parameters = make_step(kind, shape, dtype, learning_rate, scribbles)
    before = [parameter.clone() for parameter in parameters]
    step.forward()
    step.update(WEIGHT.to(dtype), target)
    changes = [(start - parameter).double() for parameter, start in zip(parameters, before, strict=True)]
    last_bias, offset_before = 2 * shape[2] + 1, -3
    del changes[offset_before], changes[last_bias]
    return [change / learning_rate for change in changes]


def largest_error(values: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest error of a tensor relative to its norm, or to 1e-3 of the largest norm if that is more."""
    least = 1e-3 * max(tensor.norm() for tensor in expected)
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
    settled = initial_network(2, 30, seed=0)
    train(FastStep(settled, image.float()), 60, weight)
    gradients = []
    for kind, dtype in ((PlainStep, torch.float64), (PlainStep, torch.float32), (FastStep, torch.float32)):
        network = copy.deepcopy(settled).to(dtype)
        step = kind(network, image.to(dtype))
        step.forward()
        found = step.gradients(weight.to(dtype))
        gradients.append([found[parameter].double() for parameter in network.normalisations[-1].parameters()])
    exact, plain, fast = gradients
    assert largest_error(fast, exact) < 3 * largest_error(plain, exact)


@pytest.mark.parametrize("shape", SHAPES)
def test_trajectories_in_float64_are_the_same(shape: Shape) -> None:
    plain, plain_parameters = make_step(PlainStep, shape, torch.float64)
    fast, fast_parameters = make_step(FastStep, shape, torch.float64)
    expected, observed = train(plain, 6), train(fast, 6)
    assert torch.equal(observed.labels, expected.labels)
    assert observed.label_count == expected.label_count
    assert observed.similarity_loss.item() == pytest.approx(expected.similarity_loss.item(), abs=1e-9)
    assert observed.continuity_loss.item() == pytest.approx(expected.continuity_loss.item(), abs=1e-9)
    for parameter, other in zip(fast_parameters, plain_parameters, strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-9, atol=1e-9)
    assert torch.equal(fast.predict(), plain.predict())


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
    step.update(torch.tensor(1.0))
    assert all(parameter.isfinite().all() for parameter in network.parameters())


def test_results_do_not_depend_on_threads_or_on_the_run() -> None:
    def parameters_after_training(threads: int) -> list[Tensor]:
        torch.set_num_threads(threads)
        step, parameters = make_step(FastStep, (70, 33, 2, 20), torch.float32)
        train(step, 4)
        return parameters

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
    step.update(torch.tensor(20.0))
    train(step, 3)
    assert torch.equal(labels, before)


def test_the_learning_rate_may_be_a_tensor() -> None:
    step, parameters = make_step(FastStep, (12, 16, 2, 8), torch.float32)
    before = [parameter.clone() for parameter in parameters]
    step.learning_rate = torch.tensor(0.0)
    train(step, 2)
    assert all(torch.equal(parameter, start) for parameter, start in zip(parameters, before, strict=True))


def test_an_update_needs_a_forward_pass() -> None:
    step, _ = make_step(FastStep, (12, 16, 2, 8), torch.float32)
    with pytest.raises(RuntimeError, match="forward"):
        step.update(WEIGHT)
    train(step, 1)
    with pytest.raises(RuntimeError, match="forward"):
        step.update(WEIGHT)


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
    step, _ = make_step(kind, shape, torch.float32, scribbles=scribbles)
    train(step, 60)
    labels = step.predict()
    assert (labels[scribbles >= 0] == scribbles[scribbles >= 0]).double().mean() > 0.9


@pytest.mark.parametrize("kind", [PlainStep, FastStep])
def test_several_images_descend_along_the_mean_of_their_losses(kind: type) -> None:
    network = initial_network(2, 6, seed=0).double()
    images = [torch.rand(3, height, 9, dtype=torch.float64) for height in (7, 12)]
    parameters = list(network.parameters())
    apart = []
    for image in images:
        step = PlainStep(network, image)
        step.forward()
        apart.append(step.gradients(WEIGHT))
    joint = JointStep([kind(network, image) for image in images], parameters, 6)
    observation = joint.forward()
    assert observation.labels.shape == (1, 7 * 9 + 12 * 9)
    assert observation.label_count == len(observation.labels.unique())
    for parameter, gradient in joint.gradients(WEIGHT).items():
        expected = (apart[0][parameter] + apart[1][parameter]) / 2
        # The last batch norm takes away the bias of the convolution before it.
        torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-9)
    before = parameters[0].detach().clone()
    joint.forward()
    joint.update(WEIGHT)
    assert not torch.equal(parameters[0].detach(), before)


@pytest.mark.parametrize("kind", [PlainStep, FastStep])
def test_an_enlarged_label_map_has_the_size_and_the_labels_of_what_it_comes_from(kind: type) -> None:
    step, _ = make_step(kind, (12, 16, 2, 20), torch.float32)
    train(step, 3)
    labels = step.predict()
    assert torch.equal(step.predict((12, 16)), labels)
    enlarged = step.predict((37, 48))
    assert enlarged.shape == (37, 48)
    assert set(enlarged.unique().tolist()) <= set(labels.unique().tolist())
    # The middle of every third pixel lies where the small map's pixel does.
    assert torch.equal(step.predict((36, 48))[1::3, 1::3], labels)
