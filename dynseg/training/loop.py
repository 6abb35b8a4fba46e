"""The training loop: step, q′, weight, stop, history."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dynseg.errors import UserError
from dynseg.training.descent import GradientDescent
from dynseg.training.fast.step import FastStep
from dynseg.training.network import SegmentationNetwork
from dynseg.training.parameters import TrainingParameters
from dynseg.training.precision import autocast_type, in_layout_of, runs_fast
from dynseg.training.step import Observation, PlainStep, Step

# How often, in iterations, training checks whether to stop, by type of device: each check waits for a GPU.
CHECK_EVERY = {"cpu": 1, "cuda": 10, "mps": 10}


OnIteration = Callable[[int, Observation, Tensor], object]
"""Called for every forward pass with the iteration (from 1), what the pass shows and the weight of L_con.

All tensors are on the network's device, of the size of training, and stay as they are; what the callback takes from
them with `.item()` or `.cpu()` waits for a GPU, and nothing else does. An exception that it raises ends the training.
"""


@dataclass(frozen=True)
class TrainingResult:
    """The history of a training, and why it stopped.

    Attributes
    ----------
    history : dict of str to ndarray, (iterations,)
        `iteration` (from 1), `label_count` (q′), `weight`, `similarity_loss`, `continuity_loss`.
    stopped_by : {"labels", "settled", "iterations"}
        Few labels were left, the label map stood still, or T was reached.
    """

    history: dict[str, NDArray[Any]]
    stopped_by: str


def train(
    step: Step,
    weighting: Callable[[Tensor], Tensor],
    parameters: TrainingParameters,
    refine: Callable[[Tensor], Tensor] | None = None,
    check_every: int = 1,
    on_iteration: OnIteration | None = None,
) -> TrainingResult:
    """Train a network on the images of a step (sections III.A and III.B of the paper).

    Parameters
    ----------
    step : Step
        Holds the network and the image, or several images.
    weighting : callable
        From q′, a tensor (), to the weight of the continuity loss, a tensor ().
    parameters : TrainingParameters
    refine : callable, optional
        From the label map (H, W) to the targets (H, W) of the similarity loss; the label map itself if missing.
    check_every : int
        How often, in iterations, the loop checks whether to stop. The device is never waited for in between, and the
        result doesn't depend on it.
    on_iteration : callable, optional
        See `OnIteration`. If checks are more than one iteration apart, it may also be called for the iterations between
        the stop and the next check (on a GPU the one after it), which change nothing and aren't in the history.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    rows: list[Tensor] = []
    optimiser = GradientDescent(parameters.momentum)
    learning_rate: float | Tensor = parameters.learning_rate
    stopped = torch.tensor(False)
    earlier_labels: Tensor | None = None
    for iteration in range(1, parameters.iterations + 1):
        observation = step.forward()
        weight = weighting(observation.label_count)
        if on_iteration is not None:
            on_iteration(iteration, observation, weight)
        target = refine(observation.labels) if refine else None
        optimiser.descend(step.gradients(weight, target), learning_rate)

        few_labels = observation.label_count <= parameters.minimum_labels
        settled = torch.zeros_like(few_labels)
        if parameters.stop == "settled" and iteration % parameters.settled_iterations == 0:
            if earlier_labels is not None:
                changed = (observation.labels != earlier_labels).double().mean()
                settled = changed < parameters.settled_share * observation.valid_share
            earlier_labels = observation.labels.clone()
        rows.append(_row(observation, weight, few_labels, settled))

        stopped = few_labels | settled | stopped.to(few_labels.device)
        if iteration % check_every == 0 and stopped:
            break
        if check_every > 1:
            # Between the stop and the next check the network stays as it was at the stop.
            learning_rate = parameters.learning_rate * ~stopped
    return training_result(torch.stack(rows).cpu().numpy())


def make_step(
    network: SegmentationNetwork,
    image: Tensor,
    parameters: TrainingParameters,
    scribbles: Tensor | None = None,
    valid: Tensor | None = None,
) -> Step:
    """Return the step for the network's device: the fast one on the CPU, plain PyTorch elsewhere.

    What trains on a GPU with `step: fast` is `dynseg.training.group`.

    Parameters
    ----------
    network : SegmentationNetwork
    image : Tensor, (bands, H, W), float32
        Values in [0, 1], on the network's device.
    parameters : TrainingParameters
    scribbles : Tensor, (H, W), int64, optional
        Labels that some pixels should get, -1 elsewhere, on the network's device.
    valid : Tensor, (H, W), bool, optional
        The pixels that count; see `dynseg.training.step.PlainStep`.
    """
    if runs_fast(image, parameters):
        return FastStep(network, image, scribbles=scribbles, valid=valid, continuity=parameters.continuity)
    return PlainStep(
        in_layout_of(image.device, network),
        image,
        autocast=autocast_type(image.device, parameters.precision),
        scribbles=scribbles,
        valid=valid,
        continuity=parameters.continuity,
    )


def _row(observation: Observation, weight: Tensor, few_labels: Tensor, settled: Tensor) -> Tensor:
    losses = (observation.similarity_loss, observation.continuity_loss)
    row = (observation.label_count, weight, *losses, few_labels, settled)
    return torch.stack([value.to(torch.float64) for value in row])


def training_result(rows: NDArray[np.float64]) -> TrainingResult:
    """Return the history of a training up to its stop.

    Parameters
    ----------
    rows : ndarray, (iterations, 6), float64
        q′, the weight, L_sim, L_con, whether few labels were left, and whether the label map stood still.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    few_labels, settled = rows[:, 4] > 0, rows[:, 5] > 0
    stops = few_labels | settled
    if stops.any():
        last = int(stops.argmax())
        stopped_by = "labels" if few_labels[last] else "settled"
    else:
        last = len(rows) - 1
        stopped_by = "iterations"
    rows = rows[: last + 1]
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise UserError(
            f"the loss is no longer finite at iteration {int(finite.argmin()) + 1}: lower the learning rate, "
            "or choose a mu that makes the weight of the continuity loss smaller"
        )
    history: dict[str, NDArray[Any]] = {
        "iteration": np.arange(1, len(rows) + 1),
        "label_count": rows[:, 0].astype(np.int64),
    }
    history["weight"], history["similarity_loss"], history["continuity_loss"] = rows[:, 1:4].T.copy()
    return TrainingResult(history, stopped_by)
