"""Measure training on a GPU: agreement with the CPU, times against the plain loop, and rows of Table I.

    make gpu-data                                          # where the archive is; one file of 18 MB
    PYTHONPATH=. python benchmarks/gpu.py --minutes 10     # on the machine with the GPU; twice goes on with the rows
    make gpu-report                                        # where dynseg is installed: tables from the JSON

It needs PyTorch, NumPy, h5py and Pillow, and no installation. Every section writes the JSON anew, and one that fails is
noted there and doesn't keep the others from running. All sides of a comparison take turns in this one run.
"""

import argparse
import datetime
import importlib.util
import io
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import _stand_ins

MISSING = _stand_ins.stand_in()

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from _products import ProductConvolution  # noqa: E402
from _table_one import ROWS  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402
from torch import Tensor  # noqa: E402

from dynseg.training.cost import iteration_gflop  # noqa: E402
from dynseg.training.group.convolution import LibraryConvolution  # noqa: E402
from dynseg.training.group.loop import GroupLoop, cuda_graph, side_stream, train_together  # noqa: E402
from dynseg.training.group.network import NetworkGroup  # noqa: E402
from dynseg.training.group.step import GroupStep  # noqa: E402
from dynseg.training.images import image_tensor, reduce_image  # noqa: E402
from dynseg.training.loop import make_step, train  # noqa: E402
from dynseg.training.network import initial_network  # noqa: E402
from dynseg.training.parameters import PRESETS, TrainingParameters, reduced_size  # noqa: E402
from dynseg.training.precision import autocast_type, in_layout_of, tf32_allowed  # noqa: E402
from dynseg.training.run import train_and_apply, train_and_apply_together  # noqa: E402
from dynseg.training.step import PlainStep  # noqa: E402
from dynseg.training.weighting import weight_of  # noqa: E402

HERE = Path(__file__).parent
CHANNELS = 100
WEIGHTING = weight_of("fsf", 15.0)
TESTS = "tests/training/test_on_device.py"
# What regions, and these tests, import beyond what this file does.
REGIONS_NEED = ("pydantic", "lazy_loader", "higra", "cc3d", "skimage", "sklearn", "threadpoolctl")
TESTS_NEED = ("pytest", "hypothesis", *REGIONS_NEED)
KINDS = {"library": LibraryConvolution, "products": ProductConvolution}


@dataclass(frozen=True)
class Setting:
    """Where, and how much, is measured."""

    device: torch.device
    size: tuple[int, int]
    channels: int
    rounds: int
    images: list[Tensor]
    quick: bool

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, run: Callable[[], object]) -> float:
        """Return the wall seconds of something and of all that it asks the device for."""
        self.wait()
        start = time.perf_counter()
        run()
        self.wait()
        return time.perf_counter() - start

    def scaled(self, divisor: int) -> tuple[int, int]:
        return reduced_size(*self.size, 1 / divisor)

    def image(self, number: int, divisor: int = 1) -> Tensor:
        """Return one of the images on the device, all of one size."""
        return reduce_image(self.images[number % len(self.images)], self.scaled(divisor)).to(self.device)

    def peak_bytes(self) -> int | None:
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None

    def forget_peak(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)


def read_pictures(path: Path) -> dict[str, NDArray[np.uint8]]:
    """Return the pictures of a file that `gpu_data.py` wrote, by id."""
    with h5py.File(path, "r") as file:
        return {
            image_id: np.asarray(Image.open(io.BytesIO(group["picture"][()].tobytes())).convert("RGB"))
            for image_id, group in file.items()
        }


def machine(device: torch.device) -> dict[str, Any]:
    about: dict[str, Any] = {
        "device": device.type,
        "system": platform.system(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "stand-ins": MISSING,
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        about["card"] = properties.name
        about["multiprocessors"] = properties.multi_processor_count
        about["memory GB"] = properties.total_memory / 1e9
        about["cuda"] = torch.version.cuda
        about["cudnn"] = torch.backends.cudnn.version()
    return about


# Agreement


def run_tests(setting: Setting) -> dict[str, Any]:
    """Run the tests on the device where their packages are there."""
    missing = [name for name in TESTS_NEED if name in MISSING or not _is_there(name)]
    if missing or setting.quick:
        return {"ran": False, "missing": missing}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--device", setting.device.type, TESTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent, timeout=240)
    return {"ran": True, "passed": done.returncode == 0, "last lines": done.stdout.splitlines()[-8:]}


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def check_steps(setting: Setting) -> list[dict[str, Any]]:
    """Compare a step on the device with the plain one on the CPU in double precision: relative errors."""
    found = []
    for count in (1, 3):
        images = torch.stack([setting.image(number, 8) for number in range(count)])
        # Fresh weights and targets of their own argmax: where responses are nearly equal, rounding chooses.
        networks = [initial_network(2, setting.channels, seed) for seed in range(count)]
        references = [
            PlainStep(network.double(), image.cpu().double())
            for network, image in zip(
                [initial_network(2, setting.channels, seed) for seed in range(count)], images, strict=True
            )
        ]
        expected = [reference.forward() for reference in references]
        weights = torch.full((count,), 2.5)
        gradients = [reference.gradients(torch.tensor(2.5, dtype=torch.float64)) for reference in references]
        flat = [torch.cat([each.flatten() for each in of_one.values()]) for of_one in gradients]
        for precision in ("float32", "tf32", "bfloat16"):
            for kind, convolution in KINDS.items():
                group = NetworkGroup([network.to(setting.device) for network in networks])
                reduced = autocast_type(setting.device, precision)
                step = GroupStep(group, images, reduced_type=reduced, convolution=convolution(count))
                with tf32_allowed(precision == "tf32"):
                    shown = step.forward()
                    row = step.gradients(weights.to(setting.device)).cpu().double()
                owners = group.owners.cpu()
                errors = [float((row[owners == n] - flat[n]).norm() / flat[n].norm()) for n in range(count)]
                equal = [float((shown.labels[n].cpu() == expected[n].labels).double().mean()) for n in range(count)]
                losses = [
                    abs(float(shown.similarity_loss[n]) / float(expected[n].similarity_loss) - 1) for n in range(count)
                ]
                found.append(
                    {
                        "networks": count,
                        "precision": precision,
                        "convolution": kind,
                        "gradient error": max(errors),
                        "loss error": max(losses),
                        "equal labels": min(equal),
                    }
                )
    return found


def check_graph(setting: Setting) -> dict[str, Any]:
    """Compare trainings with a graph and without: a few iterations, so that rounding doesn't grow."""
    parameters = TrainingParameters(components=2, channels=setting.channels, iterations=12, minimum_labels=1)
    images = torch.stack([setting.image(number, 8) for number in range(2)])
    results = []
    for captured in (False, True):
        networks = [initial_network(2, setting.channels, seed).to(setting.device) for seed in range(2)]
        results.append(train_together(networks, images, parameters, WEIGHTING, captured=captured))
    names = ("label_count", "similarity_loss", "continuity_loss")
    differences = {
        name: max(
            float(np.abs(one.history[name] / other.history[name] - 1).max())
            for one, other in zip(*results, strict=True)
        )
        for name in names
    }
    return {"iterations": parameters.iterations, "largest relative difference": differences}


def check_label_maps(setting: Setting) -> list[dict[str, Any]]:
    """Return shares of equal pixels with the CPU's label maps after 50 iterations, as `agreement.py` does."""
    iterations, count = (6, 1) if setting.quick else (50, 3)
    rows = []
    for number in range(count):
        image = setting.image(number, 4)
        base = {"components": 2, "channels": setting.channels, "iterations": iterations, "stop": "fixed"}
        expected = train_and_apply(image.cpu(), 0, TrainingParameters(**base), WEIGHTING).labels
        row: dict[str, Any] = {"image": number}
        for precision in ("float32", "tf32", "bfloat16"):
            parameters = TrainingParameters(**base, precision=precision)
            found = train_and_apply(image, 0, parameters, WEIGHTING).labels
            row[precision] = float((found == expected).mean())
        rows.append(row)
    return rows


# Times


def measure_peaks(setting: Setting) -> dict[str, float]:
    """Return TFLOP/s of a large matrix product by precision, and TB/s of a copy, read and written bytes together."""
    size = 8192 if setting.device.type == "cuda" else 512
    left, right = torch.randn(2, size, size, device=setting.device)
    peaks = {}
    for precision in ("float32", "tf32", "bfloat16"):
        kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
        one, other = left.to(kind), right.to(kind)
        product = one @ other
        with tf32_allowed(precision == "tf32"):
            seconds = [setting.seconds(lambda: torch.mm(one, other, out=product)) for _ in range(7)][2:]  # noqa: B023
        peaks[precision] = 2 * size**3 / statistics.median(seconds) / 1e12
    source = torch.randn(2**28 if setting.device.type == "cuda" else 2**20, device=setting.device)
    target = torch.empty_like(source)
    seconds = [setting.seconds(lambda: target.copy_(source)) for _ in range(7)][2:]
    peaks["copy TB/s"] = 2 * 4 * source.numel() / statistics.median(seconds) / 1e12
    return peaks


def released_iteration(setting: Setting, image: Tensor, components: int) -> Callable[[], None]:
    """Return one iteration in the form of the released script: NCHW, autograd, labels counted on the host."""
    network = initial_network(components, setting.channels, seed=0).to(setting.device)
    height, width = image.shape[1:]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    similarity, vertical, horizontal = torch.nn.CrossEntropyLoss(), torch.nn.L1Loss(), torch.nn.L1Loss()
    no_rows = torch.zeros(height - 1, width, setting.channels, device=setting.device)
    no_columns = torch.zeros(height, width - 1, setting.channels, device=setting.device)

    def iterate() -> None:
        optimiser.zero_grad()
        response = network(image[None])[0].permute(1, 2, 0).contiguous().view(-1, setting.channels)
        maps = response.view(height, width, setting.channels)
        continuity = vertical(maps[1:] - maps[:-1], no_rows) + horizontal(maps[:, 1:] - maps[:, :-1], no_columns)
        _, labels = torch.max(response, 1)
        label_count = len(np.unique(labels.cpu().numpy()))
        (similarity(response, labels) + label_count / 15 * continuity).backward()
        optimiser.step()

    return iterate


def plain_iterations(
    setting: Setting, image: Tensor, components: int, precision: str, count: int
) -> Callable[[], None]:
    """Return a number of iterations of the plain loop: autograd, one operation after the other."""
    parameters = _fixed(setting, components, count, precision=precision, step="plain")
    network = initial_network(components, setting.channels, seed=0).to(setting.device)
    step = PlainStep(in_layout_of(setting.device, network), image, autocast=autocast_type(setting.device, precision))
    return lambda: train(step, WEIGHTING, parameters, check_every=10)


def group_loop(
    setting: Setting, images: Tensor, components: int, precision: str, convolution: str | None = None
) -> GroupLoop:
    parameters = _fixed(setting, components, 10_000, precision=precision)
    networks = [initial_network(components, setting.channels, seed=0).to(setting.device) for _ in images]
    group = NetworkGroup(networks)
    step = GroupStep(
        group,
        images,
        reduced_type=autocast_type(setting.device, precision),
        convolution=None if convolution is None else KINDS[convolution](len(images)),
    )
    return GroupLoop(group, step, parameters, WEIGHTING)


def _fixed(setting: Setting, components: int, iterations: int, **more: Any) -> TrainingParameters:
    return TrainingParameters(
        components=components,
        channels=setting.channels,
        iterations=iterations,
        stop="fixed",
        minimum_labels=1,
        **more,
    )


def _size_text(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _times(repeat: Callable[[], object], count: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(count):
            repeat()

    return run


def measure_steps(setting: Setting, peaks: Mapping[str, float] | None) -> Iterator[dict[str, Any]]:
    """Yield the seconds of an iteration in every form, each in a turn with the others."""
    for divisor, components in ((4, 2), (1, 2), (1, 3)):
        size = setting.scaled(divisor)
        image = setting.image(0, divisor)
        count = 2 if setting.quick else 30 if divisor > 1 else 10
        with ExitStack() as stack:
            stack.enter_context(side_stream(setting.device))
            forms: dict[tuple[str, str], Callable[[], object]] = {
                ("released", "float32"): _times(released_iteration(setting, image, components), count)
            }
            for precision in ("float32", "tf32", "bfloat16"):
                forms["plain loop", precision] = plain_iterations(setting, image, components, precision, count)
                loop = group_loop(setting, image[None], components, precision)
                forms["closed gradients", precision] = _times(loop.iterate, count)
                if setting.device.type == "cuda":
                    forms["graph", precision] = _times(_captured(setting, image[None], components, precision), count)
            seconds = _take_turns(setting, forms)
        gflop = iteration_gflop(*size, components, setting.channels)
        for (form, precision), values in seconds.items():
            each = statistics.median(values) / count
            yield {
                "size": _size_text(size),
                "M": components,
                "form": form,
                "precision": precision,
                "ms": 1e3 * each,
                "TFLOP/s": gflop / each / 1e3,
                "share of peak": gflop / each / 1e3 / peaks[precision] if peaks else None,
                "times the released": statistics.median(
                    released / own for released, own in zip(seconds["released", "float32"], values, strict=True)
                ),
            }


def _captured(
    setting: Setting, images: Tensor, components: int, precision: str, convolution: str | None = None
) -> Callable[[], None]:
    loop = group_loop(setting, images, components, precision, convolution)
    with tf32_allowed(precision == "tf32"):
        _times(loop.iterate, 3)()
        return cuda_graph(loop.iterate) if setting.device.type == "cuda" else loop.iterate


def _take_turns(
    setting: Setting, forms: Mapping[tuple[str, str], Callable[[], object]]
) -> dict[tuple[str, str], list[float]]:
    """Return the seconds of each form in every round but the first, which warms up."""
    seconds: dict[tuple[str, str], list[float]] = {form: [] for form in forms}
    for _ in range(setting.rounds + 1):
        for form, run in forms.items():
            with tf32_allowed(form[1] == "tf32"):
                seconds[form].append(setting.seconds(run))
    return {form: values[1:] for form, values in seconds.items()}


def measure_memory(setting: Setting) -> Iterator[dict[str, Any]]:
    """Yield the peak of the card's memory in a training, by form; nothing on a CPU."""
    if setting.device.type != "cuda":
        return
    for divisor, components in ((4, 2), (1, 3)):
        image = setting.image(0, divisor)
        for step in ("plain", "fast"):
            setting.forget_peak()
            parameters = _fixed(setting, components, 5, precision="tf32", step=step, scale=1.0)
            network = initial_network(components, setting.channels, 0).to(setting.device)
            if step == "plain":
                train(make_step(network, image, parameters), WEIGHTING, parameters, check_every=10)
            else:
                train_together([network], image[None], parameters, WEIGHTING)
            size = setting.scaled(divisor)
            yield {"size": _size_text(size), "M": components, "step": step, "MB": setting.peak_bytes() / 1e6}


def measure_batches(setting: Setting) -> Iterator[dict[str, Any]]:
    """Yield images a second with the fast preset, from pixels on the host to label maps on it, by batch size."""
    changes = {"iterations": 3} if setting.quick else {}
    parameters = TrainingParameters(**{**PRESETS["fast"], "channels": setting.channels, **changes})
    for count in (1, 2) if setting.quick else (1, 4, 13, 27, 54):
        pixels = torch.stack([setting.images[number % len(setting.images)] for number in range(count)])
        run = lambda: train_and_apply_together(pixels.to(setting.device), [0] * len(pixels), parameters, WEIGHTING)  # noqa: B023, E731
        seconds = [setting.seconds(run) for _ in range(setting.rounds + 1)][1:]
        yield {"images": count, "s": statistics.median(seconds), "images/s": count / statistics.median(seconds)}


def measure_convolutions(setting: Setting) -> Iterator[dict[str, Any]]:
    """Yield the time of an iteration of several trainings of small maps, by the way of convolving; last of regions'."""
    shapes = [(1, 4, setting.channels), (2, 8, 4)]
    if not setting.quick:
        shapes = [*((count, 4, CHANNELS) for count in (1, 6, 13, 27, 54)), (2, 8, 32)]
    for count, divisor, channels in shapes:
        images = torch.stack([setting.image(number, divisor) for number in range(count)])
        repeats = 2 if setting.quick else 10
        with side_stream(setting.device):
            forms: dict[tuple[str, str], Callable[[], object]] = {
                (kind, "tf32"): _times(_captured(replace(setting, channels=channels), images, 2, "tf32", kind), repeats)
                for kind in KINDS
            }
            seconds = _take_turns(setting, forms)
        times = {f"{kind} ms": 1e3 * statistics.median(seconds[kind, "tf32"]) / repeats for kind in KINDS}
        yield {"networks": count, "channels": channels, "size": _size_text(setting.scaled(divisor)), **times}


def measure_images(setting: Setting) -> Iterator[dict[str, Any]]:
    """Yield the seconds of one whole image: the fast preset, and M = 3, T = 1000 at full size, as published."""
    fast, paper = dict(PRESETS["fast"]), {"components": 3, "stop": "fixed", "precision": "tf32"}
    if setting.quick:
        fast["iterations"], paper["iterations"] = 3, 3
    for name, values, steps, rounds in (
        ("fast preset", fast, ("plain", "fast"), setting.rounds),
        ("M = 3, T = 1000, full size", paper, ("fast",), 1),
    ):
        for step in steps:
            parameters = TrainingParameters(**{**values, "channels": setting.channels, "step": step})
            seconds = [
                setting.seconds(lambda: train_and_apply(setting.image(0), 0, parameters, WEIGHTING))  # noqa: B023
                for _ in range(rounds + (rounds > 1))
            ]
            yield {"setting": name, "step": step, "s": statistics.median(seconds[rounds > 1 :])}


def measure_regions(setting: Setting, pictures: Mapping[str, NDArray[np.uint8]]) -> Iterator[dict[str, Any]]:
    """Yield the seconds of an image as `dynseg segment` segments it, on the device and on the CPU in turns."""
    if any(name in MISSING or not _is_there(name) for name in REGIONS_NEED):
        return
    import dynseg

    images = list(pictures.values())[: 1 if setting.quick else 8]
    seconds: dict[str, list[float]] = {device: [] for device in dict.fromkeys((setting.device.type, "cpu"))}
    before = torch.get_num_threads()
    torch.set_num_threads(min(4, before))
    for number, image in enumerate([images[0], *images]):
        for device, values in seconds.items():
            took = setting.seconds(lambda: dynseg.segment_regions(image, device=device))  # noqa: B023
            if number > 0:
                values.append(took)
    for device, values in seconds.items():
        threads = torch.get_num_threads() if device == "cpu" else ""
        yield {"device": device, "threads": threads, "s an image": statistics.mean(values)}
    torch.set_num_threads(before)


# Rows of Table I


def train_rows(
    setting: Setting, pictures: Mapping[str, NDArray[np.uint8]], folder: Path, stop: str, deadline: float, limit: int
) -> dict[str, Any]:
    """Train the rows on as many images as there is time for, going on where an earlier run ended.

    Images come in an order that a seed drew, all rows of some images before the next, so that what is there whenever
    time is up can be compared. Label maps are kept a file for some images and a row.
    """
    folder.mkdir(parents=True, exist_ok=True)
    changes = {"iterations": 3} if setting.quick else {}
    parameters = TrainingParameters(components=3, channels=setting.channels, stop=stop, precision="tf32", **changes)
    longest = 0.0
    for chunk in _chunks(pictures, limit):
        for row, (scheme, mu) in ROWS.items():
            path = folder / f"{row}-{stop}-{chunk[0]}.h5"
            if path.exists():
                continue
            if time.perf_counter() + 1.2 * longest > deadline:
                return _progress(folder, stop)
            start = time.perf_counter()
            results = []
            for image_id in chunk:
                image = image_tensor(pictures[image_id]).to(setting.device)
                results.append(train_and_apply(image, 0, parameters, weight_of(scheme, mu)))
            seconds = time.perf_counter() - start
            longest = max(longest, seconds)
            aside = path.with_suffix(".part")
            with h5py.File(aside, "w") as file:
                for image_id, result in zip(chunk, results, strict=True):
                    group = file.create_group(image_id)
                    labels = result.labels.astype(np.uint8)
                    group.create_dataset("labels", data=labels, compression="gzip", shuffle=True)
                    group.attrs["seconds"] = seconds / len(chunk)
                    group.attrs["iterations"] = result.facts["iterations_run"]
            os.replace(aside, path)
    return _progress(folder, stop)


def _chunks(pictures: Mapping[str, NDArray[np.uint8]], limit: int) -> list[list[str]]:
    """Return the ids of images, three a file."""
    ids = sorted(pictures)
    random.Random(0).shuffle(ids)
    return [ids[start : min(start + 3, limit)] for start in range(0, min(limit, len(ids)), 3)]


def _progress(folder: Path, stop: str) -> dict[str, Any]:
    rows = {}
    for row in ROWS:
        seconds, iterations = [], []
        for path in sorted(folder.glob(f"{row}-{stop}-*.h5")):
            with h5py.File(path, "r") as file:
                seconds += [float(group.attrs["seconds"]) for group in file.values()]
                iterations += [int(group.attrs["iterations"]) for group in file.values()]
        if seconds:
            rows[row] = {
                "images": len(seconds),
                "s an image": statistics.mean(seconds),
                "iterations": statistics.mean(iterations),
            }
    return {"stop": stop, "rows": rows}


# The run


class Record:
    """The JSON, written anew after every section."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._path = path
        self.content: dict[str, Any] = {"date": now, "machine": dict(about), "failures": {}}

    def add(self, name: str, section: Callable[[], Any]) -> Any:
        """Run a section and keep what it returns or yields; a failure is kept, too, and None returned."""
        start = time.perf_counter()
        try:
            found = section()
            self.content[name] = list(found) if isinstance(found, Iterator) else found
        except Exception:
            self.content["failures"][name] = traceback.format_exc(limit=-6)
            print(f"{name}: failed\n{self.content['failures'][name]}", flush=True)
        else:
            print(f"{name} ({time.perf_counter() - start:.0f} s): {json.dumps(self.content[name])}", flush=True)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.content, indent=2) + "\n", encoding="utf-8")
        return self.content.get(name)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE / "results" / "bsd500_test.h5", help="of make gpu-data")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--minutes", type=float, default=10.0, help="in all; rows of Table I take what is left")
    parser.add_argument("--stop", choices=("settled", "fixed"), default="settled", help="of the rows")
    parser.add_argument("--rows-only", action="store_true", help="go on with the rows and measure nothing again")
    parser.add_argument("--quick", action="store_true", help="tiny: whether everything runs")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "gpu", help="folder of gpu.json and rows/")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    given = options(arguments)
    start = time.perf_counter()
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("PyTorch sees no CUDA device here: give --device cpu --quick to try the command")
    if not given.data.exists():
        raise SystemExit(f"{given.data} doesn't exist: make it with `make gpu-data` where the archive is")
    device = torch.device(given.device)
    pictures = read_pictures(given.data)
    landscape = [image for image in pictures.values() if image.shape[0] <= image.shape[1]]
    size = (40, 56) if given.quick else landscape[0].shape[:2]
    images = [image_tensor(image) for image in landscape if given.quick or image.shape[:2] == size]
    if given.quick:
        pictures = {image_id: np.ascontiguousarray(image[:40, :56]) for image_id, image in pictures.items()}
        images = [image[:, : size[0], : size[1]].contiguous() for image in images[:2]]
    rounds = 1 if given.quick else 5
    setting = Setting(device, size, 8 if given.quick else CHANNELS, rounds, images, given.quick)
    # Rows that an earlier run measured keep its other sections.
    name = "gpu.json" if not given.rows_only else "gpu-rows.json"
    record = Record(given.out / name, machine(device))
    record.content["quick"] = given.quick
    if not given.rows_only:
        record.add("tests", lambda: run_tests(setting))
        record.add("steps against the CPU", lambda: check_steps(setting))
        record.add("graph against none", lambda: check_graph(setting))
        peaks = record.add("peaks", lambda: measure_peaks(setting))
        record.add("steps", lambda: measure_steps(setting, peaks))
        record.add("convolutions", lambda: measure_convolutions(setting))
        record.add("images", lambda: measure_images(setting))
        record.add("batches", lambda: measure_batches(setting))
        record.add("memory", lambda: measure_memory(setting))
        record.add("regions", lambda: measure_regions(setting, pictures))
        record.add("label maps against the CPU", lambda: check_label_maps(setting))
    deadline = start + 60 * given.minutes
    limit = 2 if given.quick else len(pictures)
    record.add("table", lambda: train_rows(setting, pictures, given.out / "rows", given.stop, deadline, limit))
    return 1 if record.content["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
