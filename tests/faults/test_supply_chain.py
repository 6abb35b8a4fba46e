"""No code is loaded from data, and no text of a user reaches a shell unquoted."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from small_workflow import REPOSITORY

SOURCES = sorted((REPOSITORY / "dynseg").rglob("*.py"))
RULES = sorted((REPOSITORY / "workflow").rglob("*.smk"))

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "loadmat"}

# What stands in a command without quotes: numbers, and words that the schema chooses or constrains to safe letters.
UNQUOTED = {
    *("wildcards.kind", "wildcards.dataset", "wildcards.seed", "params.kind", "params.device", "threads"),
    *("params.images", "params.seed", "params.images_per_job", "params.connectivity", "params.measure"),
    *("params.options", "params.ground_truth", "params.colours", "params.images_as", "params.width"),
}


def nodes(kind: type) -> Iterator[tuple[Path, ast.AST]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kind):
                yield path, node


def test_nothing_is_unpickled() -> None:
    for path, node in (*nodes(ast.Import), *nodes(ast.ImportFrom)):
        assert isinstance(node, ast.Import | ast.ImportFrom)
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        assert {name.partition(".")[0] for name in names}.isdisjoint(FORBIDDEN_MODULES), path


def test_nothing_is_evaluated_and_no_shell_is_asked() -> None:
    for path, node in nodes(ast.Call):
        assert isinstance(node, ast.Call)
        function = ast.unparse(node.func)
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert function not in FORBIDDEN_CALLS, f"{path}:{node.lineno}"
        assert options.get("shell", "False") == options.get("allow_pickle", "False") == "False", f"{path}:{node.lineno}"
        assert function != "torch.load" or options.get("weights_only") == "True", f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_what_stands_in_a_command_is_quoted_or_harmless(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    commands = re.findall(r"^    shell:\n((?:        .*\n)+)", text, flags=re.MULTILINE)
    assert len(commands) == text.count("    shell:\n")
    for command in commands:
        for placeholder in re.findall(r"(?<!\{)\{([^{}]+)\}", command):
            assert placeholder.endswith(":q") or placeholder in UNQUOTED, f"{path.name}: {placeholder}"


def test_ids_of_the_config_are_harmless_in_a_command() -> None:
    schema = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    pattern = schema["properties"]["datasets"]["propertyNames"]["pattern"]
    assert not any(
        re.search(pattern, name) for name in ("a b", "a;b", "$(a)", "a'b", "a\nb", "a\n", "", "a/b", "..", ".a", "-a")
    )
    assert re.search(pattern, "fsf-15.2_a")
