"""Label selectors as objects carry them (`matchLabels`, `matchExpressions`), applied to labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollouts.sandbox.kinds import Json


def labels_of(obj: Json) -> Mapping[str, str]:
    """The labels of an object; none is an empty mapping."""
    labels: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return labels


def matches(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector chooses these labels. No selector chooses nothing, an empty one everything."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    return matches_all(wanted, labels) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def matches_all(wanted: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether every wanted label is there with its value."""
    return all(labels.get(name) == value for name, value in wanted.items())


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    name, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(name) in values
        case "NotIn":
            return labels.get(name) not in values
        case "Exists":
            return name in labels
        case "DoesNotExist":
            return name not in labels
    return False  # the API server admits no other operator
