"""Conditions of metrics that no result can satisfy: what is wrong with them whatever is measured.

Conditions with placeholders are passed over: what they say is known when the arguments are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rollouts.api.findings import Finding, Place
from rollouts.api.validate_analysis import placeholders
from rollouts.core import expression
from rollouts.core.expression_tree import ExpressionError

CONDITIONS = ("successCondition", "failureCondition")


def condition_findings(raw_metrics: Sequence[Any], place: Place) -> Iterator[Finding]:
    """What is wrong with the conditions of raw metrics, which stand at `place`."""
    for index, raw in enumerate(raw_metrics):
        for name in CONDITIONS:
            condition = raw.get(name) if isinstance(raw, Mapping) else None
            if isinstance(condition, str) and not placeholders(condition):
                yield from _unreadable(condition, place[index] / name)


def _unreadable(condition: str, place: Place) -> Iterator[Finding]:
    try:
        if condition:
            expression.check(condition)
    except ExpressionError as error:
        yield place.invalid(condition, str(error))
