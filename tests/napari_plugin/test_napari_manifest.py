"""The manifest says what there is."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import dynseg

pytest.importorskip("napari.components")

from npe2 import PluginManifest

MANIFEST = Path(dynseg.__file__).parent / "napari_plugin" / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(MANIFEST)


def test_every_command_is_there(manifest: PluginManifest) -> None:
    manifest.validate_imports()
    commands = manifest.contributions.commands
    assert commands is not None
    assert {command.id for command in commands} == {"dynseg.regions", "dynseg.read", "dynseg.sample"}


def test_napari_finds_the_manifest(manifest: PluginManifest) -> None:
    project = tomllib.loads((MANIFEST.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    entry = project["project"]["entry-points"]["napari.manifest"]
    assert entry == {manifest.name: "dynseg.napari_plugin:napari.yaml"}
    assert manifest.name == project["project"]["name"]
    assert "napari_plugin/napari.yaml" in project["tool"]["setuptools"]["package-data"]["dynseg"]


def test_the_sample_is_a_picture() -> None:
    from dynseg.napari_plugin.sample import make_sample

    ((pixels, settings, kind),) = make_sample()
    assert (pixels.dtype, settings["rgb"], kind) == (np.uint8, True, "image")
    assert pixels.std() > 10
