"""Label selectors, read and written."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.lib import selectors

LABELS = {"app": "web", "tier": "front"}


def a_rule(key: str, operator: str, *values: str) -> dict[str, Any]:
    """A selector of one expression."""
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


SELECTORS: tuple[tuple[dict[str, Any], bool, str], ...] = (
    ({}, True, ""),
    ({"matchLabels": {"app": "web"}}, True, "app=web"),
    ({"matchLabels": {"app": "api"}}, False, "app=api"),
    (a_rule("tier", "In", "front", "back"), True, "tier in (back,front)"),
    (a_rule("tier", "NotIn", "front"), False, "tier notin (front)"),
    (a_rule("app", "Exists"), True, "app"),
    (a_rule("old", "DoesNotExist"), True, "!old"),
    (a_rule("app", "Near"), False, "app"),
)


@pytest.mark.parametrize(("selector", "expected", "text"), SELECTORS, ids=[text for _, _, text in SELECTORS])
def test_a_selector_matches_and_is_written(selector: dict[str, Any], expected: object, text: str) -> None:
    """Every requirement must hold; the text is the one that list requests carry."""
    assert selectors.matches(selector, LABELS) is expected
    assert selectors.render(selector) == text


@pytest.mark.parametrize(
    "selector",
    [
        {"matchLabels": 1.5},
        {"matchLabels": ["app"]},
        {"matchExpressions": True},
        {"matchExpressions": [None]},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": 3}]},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": [{}]}]},
    ],
)
def test_what_is_no_selector_matches_nothing(selector: dict[str, Any]) -> None:
    """A loose CRD lets anything stand there, and a selector that cannot be read must claim nobody's objects."""
    assert not selectors.matches(selector, LABELS)
    assert selectors.render(selector) == ""
