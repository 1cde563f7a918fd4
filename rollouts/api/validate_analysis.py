"""Rules of metrics, arguments and rules by metric name: what makes an analysis impossible to run.

Messages are those that runs have always shown. Metrics are checked after their placeholders were filled in; for
templates, whose arguments are not known yet, dummies stand in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rollouts.api import codec
from rollouts.api.analysis import DEFAULT_CONSECUTIVE_ERROR_LIMIT, DryRun, MeasurementRetention, Metric
from rollouts.api.codec import Problem
from rollouts.api.findings import Finding, Kind, Place, malformed
from rollouts.lib import regex

_PLACEHOLDER = re.compile(r"\{\{\s*args\.(?P<name>[^{}\s]+)\s*\}\}")
_DUMMY_NUMBER = "1"
_LIMIT_DISABLED = -1
_DURATIONS = ("interval", "initialDelay")
_NUMBERS = (
    "count",
    "failureLimit",
    "inconclusiveLimit",
    "consecutiveErrorLimit",
    "consecutiveSuccessLimit",
)


def metrics(value: Sequence[Metric], place: Place) -> Iterator[Finding]:
    """Everything wrong with a list of metrics whose placeholders were filled in."""
    if not value:
        yield _plain(place, "no metrics specified")
    names: set[str] = set()
    for index, metric in enumerate(value):
        here = place[index]
        if metric.name in names:
            yield _plain(here.really_at("name"), f"metrics[{index}]: duplicate name '{metric.name}'")
        names.add(metric.name)
        for where, message in _metric(metric):
            yield _plain(here.really_at(where) if where else here, f"metrics[{index}]: {message}")


def error(value: Sequence[Metric]) -> str | None:
    """The first thing wrong with metrics, as the message of a run; None when they can be measured."""
    first = next(metrics(value, Place("spec.metrics", "spec.metrics")), None)
    return None if first is None else first.message


def name_rules(
    rules: Sequence[DryRun | MeasurementRetention], value: Sequence[Metric], place: Place
) -> Iterator[Finding]:
    """Everything wrong with rules that pick metrics by a regular expression on their name."""
    member = place.path.rpartition(".")[2]
    for index, rule in enumerate(rules):
        here = place[index].really_at("metricName")
        try:
            is_used = any([regex.occurs(rule.metric_name, metric.name) for metric in value])
        except regex.BadPattern as problem:
            yield _plain(here, f"{member}[{index}]: invalid regular expression: {problem}")
            continue
        if not is_used:
            yield _plain(here, f"{member}[{index}]: Rule didn't match any metric name(s)")


def with_dummies(raw: Any) -> Any:
    """A raw metric with every placeholder replaced by something that fits where it stands.

    The dummy is "1", which can stand for a text as well as for the number of a duration.
    """
    if isinstance(raw, str):
        return _PLACEHOLDER.sub(_DUMMY_NUMBER, raw)
    if isinstance(raw, Mapping):
        return {key: with_dummies(member) for key, member in raw.items()}
    return [with_dummies(item) for item in raw] if isinstance(raw, list) else raw


def placeholders(raw: Any) -> set[str]:
    """The names of the arguments a raw metric uses."""
    if isinstance(raw, str):
        return {match["name"] for match in _PLACEHOLDER.finditer(raw)}
    members = list(raw.values()) if isinstance(raw, Mapping) else raw if isinstance(raw, list) else []
    return {name for member in members for name in placeholders(member)}


def template_metrics(raw_metrics: Sequence[Any], place: Place) -> Iterator[Finding]:
    """Everything wrong with the raw metrics of a template, whatever its arguments turn out to be."""
    problems: list[Problem] = []
    read = []
    for index, raw in enumerate(raw_metrics):
        filled = (
            {key: _dummy_member(str(key), member) for key, member in raw.items()} if isinstance(raw, Mapping) else raw
        )
        read.append(codec.decode(Metric, filled, problems, place[index].path))
    yield from (malformed(problem) for problem in problems if not problem.path.endswith(_DURATIONS))
    yield from metrics(read, place)


def _dummy_member(name: str, member: Any) -> Any:
    """The member with dummies; a number that depends on an argument is left out, so no rule compares it."""
    if name in _NUMBERS and placeholders(member):
        return None
    filled = with_dummies(member)
    is_bare_duration = name in _DURATIONS and member != filled and str(filled).isdigit()
    return f"{filled}s" if is_bare_duration else filled


def _plain(place: Place, message: str) -> Finding:
    return Finding(path=place.path, field=place.field, kind=Kind.UNSOUND, message=message)


def _metric(metric: Metric) -> Iterator[tuple[str, str]]:
    """(member, message) of everything wrong with one metric."""
    limits = _Limits(metric)
    yield from limits.unreadable()
    yield from limits.ranges()
    yield from limits.against_count()
    if limits.count > 1 and not metric.raw.get("interval", metric.interval):
        yield "interval", "interval must be specified when count > 1"
    yield from _durations(metric)
    providers = sum(_sections(name, section) for name, section in metric.provider.items())
    if providers == 0:
        yield "provider", "no provider specified"
    if providers > 1:
        yield "provider", "multiple providers specified"


def _durations(metric: Metric) -> Iterator[tuple[str, str]]:
    for name, shown, read in (
        ("interval", "interval", metric.interval),
        ("initialDelay", "startDelay", metric.initial_delay),
    ):
        text = metric.raw.get(name)
        if read is None and text and not placeholders(text):
            yield name, f'invalid {shown} string: "{text}" is no duration such as 90s or 1h30m'


def _sections(name: str, section: Any) -> int:
    """How many providers one member of `provider` names; `plugin` maps names to configurations."""
    if name == "plugin" and isinstance(section, Mapping):
        return len(section)
    return 0 if section is None else 1


class _Limits:
    """The counts of a metric as numbers; one that is no number counts as unset and is reported once."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self.count = self._number(metric.count) or 0
        self.failure = self._number(metric.failure_limit) or 0
        self.inconclusive = self._number(metric.inconclusive_limit) or 0
        errors = self._number(metric.consecutive_error_limit)
        self.error = DEFAULT_CONSECUTIVE_ERROR_LIMIT if errors is None else errors
        self.success = self._number(metric.consecutive_success_limit) or 0

    @staticmethod
    def _number(value: int | str | None) -> int | None:
        if isinstance(value, str):
            text = value.strip()
            return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else None
        return value

    def unreadable(self) -> Iterator[tuple[str, str]]:
        for attribute in codec.attributes(Metric):
            value = getattr(self._metric, attribute.name)
            if attribute.json in _NUMBERS and value is not None and self._number(value) is None:
                yield attribute.json, f"{attribute.json} must be a whole number, not '{value}'"

    def ranges(self) -> Iterator[tuple[str, str]]:
        if self.success < 0:
            yield "consecutiveSuccessLimit", "consecutiveSuccessLimit must be >= 0"
        if self.failure < _LIMIT_DISABLED:
            yield "failureLimit", "failureLimit must be >= 0, or -1 to be disabled"
        if self.failure == _LIMIT_DISABLED and self.success == 0:
            yield "failureLimit", "failureLimit and consecutiveSuccessLimit cannot both be disabled"
        if self.inconclusive < 0:
            yield "inconclusiveLimit", "inconclusiveLimit must be >= 0"
        if self.error < 0:
            yield "consecutiveErrorLimit", "consecutiveErrorLimit must be >= 0"

    def against_count(self) -> Iterator[tuple[str, str]]:
        if self.count <= 0:
            return
        if self.failure >= 0 and self.success >= 0 and self.count < self.failure + self.success:
            yield (
                "count",
                (
                    f"count ({self.count}) must be >= failureLimit + consecutiveSuccessLimit "
                    f"({self.failure} + {self.success}) if both >= 0"
                ),
            )
        elif self.count < self.success:
            yield "count", "count must be >= consecutiveSuccessLimit"
        if self.count < self.inconclusive:
            yield "count", "count must be >= inconclusiveLimit"
