"""dynseg: unsupervised image segmentation with a dynamically weighted loss."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Loaded when they are first used, so that `import dynseg` doesn't wait for torch. `__init__.pyi` has their types.
_MODULES = {
    "Hierarchy": "dynseg.hierarchy",
    "Model": "dynseg.model",
    "Segmentation": "dynseg.result",
    "UserError": "dynseg.errors",
    "apply_model": "dynseg.api",
    "fit": "dynseg.api",
    "load_model": "dynseg.model",
    "read_hierarchy": "dynseg.io.hierarchies",
    "read_image": "dynseg.io.images",
    "save_model": "dynseg.model",
    "segment": "dynseg.api",
    "segment_many": "dynseg.api",
}

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    if name == "metrics":
        return import_module("dynseg.metrics")
    raise AttributeError(f"module 'dynseg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES, "metrics"])
