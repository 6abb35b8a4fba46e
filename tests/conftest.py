"""Fixtures that several tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def archives() -> Path:
    """The folder with the real archives, from DYNSEG_ARCHIVES."""
    folder = os.environ.get("DYNSEG_ARCHIVES")
    if not folder:
        pytest.skip("DYNSEG_ARCHIVES isn't set")
    return Path(folder)
