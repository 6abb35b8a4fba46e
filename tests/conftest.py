"""Fixtures that several tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Tests run beside each other: threads that wait for each other would take most of their time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no failure.
settings.register_profile("dynseg", deadline=None)
settings.load_profile("dynseg")


@pytest.fixture(scope="session")
def archives() -> Path:
    """The folder with the real archives, from DYNSEG_ARCHIVES."""
    folder = os.environ.get("DYNSEG_ARCHIVES")
    if not folder:
        pytest.skip("DYNSEG_ARCHIVES isn't set")
    return Path(folder)
