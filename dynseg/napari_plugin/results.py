"""What a labels layer of regions carries with it, so that the slider can cut it again."""

from dataclasses import dataclass
from typing import Any

from dynseg.napari_plugin.cuts import StableCuts
from dynseg.napari_plugin.planes import Plane

_KEY = "dynseg"


@dataclass
class Regions:
    """The hierarchy of a labels layer.

    Attributes
    ----------
    cuts : StableCuts
    count : int
        How many regions were asked for last.
    plane : Plane
        The plane of the image layer that was segmented.
    source : str
        The name of that layer; empty if the regions come from a file.
    """

    cuts: StableCuts
    count: int
    plane: Plane
    source: str = ""

    @property
    def metadata(self) -> dict[str, Any]:
        """The layer's metadata."""
        return {_KEY: self}

    @staticmethod
    def of_layer(layer: Any) -> "Regions | None":
        """Return what a layer carries, or None if it isn't one of regions."""
        found = layer.metadata.get(_KEY)
        return found if isinstance(found, Regions) else None
