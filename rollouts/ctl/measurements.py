"""What an AnalysisRun has measured, metric by metric: values, counters, the rule they are held to, and what is next.

Rules, limits and due times come from the core's own gauges, so that what is shown is what is judged. Pure.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime

from rollouts.api.analysis import COMPLETED_PHASES, AnalysisRun, Measurement, MetricResult, Phase
from rollouts.core import measuring, metrics
from rollouts.core.arguments import ArgumentError
from rollouts.core.metrics import Gauge, InvalidMetric

SPARKS = "▁▂▃▄▅▆▇█"
SHOWN_MAX = 10  # measurements of a metric in one line
VALUE_LENGTH_MAX = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSeen:
    """One metric of a run."""

    result: MetricResult
    gauge: Gauge | None
    """None: the metric cannot be measured as it is written."""
    next_at: datetime | None

    @property
    def name(self) -> str:
        """The metric's name."""
        return self.result.name

    @property
    def values(self) -> tuple[str, ...]:
        """The latest values as people read them, oldest first; words that repeat are said once, with how often."""
        texts = (text_of(each) for each in self.result.measurements[-SHOWN_MAX:])
        groups = ((text, len(list(same))) for text, same in itertools.groupby(texts))
        return tuple(_repeated(text, times) for text, times in groups)

    @property
    def latest(self) -> str:
        """The last value as people read it; empty before there is one."""
        return text_of(self.result.measurements[-1]) if self.result.measurements else ""

    @property
    def rule(self) -> str:
        """What values are held to."""
        if self.gauge is None:
            return ""
        success, failure = self.gauge.success_condition, self.gauge.failure_condition
        parts = (f"needs {success}" if success else "", f"must not be {failure}" if failure else "")
        return " and ".join(part for part in parts if part)

    @property
    def progress(self) -> str:
        """`3 of 5 measured`, or how many there are where there is no end."""
        if self.gauge is None:
            return f"{self.result.count} measured"
        return (
            f"{self.result.count} of {self.gauge.count} measured"
            if self.gauge.count
            else f"{self.result.count} measured"
        )

    @property
    def failures_left(self) -> int | None:
        """How many failed measurements more make it fail; None when none does."""
        if self.gauge is None or self.gauge.is_dry_run or self.gauge.tolerates_any_failure:
            return None
        return max(1, self.gauge.failure_limit - self.result.failed + 1)


def _repeated(text: str, times: int) -> str:
    return text if times == 1 else f"{text} ({times} times)"


def seen(run: AnalysisRun) -> tuple[MetricSeen, ...]:
    """Every metric of a run, in the order of its spec."""
    results = {result.name: result for result in run.status.metric_results}
    gauges = {gauge.name: gauge for gauge in _gauges(run)}
    is_over = run.status.phase in COMPLETED_PHASES
    return tuple(
        MetricSeen(
            result=results.get(metric.name, MetricResult(name=metric.name)),
            gauge=gauges.get(metric.name),
            next_at=None if is_over else _next_at(gauges.get(metric.name), results.get(metric.name), run),
        )
        for metric in run.spec.metrics
    )


def counters(run: AnalysisRun) -> tuple[tuple[Phase, int], ...]:
    """Measurements of all metrics by outcome, outcomes that never came left out."""
    results = run.status.metric_results
    sums = (
        (Phase.SUCCESSFUL, sum(result.successful for result in results)),
        (Phase.FAILED, sum(result.failed for result in results)),
        (Phase.INCONCLUSIVE, sum(result.inconclusive for result in results)),
        (Phase.ERROR, sum(result.error for result in results)),
    )
    return tuple((phase, count) for phase, count in sums if count)


def text_of(measurement: Measurement) -> str:
    """A value for reading: `[0.8123456789]` is 0.812. Without a value, why there is none."""
    number = number_of(measurement)
    if number is not None:
        return f"{number:.3f}".rstrip("0").rstrip(".")
    text = measurement.value or measurement.message or str(measurement.phase)
    return text if len(text) <= VALUE_LENGTH_MAX else f"{text[: VALUE_LENGTH_MAX - 1]}…"


def number_of(measurement: Measurement) -> float | None:
    """The value where it is one number, alone or in brackets."""
    try:
        return float(measurement.value.strip("[]"))
    except ValueError:
        return None


def sparkline(measurements: tuple[Measurement, ...]) -> str:
    """Values as a line of bars above zero; empty when they are not numbers from zero up."""
    numbers = [number_of(each) for each in measurements[-SHOWN_MAX:]]
    found = [number for number in numbers if number is not None]
    if not found or min(found) < 0 or not max(found) < float("inf"):
        return ""
    top = max(found) or 1.0
    return "".join(" " if number is None else SPARKS[round(number / top * (len(SPARKS) - 1))] for number in numbers)


def _gauges(run: AnalysisRun) -> tuple[Gauge, ...]:
    spec = run.spec
    try:
        return metrics.gauges(spec.metrics, args=spec.args, dry_run=spec.dry_run, retention=spec.measurement_retention)
    except (ArgumentError, InvalidMetric):  # the run's own message says so
        return ()


def _next_at(gauge: Gauge | None, result: MetricResult | None, run: AnalysisRun) -> datetime | None:
    started = run.status.started_at
    return None if gauge is None or started is None else measuring.due_at(gauge, result, started_at=started)
