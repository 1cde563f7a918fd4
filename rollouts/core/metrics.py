"""A metric as it is measured: arguments filled in, numbers read, defaults applied, every rule of the field checked.

`Metric` is what a user wrote; `Gauge` is what measuring and judging work with. Whoever holds a Gauge need not ask again
whether a limit is a number. When to measure belongs to measuring.py, what an answer means to judging.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollouts.api import codec
from rollouts.api.analysis import (
    DEFAULT_CONSECUTIVE_ERROR_LIMIT,
    DEFAULT_MEASUREMENTS_KEPT,
    AnalysisArgument,
    DryRun,
    MeasurementRetention,
    Metric,
)
from rollouts.core import arguments
from rollouts.core.arguments import SecretKey
from rollouts.lib import regex

MEASUREMENTS_KEPT_MAX = 500  # etcd object size
INTERVAL_MIN_SECONDS = 1  # what timestamps resolve
UNLIMITED = -1


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
    if not filled:
        raise InvalidMetric("no metrics specified")
    read = [_read(item.metric, f"metrics[{index}]") for index, item in enumerate(filled)]
    names = [metric.name for metric in read]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InvalidMetric(f"metrics[{index}]: duplicate name '{name}'")
    dry = _chosen([(rule.metric_name, True) for rule in dry_run], names, "dryRun")
    kept = _chosen([(rule.metric_name, rule.limit) for rule in retention], names, "measurementRetention")
    return tuple(
        _gauge(metric, item, f"metrics[{index}]", is_dry_run=metric.name in dry, kept=kept.get(metric.name))
        for index, (metric, item) in enumerate(zip(read, filled, strict=True))
    )


def _read(metric: Mapping[str, Any], path: str) -> Metric:
    problems: codec.Problems = []
    written = {key: member for key, member in metric.items() if member != ""}
    read = codec.decode(Metric, written, problems)
    for problem in problems:
        raise InvalidMetric(f"{path}: {_named_problem(problem, metric)}")
    return read


def _named_problem(problem: codec.Problem, metric: Mapping[str, Any]) -> str:
    if problem.path == "interval":
        return f"invalid interval string: {metric.get('interval')!r}"
    if problem.path == "initialDelay":
        return f"invalid startDelay string: {metric.get('initialDelay')!r}"
    return f"{problem.path} {problem.message}"


def _gauge(metric: Metric, filled: arguments.Filled, path: str, *, is_dry_run: bool, kept: int | None) -> Gauge:
    count = _number(metric.count, 0, f"{path}: count")
    gauge = Gauge(
        name=metric.name,
        interval=None if metric.interval is None else max(INTERVAL_MIN_SECONDS, metric.interval),
        initial_delay=max(0, metric.initial_delay or 0),
        count=count if count > 0 else 1 if metric.interval is None else None,
        success_condition=metric.success_condition or "",
        failure_condition=metric.failure_condition or "",
        failure_limit=_number(metric.failure_limit, 0, f"{path}: failureLimit"),
        inconclusive_limit=_number(metric.inconclusive_limit, 0, f"{path}: inconclusiveLimit"),
        consecutive_error_limit=_number(
            metric.consecutive_error_limit, DEFAULT_CONSECUTIVE_ERROR_LIMIT, f"{path}: consecutiveErrorLimit"
        ),
        consecutive_success_limit=_number(metric.consecutive_success_limit, 0, f"{path}: consecutiveSuccessLimit"),
        spec=filled.metric,
        secrets=filled.secrets,
        is_dry_run=is_dry_run,
        kept=min(max(1, DEFAULT_MEASUREMENTS_KEPT if kept is None else kept), MEASUREMENTS_KEPT_MAX),
    )
    broken = _broken_rule(gauge, written_count=count)
    if broken is not None:
        raise InvalidMetric(f"{path}: {broken}")
    return gauge


def _number(value: int | str | None, default: int, what: str) -> int:
    """A count or limit that may be written as a string of digits."""
    if value is None or value == "":
        return default
    try:
        return int(value)
    except ValueError:
        raise InvalidMetric(f"{what} must be an integer, not '{value}'") from None


def _broken_rule(gauge: Gauge, *, written_count: int) -> str | None:
    return _broken_limit(gauge) or _broken_count(gauge, written_count) or _broken_provider(gauge.spec.get("provider"))


def _broken_limit(gauge: Gauge) -> str | None:
    if gauge.consecutive_success_limit < 0:
        return "consecutiveSuccessLimit must be >= 0"
    if gauge.failure_limit < UNLIMITED:
        return "failureLimit must be >= 0, or -1 to be disabled"
    if gauge.tolerates_any_failure and gauge.consecutive_success_limit == 0:
        return "failureLimit and consecutiveSuccessLimit cannot both be disabled"
    if gauge.inconclusive_limit < 0:
        return "inconclusiveLimit must be >= 0"
    return "consecutiveErrorLimit must be >= 0" if gauge.consecutive_error_limit < 0 else None


def _broken_count(gauge: Gauge, count: int) -> str | None:
    if count <= 0:
        return None
    failures, successes = gauge.failure_limit, gauge.consecutive_success_limit
    if failures >= 0 and count < failures + successes:
        return (
            f"count ({count}) must be >= failureLimit + consecutiveSuccessLimit ({failures} + {successes}) if both >= 0"
        )
    if count < successes:
        return "count must be >= consecutiveSuccessLimit"
    if count < gauge.inconclusive_limit:
        return "count must be >= inconclusiveLimit"
    return "interval must be specified when count > 1" if count > 1 and gauge.interval is None else None


def _broken_provider(provider: object) -> str | None:
    names = [name for name, section in provider.items() if section is not None] if isinstance(provider, Mapping) else []
    if not names:
        return "no provider specified"
    return "multiple providers specified" if len(names) > 1 else None


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
