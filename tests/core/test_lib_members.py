"""Reading what nobody has checked."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.lib.members import mapping_at

OBJECT = {"spec": {"selector": {"app": "web"}, "replicas": 3, "none": None, "list": [{}]}}


@pytest.mark.parametrize(
    ("value", "names", "found"),
    [
        (OBJECT, ("spec", "selector"), {"app": "web"}),
        (OBJECT, (), OBJECT),
        (OBJECT, ("spec", "replicas"), {}),
        (OBJECT, ("spec", "replicas", "x"), {}),
        (OBJECT, ("spec", "none", "x"), {}),
        (OBJECT, ("spec", "list", "x"), {}),
        (OBJECT, ("status",), {}),
        ("text", ("spec",), {}),
        (None, (), {}),
    ],
)
def test_what_is_no_mapping_is_as_good_as_empty(value: Any, names: tuple[str, ...], found: Any) -> None:
    """Wherever on the way it is met."""
    assert mapping_at(value, *names) == found
