"""When a metric is measured next.

A measurement has an ordinal, counted from 1 with errors included, so that a query is sent once and its answer counted
once: what is in the status already, and what is on its way, is known by (metric, ordinal). Due times follow from stored
times alone, so a restart moves none. What an answer means belongs to judging.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from rollouts.api.analysis import MetricResult, Phase
from rollouts.core.metrics import Gauge

DEFAULT_INTERVAL_SECONDS = 10
"""After an error, and between the measurements of a metric without an interval."""


def next_ordinal(result: MetricResult | None) -> int:
    """The ordinal of the measurement that comes next, or of the one that is not finished."""
    return 1 if result is None else result.count + result.error + 1


def due_at(gauge: Gauge, result: MetricResult | None, *, started_at: datetime) -> datetime | None:
    """When the next measurement is due, possibly in the past; None when the metric has all it needs."""
    if result is not None and result.phase.is_completed:
        return None
    last = result.measurements[-1] if result is not None and result.measurements else None
    if result is None or last is None:
        return started_at + timedelta(seconds=gauge.initial_delay)
    if not last.phase.is_completed:
        return last.resume_at or last.started_at or started_at
    if gauge.count is not None and result.count >= gauge.count:
        return None
    return (last.finished_at or started_at) + timedelta(seconds=_pause_after(gauge, last.phase))


def _pause_after(gauge: Gauge, phase: Phase) -> int:
    if phase == Phase.ERROR or gauge.interval is None:
        return DEFAULT_INTERVAL_SECONDS
    return gauge.interval
