"""The training loop, against a direct float64 evaluation of the paper's equations."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor

from dynseg.errors import UserError
from dynseg.parameters import TrainingParameters
from dynseg.training.loop import make_step, train
from dynseg.training.network import initial_network
from dynseg.training.step import Observation, PlainStep
from dynseg.training.weighting import weight_of


def picture(height: int = 16, width: int = 12, seed: int = 0) -> Tensor:
    """Two flat regions with noise, (3, H, W) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    image = 0.2 * torch.rand(3, height, width, generator=generator)
    image[:, :, width // 2 :] += torch.tensor([0.7, 0.3, 0.1])[:, None, None]
    return image


class DirectEvaluation:
    """The network, the losses and gradient descent with momentum, written from the paper in float64."""

    def __init__(self, weights: list[Tensor], image: Tensor) -> None:
        self.weights = [weight.detach().double().requires_grad_() for weight in weights]
        self.velocities = [torch.zeros_like(weight) for weight in self.weights]
        self.image = image.double()

    def normalise(self, values: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
        mean = values.mean(dim=(1, 2), keepdim=True)
        variance = ((values - mean) ** 2).mean(dim=(1, 2), keepdim=True)
        return gain[:, None, None] * (values - mean) / torch.sqrt(variance + 1e-5) + offset[:, None, None]

    def convolve(self, values: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        size = kernel.shape[-1]
        padded = torch.nn.functional.pad(values, [size // 2] * 4)
        height, width = values.shape[1:]
        total = bias[:, None, None].expand(-1, height, width)
        for row in range(size):
            for column in range(size):
                shifted = padded[:, row : row + height, column : column + width]
                total = total + torch.einsum("oi,ihw->ohw", kernel[:, :, row, column], shifted)
        return total

    def iterate(self, scheme: str, mu: float) -> tuple[int, float, float]:
        components = (len(self.weights) // 4) - 1
        kernels, affine = self.weights[: 2 * components + 2], self.weights[2 * components + 2 :]
        values = self.image
        for index in range(components + 1):
            values = self.convolve(values, kernels[2 * index], kernels[2 * index + 1])
            values = torch.relu(values) if index < components else values
            values = self.normalise(values, affine[2 * index], affine[2 * index + 1])
        labels = values.argmax(dim=0)
        label_count = len(np.unique(labels))
        chosen = values.gather(0, labels[None])[0]
        similarity = (torch.logsumexp(values, dim=0) - chosen).mean()
        continuity = (values[:, 1:] - values[:, :-1]).abs().mean() + (values[:, :, 1:] - values[:, :, :-1]).abs().mean()
        weight = {"fixed": mu, "fsf": label_count / mu, "scf": mu / label_count}[scheme]
        gradients = torch.autograd.grad(similarity + weight * continuity, self.weights)
        with torch.no_grad():
            for parameter, velocity, gradient in zip(self.weights, self.velocities, gradients, strict=True):
                velocity.copy_(0.9 * velocity + gradient)
                parameter -= 0.1 * velocity
        return label_count, similarity.item(), continuity.item()


@pytest.mark.parametrize("kind", ["fast", "plain"])
@pytest.mark.parametrize(("scheme", "mu"), [("fixed", 5), ("fsf", 15), ("scf", 50)])
@pytest.mark.parametrize("components", [2, 3])
def test_the_first_iterations_are_those_of_the_paper(kind: str, scheme: str, mu: float, components: int) -> None:
    parameters = TrainingParameters(components=components, channels=20, iterations=6, stop="fixed", step=kind)
    network = initial_network(components, 20, seed=1)
    expected = DirectEvaluation([parameter.clone() for parameter in network.parameters()], picture())
    rows = [expected.iterate(scheme, mu) for _ in range(parameters.iterations)]
    history = train(make_step(network, picture(), parameters), weight_of(scheme, mu), parameters).history
    assert history["label_count"].tolist() == [row[0] for row in rows]
    np.testing.assert_allclose(history["similarity_loss"], [row[1] for row in rows], rtol=2e-4)
    np.testing.assert_allclose(history["continuity_loss"], [row[2] for row in rows], rtol=2e-4)


@dataclass
class Script:
    """A step that shows given label maps, and whose one parameter tells how far it has moved."""

    maps: list[Tensor]
    loss: float = 1.0
    shown: int = 0
    parameter: Tensor = field(default_factory=lambda: torch.zeros(()))

    @property
    def moved(self) -> float:
        return -float(self.parameter)

    def forward(self) -> Observation:
        labels = self.maps[min(self.shown, len(self.maps) - 1)]
        self.shown += 1
        count = torch.tensor(len(labels.unique()))
        return Observation(labels, count, torch.tensor(self.loss), torch.tensor(0.5))

    def gradients(self, weight: Tensor, target: Tensor | None = None) -> dict[Tensor, Tensor]:
        return {self.parameter: torch.ones(())}


def changing_maps(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 10, (8, 8), generator=generator) for _ in range(count)]


def run(step: Script, check_every: int = 1, **settings: object) -> tuple[str, int]:
    parameters = TrainingParameters(**{"iterations": 100, "minimum_labels": 3, "momentum": 0.0, **settings})  # type: ignore[arg-type]
    trained = train(step, weight_of("fixed", 1), parameters, check_every=check_every)
    assert trained.history["iteration"].tolist() == list(range(1, len(trained.history["iteration"]) + 1))
    return trained.stopped_by, len(trained.history["iteration"])


@pytest.mark.parametrize("check_every", [1, 10])
def test_training_stops_after_the_update_that_sees_few_labels(check_every: int) -> None:
    few = torch.tensor([[0, 1, 2, 2]])
    step = Script([*changing_maps(6), few])
    assert run(step, check_every, stop="fixed") == ("labels", 7)
    assert step.moved == pytest.approx(0.7)


@pytest.mark.parametrize("check_every", [1, 10])
def test_training_stops_when_the_label_map_stands_still(check_every: int) -> None:
    step = Script(changing_maps(12))
    settings = {"stop": "settled", "settled_iterations": 5, "settled_share": 0.01}
    # From the 12th map on nothing changes: the maps of iterations 15 and 20 are equal.
    assert run(step, check_every, **settings) == ("settled", 20)
    assert step.moved == pytest.approx(2.0)


def test_training_runs_to_the_end_otherwise() -> None:
    assert run(Script(changing_maps(3)), stop="fixed", iterations=40) == ("iterations", 40)
    assert run(Script(changing_maps(100)), stop="settled", settled_iterations=5) == ("iterations", 100)


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(UserError, match="no longer finite at iteration 1"):
        run(Script(changing_maps(3), loss=float("nan")))


def test_targets_are_refined_and_counted_before() -> None:
    parameters = TrainingParameters(components=1, channels=10, iterations=2, stop="fixed", step="plain")
    network = initial_network(1, 10, seed=0)
    step = make_step(network, picture(), parameters)
    assert isinstance(step, PlainStep)
    seen: list[int] = []

    def refine(labels: Tensor) -> Tensor:
        seen.append(len(labels.unique()))
        return torch.zeros_like(labels)

    history = train(step, weight_of("fixed", 1), parameters, refine).history
    assert history["label_count"].tolist() == seen


@pytest.mark.parametrize("check_every", [1, 10])
def test_a_callback_sees_every_iteration_of_the_history(check_every: int) -> None:
    seen: list[tuple[int, int, float]] = []
    step = Script([*changing_maps(6), torch.tensor([[0, 1, 2, 2]])])
    parameters = TrainingParameters(iterations=100, stop="fixed")
    weighting = weight_of("fsf", 15)

    def on_iteration(iteration: int, observation: Observation, weight: Tensor) -> None:
        seen.append((iteration, int(observation.label_count), float(weight)))

    history = train(step, weighting, parameters, None, check_every, on_iteration).history
    rows = list(zip(history["iteration"], history["label_count"], history["weight"], strict=True))
    assert seen[: len(rows)] == rows
    assert len(seen) < len(rows) + check_every


def test_an_exception_of_the_callback_ends_the_training() -> None:
    def on_iteration(iteration: int, observation: Observation, weight: Tensor) -> None:
        if iteration == 3:
            raise InterruptedError

    step = Script(changing_maps(9))
    with pytest.raises(InterruptedError):
        train(step, weight_of("fixed", 1), TrainingParameters(), on_iteration=on_iteration)
    assert step.shown == 3
