"""The loop of several trainings side by side: all of it on their device, as a CUDA graph where there is one."""

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from dynseg.training.group.network import NetworkGroup
from dynseg.training.group.step import GroupObservation, GroupStep
from dynseg.training.loop import CHECK_EVERY, OnIteration, TrainingResult, training_result
from dynseg.training.network import SegmentationNetwork
from dynseg.training.parameters import TrainingParameters
from dynseg.training.precision import autocast_type, tf32_allowed
from dynseg.training.step import Observation

# Iterations before a graph is captured: libraries choose their algorithms and workspaces in the first ones.
WARM_UP = 3

Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""From what an iteration does to what repeats it."""


def train_together(
    networks: Sequence[SegmentationNetwork],
    images: Tensor,
    parameters: TrainingParameters,
    weighting: Callable[[Tensor], Tensor],
    *,
    scribbles: Tensor | None = None,
    on_iteration: OnIteration | None = None,
    captured: bool = True,
) -> list[TrainingResult]:
    """Train several networks of one shape, each on an image of its own, as `dynseg.training.loop.train` trains one.

    Every operation does its part of all trainings, so that small ones fill a GPU too. A training that has stopped
    stays as it is until the last one has.

    Parameters
    ----------
    networks : sequence of SegmentationNetwork
    images : Tensor, (networks, bands, h, w), float32 or float64
        Values in [0, 1], on the networks' device, already of the size of training.
    parameters : TrainingParameters
    weighting : callable
        From q′ of each network, a tensor (networks,), to the weight of its continuity loss: (networks,) or ().
    scribbles : Tensor, (h, w), int64, optional
        Labels that some pixels of every image should get, -1 elsewhere.
    on_iteration : callable, optional
        Called after every iteration for each network in turn, with what its forward pass showed; see
        `dynseg.training.loop.OnIteration`.
    captured : bool
        Whether iterations are captured as a CUDA graph, on a device that has them.

    Returns
    -------
    list of TrainingResult
        Of each network.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    device = images.device
    reduced_type = autocast_type(device, parameters.precision)
    capture = cuda_graph if captured and device.type == "cuda" else None
    with side_stream(device), tf32_allowed(parameters.precision == "tf32"):
        group = NetworkGroup(networks)
        step = GroupStep(
            group,
            images,
            scribbles=scribbles,
            reduced_type=reduced_type,
            continuity=parameters.continuity,
        )
        loop = GroupLoop(group, step, parameters, weighting)
        loop.run(CHECK_EVERY[device.type], on_iteration, capture)
        group.store(networks)
        return loop.results()


class GroupLoop:
    """The state of several trainings on their device, and the iteration that changes it without asking for any of it.

    Parameters
    ----------
    group : NetworkGroup
    step : GroupStep
        Of this group.
    parameters : TrainingParameters
    weighting : callable
        See `train_together`.
    """

    def __init__(
        self,
        group: NetworkGroup,
        step: GroupStep,
        parameters: TrainingParameters,
        weighting: Callable[[Tensor], Tensor],
    ) -> None:
        self._group, self._step, self._parameters, self._weighting = group, step, parameters, weighting
        values = group.values
        self._velocities = torch.zeros_like(values)
        self._iteration = values.new_zeros(1, dtype=torch.int64)
        self._rows = values.new_zeros(parameters.iterations, 6, group.count, dtype=torch.float64)
        self._stopped = values.new_zeros(group.count, dtype=torch.bool)
        self._shown: tuple[GroupObservation, Tensor] | None = None
        self._earlier_labels: Tensor | None = None
        self._done = 0

    def run(self, check_every: int, on_iteration: OnIteration | None = None, capture: Capture | None = None) -> None:
        """Iterate until all trainings have stopped, or T is reached.

        Whether to stop is asked every `check_every` iterations and answered by the next time, so that the device
        always has work before it. The result doesn't depend on it.
        """
        iterate, stop = self.iterate, _StopFlag(self._stopped)
        for iteration in range(1, self._parameters.iterations + 1):
            if iteration == WARM_UP + 1 and capture is not None:
                iterate = capture(self.iterate)
            iterate()
            self._done = iteration
            if on_iteration is not None:
                self._show(iteration, on_iteration)
            if iteration % check_every == 0 and stop.seen_last_time():
                break

    def results(self) -> list[TrainingResult]:
        """Return each training's history, up to its stop; this waits for the device.

        Raises
        ------
        UserError
            If a loss is not finite.
        """
        rows = self._rows[: self._done].cpu().numpy()
        return [training_result(rows[:, :, number]) for number in range(self._group.count)]

    @torch.no_grad()
    def iterate(self) -> None:
        """Do one iteration of every training: the same operations on the same memory each time."""
        observation = self._step.forward()
        weight = self._weighting(observation.label_count).expand(self._group.count)
        gradients = self._step.gradients(weight)
        self._shown = observation, weight
        self._iteration += 1
        rates = self._parameters.learning_rate * (~self._stopped).to(gradients.dtype)
        self._velocities.mul_(self._parameters.momentum).add_(gradients)
        self._group.values.addcmul_(self._velocities, rates[self._group.owners], value=-1)

        few_labels = observation.label_count <= self._parameters.minimum_labels
        settled = self._settled(observation.labels)
        losses = (observation.similarity_loss, observation.continuity_loss)
        row = (observation.label_count, weight, *losses, few_labels, settled)
        values = torch.stack([value.to(torch.float64) for value in row])
        self._rows.index_copy_(0, self._iteration - 1, values[None])
        self._stopped |= few_labels | settled

    def _settled(self, labels: Tensor) -> Tensor:
        """Tell of each network whether its label map stands still, in the iterations in which that is looked at."""
        if self._parameters.stop != "settled":
            return torch.zeros_like(self._stopped)
        if self._earlier_labels is None:
            self._earlier_labels = torch.zeros_like(labels)
        every = self._parameters.settled_iterations
        due = self._iteration % every == 0
        changed = (labels != self._earlier_labels).double().mean(dim=(1, 2))
        self._earlier_labels.copy_(torch.where(due, labels, self._earlier_labels))
        return due & (self._iteration > every) & (changed < self._parameters.settled_share)

    def _show(self, iteration: int, on_iteration: OnIteration) -> None:
        if self._shown is None:
            return
        # A graph writes the next iteration's values to the same memory.
        observation, weights = self._shown
        losses = (observation.similarity_loss, observation.continuity_loss)
        copies = [values.clone() for values in (observation.labels, observation.label_count, *losses, weights)]
        for labels, label_count, similarity, continuity, weight in zip(*copies, strict=True):
            on_iteration(iteration, Observation(labels, label_count, similarity, continuity), weight)


class _StopFlag:
    """Whether all trainings have stopped, as it was when this was asked the last time.

    Parameters
    ----------
    stopped : Tensor, (networks,), bool
    """

    def __init__(self, stopped: Tensor) -> None:
        self._stopped = stopped
        on_gpu = stopped.device.type == "cuda"
        self._slots = [torch.zeros((), dtype=torch.bool, pin_memory=on_gpu) for _ in range(2)]
        # Read without PyTorch, for which reading a value is waiting for all that was asked for.
        self._values = [slot.numpy() for slot in self._slots]
        self._copied = [torch.cuda.Event() for _ in range(2)] if on_gpu else None
        self._asked = 0

    def seen_last_time(self) -> bool:
        """Have the flag copied, and return the copy of the last time; at first nothing has stopped."""
        slot, last = self._asked % 2, (self._asked + 1) % 2
        self._slots[slot].copy_(self._stopped.all(), non_blocking=True)
        if self._copied is not None:
            self._copied[slot].record()
            if self._asked > 0:
                self._copied[last].synchronize()
        self._asked += 1
        return bool(self._values[last])


@contextmanager
def side_stream(device: torch.device) -> Iterator[None]:
    """Let a GPU work on a stream of its own, as capturing a graph asks for, after what it was asked for before."""
    if device.type != "cuda":
        yield
        return
    before = torch.cuda.current_stream(device)
    stream = _stream(before.device)
    stream.wait_stream(before)
    with torch.cuda.stream(stream):
        yield
    before.wait_stream(stream)


@functools.cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    # One alone: PyTorch keeps freed memory for the stream that it was taken on.
    return torch.cuda.Stream(device)


def cuda_graph(iterate: Callable[[], None]) -> Callable[[], None]:
    """Return what repeats an iteration as a CUDA graph; if that can't be, the iteration itself, with a warning."""
    try:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
            iterate()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        warnings.warn(f"training goes on without a CUDA graph, more slowly ({error})", RuntimeWarning, stacklevel=2)
        return iterate

    def repeat(_: Callable[[], None] = iterate) -> None:
        # As long as there is a graph there must be what it reads and writes, which the iteration's owner holds.
        graph.replay()

    return repeat
