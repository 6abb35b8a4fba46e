"""Stands in for what `dynseg.training` imports beyond PyTorch and NumPy, so that a bare GPU machine needs no more.

Without pydantic parameters aren't checked, and without lazy_loader `dynseg` offers no names of its own; neither changes
what training does.
"""

import dataclasses
import importlib
import sys
from types import ModuleType
from typing import Any


def stand_in() -> list[str]:
    """Put stand-ins in the place of packages that aren't there; return these packages' names."""
    missing = [name for name in ("lazy_loader", "pydantic") if not _is_there(name)]
    if "lazy_loader" in missing:
        _put("lazy_loader", attach_stub=lambda *_: (_no_name, list, []))
    if "pydantic" in missing:
        names = ("BaseModel", "TypeAdapter", "ValidationInfo")
        made: dict[str, Any] = {name: type(name, (), {}) for name in names}
        anything = dict.fromkeys(("ConfigDict", "Field", "AfterValidator"), lambda *_, **__: None)
        _put("pydantic", **made, **anything, ValidationError=ValueError, field_validator=_unchanged)
        _put("pydantic.dataclasses", dataclass=_dataclass)
        _put("pydantic_core", PydanticCustomError=ValueError)
    return missing


def _is_there(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _put(name: str, **members: Any) -> None:
    module = ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module


def _no_name(name: str) -> Any:
    raise AttributeError(f"dynseg has no {name} without lazy_loader")


def _unchanged(*_: Any, **__: Any) -> Any:
    return lambda function: function


def _dataclass(cls: type, *, frozen: bool, kw_only: bool, config: Any) -> type:
    return dataclasses.dataclass(cls, frozen=frozen, kw_only=kw_only)
