"""An AnalysisRun that passes as early as its metrics allow: its course for `rollouts plan`. Pure.

Every measurement succeeds and takes no time. A metric without an end goes on for ever, as in a background.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rollouts.api.analysis import AnalysisRun, Phase
from rollouts.core.measuring import DEFAULT_INTERVAL_SECONDS
from rollouts.core.metrics import Gauge
from rollouts.ctl import measurements
from rollouts.lib import timestamps


def seconds_of(gauge: Gauge) -> int | None:
    """The shortest time in which a metric can pass; None when it has no end."""
    needed = _needed(gauge)
    return None if needed is None else gauge.initial_delay + _interval(gauge) * (needed - 1)


def status_at(run: AnalysisRun, now: datetime) -> Mapping[str, Any]:
    """The run's status at a moment."""
    began = run.meta.creation_timestamp or now
    results = [_result(gauge, began, now) for gauge in _gauges(run)]
    is_over = all(result["phase"] == Phase.SUCCESSFUL for result in results)
    phase = Phase.SUCCESSFUL if is_over or run.spec.terminate else Phase.RUNNING
    return {"phase": str(phase), "startedAt": timestamps.render(began), "metricResults": results}


def changes_at(run: AnalysisRun, now: datetime) -> datetime | None:
    """When the run's next measurement is made; None when there is none to come that matters."""
    began = run.meta.creation_timestamp or now
    if run.status.phase == Phase.SUCCESSFUL or run.spec.terminate:
        return None
    ends = [seconds for gauge in _gauges(run) for seconds in (gauge.initial_delay, seconds_of(gauge)) if seconds]
    moments = (began + timedelta(seconds=seconds) for seconds in ends)
    return min((moment for moment in moments if moment > now), default=None)


def _gauges(run: AnalysisRun) -> tuple[Gauge, ...]:
    return tuple(metric.gauge for metric in measurements.seen(run) if metric.gauge is not None)


def _result(gauge: Gauge, began: datetime, now: datetime) -> dict[str, Any]:
    elapsed = (now - began).total_seconds() - gauge.initial_delay
    needed = _needed(gauge)
    made = 0 if elapsed < 0 else 1 + int(elapsed) // _interval(gauge)
    count = made if needed is None else min(made, needed)
    is_over = needed is not None and count >= needed
    phase = str(Phase.SUCCESSFUL if is_over else Phase.RUNNING)
    counts = {"count": count, "successful": count, "consecutiveSuccess": count}
    measured = {"phase": str(Phase.SUCCESSFUL), "finishedAt": timestamps.render(now)}
    return {"name": gauge.name, "phase": phase, **counts, "measurements": [measured] if count else []}


def _needed(gauge: Gauge) -> int | None:
    """How many measurements make it pass."""
    limits = [limit for limit in (gauge.count, gauge.consecutive_success_limit) if limit]
    return min(limits, default=None)


def _interval(gauge: Gauge) -> int:
    return gauge.interval or DEFAULT_INTERVAL_SECONDS
