"""The architecture, as far as ruff and import-linter cannot see it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = sorted(
    [*(ROOT / "rollouts").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
)
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
BARE_EXCUSE = re.compile(r"# (noqa|type: ignore)(:? ?[A-Z0-9, ]+|\[[^]]*\])?\s*$")


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def id_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CODE, ids=id_of)
def test_files_and_functions_are_small(path: Path) -> None:
    """A file has at most 400 lines, a function fewer than 70."""
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX
    for function in functions(path):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        assert lines < FUNCTION_LINES_MAX, f"{function.name} has {lines} lines"


@pytest.mark.parametrize("path", CODE, ids=id_of)
def test_names_are_nouns_and_nothing_is_left_unfinished(path: Path) -> None:
    """No drawer for leftovers, and no mark of work that is still to be done."""
    assert not NAMELESS & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}
    if path != Path(__file__):
        assert not UNFINISHED.search(path.read_text())


@pytest.mark.parametrize("path", [path for path in CODE if "tests" not in path.parts], ids=id_of)
def test_every_ignored_rule_has_its_reason(path: Path) -> None:
    """`noqa` and `type: ignore` say why on their line."""
    excuses = [line for line in path.read_text().splitlines() if BARE_EXCUSE.search(line)]
    assert not excuses


def test_every_scenario_has_a_golden_story() -> None:
    """A play without a story proves nothing."""
    scenarios = ROOT / "tests" / "scenarios"
    assert {path.stem for path in scenarios.glob("*.yaml")} == {path.stem for path in scenarios.glob("*.txt")}


def test_every_provider_has_a_contract_row_and_an_example() -> None:
    """A plugin is a file, a test and something to copy from."""
    providers = {
        path.stem
        for path in (ROOT / "rollouts" / "providers").glob("*.py")
        if "def begin(self, query: Query)" in path.read_text()
    }
    assert providers
    examples = "\n".join(path.read_text() for path in (ROOT / "examples").rglob("*.yaml"))
    for provider in providers:
        assert list((ROOT / "tests" / "plugins").glob(f"test_{provider}*.py")), f"{provider} has no contract test"
        assert f"{provider}:" in examples, f"{provider} has no example"


def test_decisions_are_numbered_once() -> None:
    """Each decision record has a number of its own."""
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")]
    assert len(numbers) == len(set(numbers))
    assert all(number.isdigit() for number in numbers)
