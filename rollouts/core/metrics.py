"""A metric as it is measured: arguments filled in, numbers read, defaults applied, every rule checked.

`Metric` is what a user wrote; `Gauge` is what measuring and judging work with. Whoever holds a Gauge need not ask again
whether a limit is a number. The rules are those of api/validate_analysis.py, and that conditions can be read. When to
measure belongs to measuring.py, what an answer means to judging.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollouts.api import codec, validate_analysis
from rollouts.api.analysis import (
    DEFAULT_CONSECUTIVE_ERROR_LIMIT,
    DEFAULT_MEASUREMENTS_KEPT,
    AnalysisArgument,
    DryRun,
    MeasurementRetention,
    Metric,
)
from rollouts.core import arguments, expression
from rollouts.core.arguments import SecretKey
from rollouts.core.expression import ExpressionError
from rollouts.lib import regex

MEASUREMENTS_KEPT_MAX = 500  # etcd object size
INTERVAL_MIN_SECONDS = 1  # what timestamps resolve
UNLIMITED = -1
_DURATIONS = ("interval", "initialDelay")


class InvalidMetric(ValueError):
    """A rule that a metric breaks; the text names the metric and the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A metric ready to be measured. Durations are seconds; `count` None: no end; failure_limit -1: no limit."""

    name: str
    interval: int | None
    initial_delay: int
    count: int | None
    success_condition: str
    failure_condition: str
    failure_limit: int
    inconclusive_limit: int
    consecutive_error_limit: int
    consecutive_success_limit: int
    spec: Mapping[str, Any]
    secrets: Mapping[str, SecretKey]
    is_dry_run: bool
    kept: int
    """How many measurements the status keeps."""

    @property
    def tolerates_any_failure(self) -> bool:
        """Whether failures have no limit."""
        return self.failure_limit == UNLIMITED

    @property
    def is_endless(self) -> bool:
        """Whether it is measured until someone stops it."""
        return self.count is None


def gauges(
    metrics: Sequence[Metric],
    *,
    args: Sequence[AnalysisArgument],
    dry_run: Sequence[DryRun] = (),
    retention: Sequence[MeasurementRetention] = (),
) -> tuple[Gauge, ...]:
    """Every metric ready to be measured. Raises ArgumentError or InvalidMetric with the first thing that is wrong."""
    filled = [arguments.fill(metric.raw, args) for metric in metrics]
    read = [_read(item.metric, f"metrics[{index}]") for index, item in enumerate(filled)]
    wrong = validate_analysis.error(read)
    if wrong is not None:
        raise InvalidMetric(wrong)
    for index, metric in enumerate(read):
        _require_conditions(metric, f"metrics[{index}]")
    names = [metric.name for metric in read]
    dry = _chosen([(rule.metric_name, True) for rule in dry_run], names, "dryRun")
    kept = _chosen([(rule.metric_name, rule.limit) for rule in retention], names, "measurementRetention")
    return tuple(
        _gauge(metric, item, is_dry_run=metric.name in dry, kept=kept.get(metric.name))
        for metric, item in zip(read, filled, strict=True)
    )


def _read(metric: Mapping[str, Any], path: str) -> Metric:
    problems: codec.Problems = []
    read = codec.decode(Metric, {key: member for key, member in metric.items() if member != ""}, problems)
    for problem in problems:
        if problem.path not in _DURATIONS:  # these have words of their own
            raise InvalidMetric(f"{path}: {problem.path} {problem.message}")
    return read


def _require_conditions(metric: Metric, path: str) -> None:
    """Raise for a condition that no result can satisfy the language with."""
    conditions = {"successCondition": metric.success_condition, "failureCondition": metric.failure_condition}
    for what, condition in conditions.items():
        try:
            if condition:
                expression.check(condition)
        except ExpressionError as error:
            raise InvalidMetric(f'{path}: {what} "{condition}": {error}') from None


def _gauge(metric: Metric, filled: arguments.Filled, *, is_dry_run: bool, kept: int | None) -> Gauge:
    count = _number(metric.count, 0)
    return Gauge(
        name=metric.name,
        interval=None if metric.interval is None else max(INTERVAL_MIN_SECONDS, metric.interval),
        initial_delay=max(0, metric.initial_delay or 0),
        count=count if count > 0 else 1 if metric.interval is None else None,
        success_condition=metric.success_condition or "",
        failure_condition=metric.failure_condition or "",
        failure_limit=_number(metric.failure_limit, 0),
        inconclusive_limit=_number(metric.inconclusive_limit, 0),
        consecutive_error_limit=_number(metric.consecutive_error_limit, DEFAULT_CONSECUTIVE_ERROR_LIMIT),
        consecutive_success_limit=_number(metric.consecutive_success_limit, 0),
        spec=filled.metric,
        secrets=filled.secrets,
        is_dry_run=is_dry_run,
        kept=min(max(1, DEFAULT_MEASUREMENTS_KEPT if kept is None else kept), MEASUREMENTS_KEPT_MAX),
    )


def _number(value: int | str | None, default: int) -> int:
    """A count or limit, which may be written as a string of digits; that it is one has been checked."""
    return default if value is None else int(value)


def _chosen(rules: Sequence[tuple[str, int]], names: Sequence[str], what: str) -> Mapping[str, int]:
    """What the rules say per metric; their names are unanchored patterns, and a later rule overrides an earlier one."""
    chosen: dict[str, int] = {}
    for index, (pattern, value) in enumerate(rules):
        try:
            hits = [name for name in names if regex.occurs(pattern, name)]
        except regex.BadPattern as error:
            raise InvalidMetric(f"{what}[{index}]: {pattern!r} is no regular expression: {error}") from None
        if not hits:
            raise InvalidMetric(f"{what}[{index}]: Rule didn't match any metric name(s)")
        chosen.update(dict.fromkeys(hits, value))
    return chosen
