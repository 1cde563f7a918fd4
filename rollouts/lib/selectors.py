"""Label selectors:

What they match, and how they are written in one line. Source: the Kubernetes API's LabelSelector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Selector = Mapping[str, Any]


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy every requirement. An empty selector matches everything; an unknown operator, or what
    cannot be read as a selector, matches nothing."""
    read = _read(selector)
    if read is None:
        return False
    equal, expressions = read
    is_equal = all(labels.get(key) == value for key, value in equal.items())
    return is_equal and all(_holds(expression, labels) for expression in expressions)


def render(selector: Selector) -> str:
    """The text form: `app=web,tier in (a,b),!legacy`, keys in order; empty for what cannot be read as a selector."""
    equal, expressions = _read(selector) or ({}, ())
    return ",".join(sorted([*(f"{key}={value}" for key, value in equal.items()), *map(_words, expressions)]))


def _read(selector: Selector) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]] | None:
    equal, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or ()
    if not isinstance(equal, Mapping) or not isinstance(expressions, list | tuple):
        return None
    return (equal, expressions) if all(_is_readable(each) for each in expressions) else None


def _is_readable(expression: object) -> bool:
    values = expression.get("values") or () if isinstance(expression, Mapping) else None
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = str(expression.get("key", "")), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def _words(expression: Mapping[str, Any]) -> str:
    key, values = expression.get("key", ""), ",".join(sorted(expression.get("values") or ()))
    match expression.get("operator"):
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "DoesNotExist":
            return f"!{key}"
        case _:
            return str(key)
