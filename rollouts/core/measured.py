"""One AnalysisRun: what to ask now, what its status says, and when to look again.

`decide_run` is to a run what `decide` is to a rollout: a pure function of what is seen. It counts the readings that
have arrived, judges, and sends the queries that are due. All it needs to go on after a restart is in the run's status;
a reading is taken once, by its ordinal. A run with a verdict is never touched again, except to delete it in time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollouts.api.analysis import COMPLETED_PHASES, AnalysisRun, AnalysisRunStatus, MetricResult, Phase
from rollouts.core import judging, measuring
from rollouts.core.actions import Action, DeleteAnalysisRun, Measure
from rollouts.core.arguments import ArgumentError
from rollouts.core.judging import Judged
from rollouts.core.metrics import Gauge, InvalidMetric, gauges
from rollouts.core.observed import ReadingSeen, RunSeen
from rollouts.core.plan import NORMAL, WARNING, Note, Plan, earliest

RunPlan = Plan[AnalysisRunStatus]
Results = Mapping[str, MetricResult]


def decide_run(seen: RunSeen, *, now: datetime) -> RunPlan:
    """What to do about one AnalysisRun, and what its status says."""
    run = seen.run
    if run.meta.deletion_timestamp is not None:
        return Plan(actions=(), status=run.status, requeue_at=None, notes=())
    if run.status.phase in COMPLETED_PHASES:
        return _expired(run, now=now)
    try:
        measured = _gauges(run)
    except ArgumentError as error:
        return _refused(run, f"Unable to resolve metric arguments: {error}", now=now)
    except InvalidMetric as error:
        return _refused(run, f"Analysis spec invalid: {error}", now=now)
    for problem in seen.problems:
        if problem.path.startswith("spec"):
            return _refused(run, f"Analysis spec invalid: {problem.path} {problem.message}", now=now)
    return _continued(_Pass(seen=seen, gauges=measured, now=now))


def unmeasured(run: AnalysisRun) -> tuple[str, ...]:
    """The metrics that count and lack the measurements a pass needs.

    A run that was ended early is Successful with whatever it had: its phase is no proof, this is.
    """
    try:
        measured = _gauges(run)
    except (ArgumentError, InvalidMetric):
        return tuple(metric.name for metric in run.spec.metrics)
    return tuple(
        gauge.name
        for gauge in measured
        if not gauge.is_dry_run and not judging.has_minimum(gauge, _result(run.status, gauge.name))
    )


def _gauges(run: AnalysisRun) -> tuple[Gauge, ...]:
    spec = run.spec
    return gauges(spec.metrics, args=spec.args, dry_run=spec.dry_run, retention=spec.measurement_retention)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """One look at a run that goes on."""

    seen: RunSeen
    gauges: tuple[Gauge, ...]
    now: datetime

    @property
    def run(self) -> AnalysisRun:
        return self.seen.run

    @property
    def started_at(self) -> datetime:
        return self.run.status.started_at or _stored(self.now)


def _continued(turn: _Pass) -> RunPlan:
    counted = {
        gauge.name: result
        for gauge in turn.gauges
        if (result := _counted(gauge, _result(turn.run.status, gauge.name), turn.seen.readings)) is not None
    }
    is_terminated = turn.run.spec.terminate
    judged = _judged(turn.gauges, counted, is_terminating=is_terminated)
    is_terminating = is_terminated or judging.ends_siblings(judged)
    if is_terminating:
        counted = {name: _without_unfinished(result) for name, result in counted.items()}
        judged = _judged(turn.gauges, counted, is_terminating=True)
    queries, requeue_at = ((), None) if is_terminating else _queries(turn, counted)
    results, notes = _told(turn, counted, judged)
    status = _status(turn, results, judged)
    if status.phase is not None and status.phase.is_completed:
        return dataclasses.replace(_expired(turn.run, status=status, now=turn.now), notes=(*notes, _ended(status)))
    return Plan(actions=queries, status=status, requeue_at=requeue_at, notes=notes)


def _result(status: AnalysisRunStatus, name: str) -> MetricResult | None:
    return next((result for result in status.metric_results if result.name == name), None)


def _counted(gauge: Gauge, result: MetricResult | None, readings: Sequence[ReadingSeen]) -> MetricResult | None:
    """The metric's result with the readings that are new, in their order; the others are known or too late."""
    for reading in sorted(readings, key=lambda reading: reading.ordinal):
        is_open = result is None or not result.phase.is_completed
        is_next = reading.metric == gauge.name and reading.ordinal == measuring.next_ordinal(result)
        if not (is_open and is_next):
            continue
        result = result or MetricResult(name=gauge.name, phase=Phase.RUNNING, dry_run=gauge.is_dry_run)
        if not result.metadata:
            result = dataclasses.replace(result, metadata=judging.shown_metadata(reading.about, reading))
        result = judging.counted(result, judging.judged(gauge, reading))
        result = dataclasses.replace(result, measurements=result.measurements[-gauge.kept :])
    return result


def _without_unfinished(result: MetricResult) -> MetricResult:
    """A result without the measurement that nobody waits for any more."""
    finished = tuple(measurement for measurement in result.measurements if measurement.phase.is_completed)
    return dataclasses.replace(result, measurements=finished)


def _judged(gauges: Sequence[Gauge], results: Results, *, is_terminating: bool) -> tuple[Judged, ...]:
    return tuple(_judged_one(gauge, results.get(gauge.name), is_terminating=is_terminating) for gauge in gauges)


def _judged_one(gauge: Gauge, result: MetricResult | None, *, is_terminating: bool) -> Judged:
    measurements = result.measurements if result is not None else ()
    return Judged(
        name=gauge.name,
        is_dry_run=gauge.is_dry_run,
        is_measured=bool(measurements),
        verdict=judging.metric_verdict(gauge, result, is_terminating=is_terminating),
        last_message=measurements[-1].message if measurements else "",
    )


def _queries(turn: _Pass, results: Results) -> tuple[tuple[Action, ...], datetime | None]:
    """The queries that are due and not on their way, and when the next one is."""
    queries: list[Action] = []
    later: list[datetime] = []
    for gauge in turn.gauges:
        result = results.get(gauge.name)
        due_at = _due_at(turn, gauge, result)
        ordinal = measuring.next_ordinal(result)
        if due_at is None or (gauge.name, ordinal) in turn.seen.in_flight:
            continue
        if due_at > turn.now:
            later.append(due_at)
        else:
            queries.append(_query(turn.run, gauge, ordinal))
    return tuple(queries), earliest(*later)


def _due_at(turn: _Pass, gauge: Gauge, result: MetricResult | None) -> datetime | None:
    """When to measure; None also for a metric whose verdict this very pass brings."""
    if judging.metric_verdict(gauge, result, is_terminating=False).phase.is_completed:
        return None
    return measuring.due_at(gauge, result, started_at=turn.started_at)


def _query(run: AnalysisRun, gauge: Gauge, ordinal: int) -> Measure:
    return Measure(run_uid=run.meta.uid, metric=gauge.name, ordinal=ordinal, spec=gauge.spec, secrets=gauge.secrets)


def _told(turn: _Pass, results: Results, judged: Sequence[Judged]) -> tuple[tuple[MetricResult, ...], tuple[Note, ...]]:
    """The results as the status has them, and a note for each metric that is decided now."""
    told: list[MetricResult] = []
    notes: list[Note] = []
    for metric in judged:
        result = results.get(metric.name)
        if result is None:
            continue
        phase = metric.verdict.phase
        if phase.is_completed and not result.phase.is_completed:
            notes.append(
                _note(f"Metric{phase}", f"Metric '{metric.name}' Completed. Result: {phase}", phase, metric.name)
            )
            message = judging.assessed("Metric assessed", metric) if metric.is_dry_run else ""
            result = dataclasses.replace(result, message=message or metric.last_message)
        told.append(dataclasses.replace(result, phase=phase))
    return tuple(told), tuple(notes)


def _status(turn: _Pass, results: tuple[MetricResult, ...], judged: Sequence[Judged]) -> AnalysisRunStatus:
    verdict = judging.run_verdict(judged, is_terminated=turn.run.spec.terminate)
    dry_run = [metric for metric in judged if metric.is_dry_run]
    return dataclasses.replace(
        turn.run.status,
        phase=verdict.phase,
        message=verdict.why or (judging.RUN_TERMINATED if turn.run.spec.terminate else ""),
        started_at=turn.started_at,
        completed_at=_stored(turn.now) if verdict.phase.is_completed else None,
        metric_results=results,
        run_summary=judging.summary(metric for metric in judged if not metric.is_dry_run),
        dry_run_summary=judging.summary(dry_run) if dry_run else None,
    )


def _refused(run: AnalysisRun, why: str, *, now: datetime) -> RunPlan:
    """A run that cannot be measured as it is written ends in error at once."""
    at = _stored(now)
    started_at = run.status.started_at or at
    status = dataclasses.replace(
        run.status, phase=Phase.ERROR, message=why[: judging.MESSAGE_MAX], started_at=started_at, completed_at=at
    )
    return dataclasses.replace(_expired(run, status=status, now=now), notes=(_ended(status),))


def _ended(status: AnalysisRunStatus) -> Note:
    phase = status.phase or Phase.ERROR
    return _note(f"AnalysisRun{phase}", f"Analysis Completed. Result: {phase}", phase, "")


def _note(reason: str, message: str, phase: Phase, key: str) -> Note:
    kind = WARNING if phase in (Phase.FAILED, Phase.ERROR) else NORMAL
    return Note(reason=reason, message=message, type=kind, key=key)


def _expired(run: AnalysisRun, *, now: datetime, status: AnalysisRunStatus | None = None) -> RunPlan:
    """A run with a verdict: deleted when its time is up, else looked at again then."""
    status = status or run.status
    seconds = _seconds_kept(run, status)
    if seconds is None or status.completed_at is None:
        return Plan(actions=(), status=status, requeue_at=None, notes=())
    ends_at = status.completed_at + timedelta(seconds=max(0, seconds) + 1)
    if now < ends_at:
        return Plan(actions=(), status=status, requeue_at=ends_at, notes=())
    delete = DeleteAnalysisRun(name=run.meta.name, uid=run.meta.uid)
    return Plan(actions=(delete,), status=status, requeue_at=None, notes=())


def _seconds_kept(run: AnalysisRun, status: AnalysisRunStatus) -> int | None:
    ttl = run.spec.ttl_strategy
    if ttl is None:
        return None
    special = {
        Phase.SUCCESSFUL: ttl.seconds_after_success,
        Phase.FAILED: ttl.seconds_after_failure,
    }.get(status.phase or Phase.ERROR)
    return ttl.seconds_after_completion if special is None else special


def _stored(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
