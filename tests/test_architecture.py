"""Imports point one way: down the floors that docs/architecture.md draws."""

import ast
import itertools
from pathlib import Path

import pytest

import dynseg

PACKAGE = Path(dynseg.__file__).parent
# From the ground up. A room imports rooms of lower floors, and its own modules.
FLOORS = (
    {"errors", "hierarchy", "metrics"},
    {"result"},
    {"devices", "parameters"},
    {"io", "training"},
    {"regions"},
    {"datasets", "methods", "scoring"},
    {"code_version", "large", "model", "provenance"},
    {"api", "figures", "viewer", "workflow"},
    {"napari_plugin", "own_images", "report"},
    {"cli"},
    {"__main__"},
)
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
# Rooms of a lower floor that a room does without all the same.
APART = {"datasets": {"training"}, "scoring": {"training"}, "metrics": {"errors", "hierarchy", "result"}}
LONGEST_CLASS = 250


def sources() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    """Return the dotted names that a file imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(PACKAGE)} has a relative import: name the whole module"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_rooms(path: Path) -> set[str]:
    parts = [name.split(".") for name in imported_modules(path)]
    rooms = {each[1] for each in parts if each[0] == "dynseg" and len(each) > 1}
    # The version is the package's own and imports nothing.
    return rooms - {room_of(path), "__version__"}


def test_every_room_has_a_floor() -> None:
    assert {room_of(path) for path in sources()} == FLOOR.keys()


@pytest.mark.parametrize("room", sorted(FLOOR))
def test_a_room_imports_what_is_below_it(room: str) -> None:
    for path in (path for path in sources() if room_of(path) == room):
        for imported in imported_rooms(path):
            where = f"{path.relative_to(PACKAGE)} imports {imported}"
            assert FLOOR[imported] < FLOOR[room], where
            assert imported not in APART.get(room, set()), where


def test_nothing_imports_snakemake() -> None:
    for path in sources():
        assert not any(name.split(".")[0] == "snakemake" for name in imported_modules(path)), path


def test_sub_packages_only_say_what_they_hold() -> None:
    """A registry may import; any other package that did would enter every digest of code and load what it imports."""
    registries = {"cli", "datasets", "methods", "metrics"}
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent != PACKAGE and path.parent.name not in registries:
            assert len(ast.parse(path.read_text(encoding="utf-8")).body) <= 1, path.relative_to(PACKAGE)


def test_no_class_is_too_long() -> None:
    trees = ((path, ast.parse(path.read_text(encoding="utf-8"))) for path in sources())
    nodes = itertools.chain.from_iterable(((path, node) for node in ast.walk(tree)) for path, tree in trees)
    lengths = {
        f"{path.relative_to(PACKAGE)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path, node in nodes
        if isinstance(node, ast.ClassDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_CLASS} == {}
