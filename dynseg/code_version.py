"""A digest of the code that decides a stage's result, so that changed code reruns what it made and nothing else."""

import ast
import hashlib
from functools import cache
from pathlib import Path

from dynseg.methods import Method

PACKAGE = Path(__file__).parent
# Left out of the digest: registries, which name all methods and kinds of datasets, and what can't change a result.
UNDECIDING = {
    PACKAGE / name
    for name in (
        "methods/__init__.py",
        "datasets/__init__.py",
        "errors.py",
        "io/files.py",
        "io/locks.py",
        "training/cost.py",
    )
}


@cache
def code_version(*modules: str) -> str:
    """Return a digest of modules of dynseg and of all modules of dynseg that they import, directly or not.

    Comments, docstrings, formatting and raised errors don't count, so only a change that may change a result changes
    the digest.

    Parameters
    ----------
    modules : str
        Dotted names, for example "dynseg.scoring.scores".
    """
    digest = hashlib.sha256()
    found = _reachable(modules)
    for path in sorted(found):
        digest.update(f"{path.relative_to(PACKAGE)}\n{_normalised(path)}\n".encode())
    for path in sorted(resource for folder in {path.parent for path in found} for resource in _resources(folder)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def label_map_code(method: Method) -> str:
    """Return a digest of the code that decides a method's label maps."""
    return code_version(method.segment.__module__, "dynseg.io.label_maps", "dynseg.io.images")


def _reachable(modules: tuple[str, ...]) -> set[Path]:
    found: set[Path] = set()
    waiting = [path for module in modules for path in _module_files(module)]
    while waiting:
        path = waiting.pop()
        if path not in found | UNDECIDING:
            found.add(path)
            waiting.extend(_imports(path))
    return found


def _resources(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in (".html", ".css", ".js")]


def _module_files(name: str) -> list[Path]:
    """Return the file of a dotted name, if it is a module of dynseg; none for an attribute of a module."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return []
    base = PACKAGE.joinpath(*parts[1:])
    return [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]


@cache
def _imports(path: Path) -> list[Path]:
    files: list[Path] = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        files.extend(found for name in names for found in _module_files(name))
    return files


@cache
def _normalised(path: Path) -> str:
    return ast.dump(_WithoutRemarks().visit(_tree(path)))


class _WithoutRemarks(ast.NodeTransformer):
    """Drops what can't change a result: docstrings and raised errors."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if isinstance(node.value, ast.Constant) else node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Pass()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
