"""Fixtures that several tests share."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import torch

# What several tests share.
sys.path.insert(0, str(Path(__file__).parent / "support"))

# Tests run beside each other: threads that wait for each other would take most of their time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no failure.
settings.register_profile("dynseg", deadline=None)
settings.load_profile("dynseg")

DTYPES = ("bfloat16", "float16", "float32", "float64")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("dynseg")
    group.addoption("--device", choices=("cpu", "cuda", "mps"), default="cpu", help="where test_on_device.py computes")
    group.addoption("--dtype", choices=DTYPES, default="float32", help="the type that test_on_device.py computes in")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Let --doctest-modules pass over what isn't a test: helpers, and what only another command runs."""
    if collection_path.suffix != ".py" or collection_path.name.startswith("test_"):
        return None
    named = {(config.invocation_params.dir / name.split("::")[0]).resolve() for name in config.args}
    return None if collection_path.resolve() in named else True


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    """The device that --device names."""
    import torch

    name: str = request.config.getoption("--device")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    if name == "mps" and not torch.backends.mps.is_available():
        pytest.skip("there is no MPS device")
    return name


@pytest.fixture(scope="session")
def dtype(request: pytest.FixtureRequest, device: str) -> "torch.dtype":
    """The type that --dtype names."""
    import torch

    name: str = request.config.getoption("--dtype")
    if name == "float64" and device == "mps":
        pytest.skip("MPS has no float64")
    found: torch.dtype = getattr(torch, name)
    return found


@pytest.fixture(scope="session")
def archives() -> Path:
    """The folder with the real archives, from DYNSEG_ARCHIVES."""
    folder = os.environ.get("DYNSEG_ARCHIVES")
    if not folder:
        pytest.skip("DYNSEG_ARCHIVES isn't set")
    return Path(folder)
