"""Conditions against the language itself: values recorded from expr-lang v1.17.5, the library users' manifests know.

Each line of expr_lang_recorded.jsonl is an expression, a result, and what the library made of it (Go type and printed
value). Expressions were drawn at random and kept where both give a value. Where types do not go together this
implementation refuses more than the library does; what it does evaluate, it must evaluate to the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rollouts.core.expression import evaluate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RECORDED = Path(__file__).with_name("expr_lang_recorded.jsonl")
ROWS = [json.loads(line) for line in RECORDED.read_text().splitlines()]

GO_KINDS = {"bool": bool, "int": int, "int64": int, "float64": float, "string": str, "<nil>": type(None)}


def printed(value: Any) -> str:
    """A value as the language prints it, by its own string()."""
    return str(evaluate("string(result)", result=value, now=NOON).value)


def test_there_is_something_to_compare() -> None:
    """The recording is not empty, and holds every kind of value."""
    assert len(ROWS) >= 500
    assert {"bool", "int", "float64", "string"} <= {kind for _, _, kind, _ in ROWS}


@pytest.mark.parametrize(("text", "result", "kind", "shown"), ROWS)
def test_value_is_the_library_s(text: str, result: Any, kind: str, shown: str) -> None:
    """The same type and the same value."""
    value = evaluate(text, result=result, now=NOON).value
    wanted = GO_KINDS.get(kind, Mapping if kind.startswith("map") else list)
    assert isinstance(value, wanted)
    assert printed(value) == shown
