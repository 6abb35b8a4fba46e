"""What dynseg finds on this machine: versions, device, memory, disk, the workflow's parts, the archives' servers."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from dynseg import __version__
from dynseg.datasets import MODULES, find_kind
from dynseg.devices import resolve_device
from dynseg.errors import UserError
from dynseg.io.files import check_writable
from dynseg.training.memory import available_memory, format_bytes
from dynseg.workflow.start import profile_names, workflow_files

# What the rows of a table rest on, and the largest of the rest.
LIBRARIES = ("torch", "numpy", "scikit-image", "scikit-learn", "h5py")
PLUGINS = {
    "snakemake-executor-plugin-slurm": "SLURM",
    "snakemake-executor-plugin-lsf": "LSF",
    "snakemake-executor-plugin-cluster-generic": "PBS, Grid Engine and HTCondor",
}
# To connect, and until the answer begins.
TIMEOUT_SECONDS = (5.0, 10.0)


@dataclass(frozen=True)
class Finding:
    """One line of a diagnosis.

    Attributes
    ----------
    what : str
        What was looked at.
    value : str
        What was found.
    remedy : str
        What to do; empty where all is well.
    is_needed : bool
        Whether nothing works without it.
    """

    what: str
    value: str
    remedy: str = ""
    is_needed: bool = False


def diagnose(folder: Path, with_network: bool) -> Iterator[Finding]:
    """Yield what is found, one thing at a time.

    Parameters
    ----------
    folder : path
        Where results are to be written.
    with_network : bool
        Whether to ask the servers of the benchmarks' archives.
    """
    yield Finding("dynseg", f"{__version__} in {Path(__file__).parents[1]}")
    yield Finding("Python", f"{platform.python_version()}, {platform.platform()}")
    for library in LIBRARIES:
        yield _installed(library, f"pip install {library}", is_needed=True)
    yield _device()
    yield Finding("threads", f"{os.cpu_count() or 1} processors; torch takes {_torch_threads()}")
    memory = available_memory()
    yield Finding("memory", "the system doesn't say" if memory is None else f"{format_bytes(memory)} free")
    yield _disk(folder)
    yield _installed("snakemake", "only for `dynseg run`: pip install 'snakemake>=9.27,<10'")
    yield _workflow()
    for plugin, scheduler in PLUGINS.items():
        yield _installed(plugin, f"only for {scheduler}: pip install {plugin}")
    if with_network:
        kinds = {name: find_kind(name) for name in MODULES}
        yield from (_reachable(name, kind.archive.urls[0]) for name, kind in kinds.items() if kind.archive)


def _installed(distribution: str, remedy: str, is_needed: bool = False) -> Finding:
    try:
        return Finding(distribution, importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return Finding(distribution, "isn't installed", remedy, is_needed)


def _or_remedy(what: str, find: Callable[[], str], is_needed: bool) -> Finding:
    try:
        return Finding(what, find())
    except UserError as error:
        problem, _, remedy = str(error).partition(": ")
        return Finding(what, problem, remedy or problem, is_needed)


def _device() -> Finding:
    try:
        device = resolve_device("auto")
    except ImportError as error:
        return Finding("device", f"torch can't be loaded ({error})", "install a build of torch for this machine", True)
    if device != "cuda":
        return Finding("device", device)
    import torch

    return Finding("device", f"cuda, {torch.cuda.get_device_name()}")


def _torch_threads() -> str:
    try:
        import torch
    except ImportError:
        return "none"
    return str(torch.get_num_threads())


def _disk(folder: Path) -> Finding:
    def find() -> str:
        check_writable(folder / "config.json")
        return f"{format_bytes(shutil.disk_usage(folder).free)} free in {folder.resolve()}"

    return _or_remedy("disk", find, is_needed=True)


def _workflow() -> Finding:
    return _or_remedy("workflow", lambda: f"{workflow_files()}; profiles {', '.join(profile_names())}", is_needed=False)


def _reachable(name: str, url: str) -> Finding:
    server = urlsplit(url).hostname
    remedy = "only to download it: name the folder of an archive that you have, `archives: FOLDER` in the config"
    try:
        answer = requests.head(url, timeout=TIMEOUT_SECONDS, allow_redirects=True)
    except requests.RequestException as error:
        return Finding(f"archive {name}", f"{server} doesn't answer ({type(error).__name__})", remedy)
    if not answer.ok:
        return Finding(f"archive {name}", f"{server} answers {answer.status_code}", remedy)
    return Finding(f"archive {name}", f"{server} has it")
