"""AnalysisRuns played to their end: decide, answer, wait, decide again."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from rollouts.api import codec
from rollouts.api.analysis import AnalysisRunStatus, Phase
from rollouts.api.codec import Problem
from rollouts.api.parse import parse_analysis_run
from rollouts.core.actions import DeleteAnalysisRun, Measure
from rollouts.core.measured import decide_run, unmeasured
from rollouts.core.plan import Plan
from tests.builders import NOON, a_metric
from tests.core.runs import a_reading, a_run, always, in_turn, played, seen, with_status


def test_single_measurement_passes() -> None:
    """Without interval and count, one good measurement is a pass."""
    play = played(a_run(), always(1.0))
    status = play.run.status
    assert (status.phase, status.message) == (Phase.SUCCESSFUL, "")
    assert play.queries == [(0, "success-rate", 1)]
    assert play.notes == ["Normal MetricSuccessful", "Normal AnalysisRunSuccessful"]
    assert (status.started_at, status.completed_at) == (NOON, NOON + timedelta(seconds=1))


def test_single_measurement_fails() -> None:
    """One bad one is a failure, with the limit in words."""
    play = played(a_run(), always(0.5))
    assert play.run.status.phase == Phase.FAILED
    assert play.run.status.message == 'Metric "success-rate" assessed Failed due to failed (1) > failureLimit (0)'
    assert play.notes == ["Warning MetricFailed", "Warning AnalysisRunFailed"]


def test_interval_and_count() -> None:
    """Measurements come an interval after the last one ended."""
    play = played(a_run(a_metric(interval="30s", count=3)), always(1.0))
    assert play.queries == [(0, "success-rate", 1), (31, "success-rate", 2), (62, "success-rate", 3)]
    (result,) = play.run.status.metric_results
    assert (result.count, result.successful, len(result.measurements)) == (3, 3, 3)


def test_initial_delay() -> None:
    """The first measurement waits; the run is Running meanwhile."""
    first = decide_run(seen(a_run(a_metric(initialDelay="1m"))), now=NOON)
    assert (first.actions, first.status.phase) == ((), Phase.RUNNING)
    assert first.requeue_at == NOON + timedelta(minutes=1)
    assert played(a_run(a_metric(initialDelay="1m")), always(1.0)).queries == [(60, "success-rate", 1)]


def test_errors_are_retried_and_do_not_count() -> None:
    """An error is tried again after 10 s, and a good answer ends the row."""
    down = ConnectionError("down")
    play = played(a_run(), in_turn(down, down, down, down, 1.0))
    assert play.run.status.phase == Phase.SUCCESSFUL
    assert [seconds for seconds, _, _ in play.queries] == [0, 11, 22, 33, 44]
    (result,) = play.run.status.metric_results
    assert (result.error, result.consecutive_error, result.count) == (4, 0, 1)


def test_too_many_errors_in_a_row_end_the_run() -> None:
    """Never with a pass: what could not be measured is not proven."""
    play = played(a_run(), always(ConnectionError("down")))
    assert play.run.status.phase == Phase.ERROR
    assert play.run.status.message == (
        'Metric "success-rate" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): '
        '"Error Message: down"'
    )


def test_no_data_is_an_error() -> None:
    """An empty answer passes and fails nothing."""
    play = played(a_run(), always(None))
    assert play.run.status.phase == Phase.ERROR
    assert "no data returned from the metric provider" in play.run.status.message


def test_first_failure_ends_the_siblings() -> None:
    """Once a metric decides the run, the others are not measured again."""
    bad, good = a_metric("bad"), a_metric("good", interval="10s", count=10)
    play = played(a_run(bad, good), lambda measure, now: 0.0 if measure.metric == "bad" else 1.0)
    status = play.run.status
    assert status.phase == Phase.FAILED
    assert [result.phase for result in status.metric_results] == [Phase.FAILED, Phase.SUCCESSFUL]
    assert len(play.queries) == 2


def test_dry_run_metric_does_not_count() -> None:
    """It is measured and judged, and only the summary of dry runs tells."""
    run = a_run(a_metric("bad"), a_metric("good"), dryRun=[{"metricName": "^bad"}])
    play = played(run, lambda measure, now: 0.0 if measure.metric == "bad" else 1.0)
    status = play.run.status
    assert (status.phase, status.message) == (Phase.SUCCESSFUL, "")
    bad = status.metric_results[0]
    assert (bad.phase, bad.dry_run) == (Phase.FAILED, True)
    assert bad.message == "Metric assessed Failed due to failed (1) > failureLimit (0)"
    assert status.run_summary is not None
    assert status.dry_run_summary is not None
    assert (status.run_summary.count, status.run_summary.successful) == (1, 1)
    assert (status.dry_run_summary.count, status.dry_run_summary.failed) == (1, 1)


def test_retention_keeps_the_latest() -> None:
    """Counters count all measurements, the list keeps the last ones; rules go by pattern."""
    metrics = [a_metric("a", interval="1s", count=15), a_metric("b", interval="1s", count=15)]
    run = a_run(*metrics, measurementRetention=[{"metricName": "^b$", "limit": 3}])
    status = played(run, always(1.0)).run.status
    kept = {result.name: (result.count, len(result.measurements)) for result in status.metric_results}
    assert kept == {"a": (15, 10), "b": (15, 3)}


def test_query_is_sent_once() -> None:
    """While it is on its way, and while its answer is not in the status, it is not sent again."""
    run = a_run(a_metric(interval="10s", count=2))
    first = decide_run(seen(run), now=NOON)
    assert [action.ordinal for action in first.actions if isinstance(action, Measure)] == [1]
    waiting = decide_run(seen(run, in_flight={("success-rate", 1)}), now=NOON)
    assert (waiting.actions, waiting.requeue_at) == ((), None)


def test_reading_is_counted_once() -> None:
    """A reading whose ordinal the status has is ignored, and so is one nobody asked for."""
    run = a_run(a_metric(interval="10s", count=2))
    plan = decide_run(seen(run, a_reading([1.0])), now=NOON)
    again = decide_run(seen(with_status(run, plan.status), a_reading([0.0]), a_reading([0.0], ordinal=3)), now=NOON)
    assert again.status.metric_results == plan.status.metric_results
    assert again.status.metric_results[0].count == 1


def test_readings_are_counted_in_order() -> None:
    """However they are listed."""
    run = a_run(a_metric(interval="1s", count=2, failureLimit=1))
    readings = [a_reading([0.0], ordinal=2), a_reading([1.0], ordinal=1)]
    (result,) = decide_run(seen(run, *readings), now=NOON).status.metric_results
    assert [m.phase for m in result.measurements] == [Phase.SUCCESSFUL, Phase.FAILED]


def test_terminated_run_ends_at_once() -> None:
    """Healthy so far is Successful; nothing more is asked, nobody waits for an answer on its way."""
    run = a_run(a_metric(interval="10s"))
    status = decide_run(seen(run, a_reading([1.0])), now=NOON).status
    ended = a_run(a_metric(interval="10s"), terminate=True)
    plan = decide_run(seen(with_status(ended, status), in_flight={("success-rate", 2)}), now=NOON)
    assert (plan.status.phase, plan.status.message, plan.actions) == (Phase.SUCCESSFUL, "Run Terminated", ())


def test_terminated_run_keeps_a_bad_verdict() -> None:
    """An answer that came before the end still counts."""
    plan = decide_run(seen(a_run(terminate=True), a_reading([0.0])), now=NOON)
    assert plan.status.phase == Phase.FAILED


def test_terminated_before_it_began() -> None:
    """Nothing was measured: no metric counts as successful."""
    plan = decide_run(seen(a_run(terminate=True)), now=NOON)
    assert (plan.status.phase, plan.status.message) == (Phase.SUCCESSFUL, "Run Terminated")
    assert plan.status.metric_results == ()
    assert plan.status.run_summary is not None
    assert (plan.status.run_summary.count, plan.status.run_summary.successful) == (1, 0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"metrics": []}, "Analysis spec invalid: no metrics specified"),
        (
            {"metrics": [a_metric(count=2)]},
            "Analysis spec invalid: metrics[0]: interval must be specified when count > 1",
        ),
        (
            {"dryRun": [{"metricName": "nope"}]},
            "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)",
        ),
        (
            {"measurementRetention": [{"metricName": "*", "limit": 3}]},
            "Analysis spec invalid: measurementRetention[0]: '*' is no regular expression: "
            "missing argument to repetition operator: `*`",
        ),
        (
            {"metrics": [a_metric(success="{{args.limit}} > 1")]},
            "Unable to resolve metric arguments: failed to resolve {{args.limit}}",
        ),
        (
            {"metrics": [a_metric(success="{{args.limit}} > 1")], "args": [{"name": "limit"}]},
            'Unable to resolve metric arguments: argument "limit" was not supplied',
        ),
    ],
)
def test_run_that_cannot_be_measured_ends_in_error(spec: dict[str, Any], message: str) -> None:
    """At once, with the reason, and with an end from which its time to live counts."""
    plan = decide_run(seen(a_run(**spec)), now=NOON)
    status = plan.status
    assert (status.phase, status.message, status.completed_at) == (Phase.ERROR, message, NOON)
    assert [(note.type, note.reason) for note in plan.notes] == [("Warning", "AnalysisRunError")]
    assert plan.actions == ()


def test_unreadable_spec_is_an_error() -> None:
    """A part that was read as if it were absent must not change what is proven."""
    bad = dataclasses.replace(seen(a_run()), problems=(Problem("spec.dryRun", "must be a list, not 'x'"),))
    assert decide_run(bad, now=NOON).status.message == "Analysis spec invalid: spec.dryRun must be a list, not 'x'"
    odd = dataclasses.replace(seen(a_run()), problems=(Problem("status.phase", "must be one of ..."),))
    assert decide_run(odd, now=NOON).status.phase == Phase.RUNNING


def test_arguments_reach_the_query_and_secrets_do_not() -> None:
    """The query carries plain values and the names of Secrets."""
    metric = a_metric(provider={"prometheus": {"query": "{{args.service}}", "headers": [{"value": "{{args.token}}"}]}})
    args = [
        {"name": "service", "value": "web"},
        {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    (measure,) = decide_run(seen(a_run(metric, args=args)), now=NOON).actions
    assert isinstance(measure, Measure)
    section = measure.spec["provider"]["prometheus"]
    assert (section["query"], section["headers"][0]["value"]) == ("web", "{{args.token}}")
    assert (measure.run_uid, measure.secrets) == ("run-uid", {"token": ("s", "k")})


def test_notes_of_the_provider_are_stored_without_secrets() -> None:
    """What holds for the metric beside the metric, what holds for one answer beside that."""
    reading = a_reading(
        [1.0], about={"ResolvedPrometheusQuery": "up{k='x9'}"}, metadata={"warnings": "x9"}, secrets=("x9",)
    )
    (result,) = decide_run(seen(a_run(), reading), now=NOON).status.metric_results
    assert result.metadata == {"ResolvedPrometheusQuery": "up{k='*****'}"}
    assert result.measurements[0].metadata == {"warnings": "*****"}


@pytest.mark.parametrize(
    ("ttl", "phase", "seconds"),
    [
        ({"secondsAfterCompletion": 10}, Phase.SUCCESSFUL, 10),
        ({"secondsAfterCompletion": 10, "secondsAfterSuccess": 5}, Phase.SUCCESSFUL, 5),
        ({"secondsAfterCompletion": 10, "secondsAfterSuccess": 5}, Phase.FAILED, 10),
        ({"secondsAfterCompletion": 10, "secondsAfterFailure": 5}, Phase.FAILED, 5),
        ({"secondsAfterCompletion": 10, "secondsAfterFailure": 5}, Phase.ERROR, 10),
        ({"secondsAfterCompletion": 10, "secondsAfterFailure": 5}, Phase.INCONCLUSIVE, 10),
        ({"secondsAfterFailure": 0}, Phase.FAILED, 0),
        ({"secondsAfterFailure": 5}, Phase.SUCCESSFUL, None),
        (None, Phase.SUCCESSFUL, None),
    ],
)
def test_time_to_live(ttl: dict[str, int] | None, phase: Phase, seconds: int | None) -> None:
    """A finished run is deleted once more whole seconds have passed than it may live."""
    spec = {} if ttl is None else {"ttlStrategy": ttl}
    run = with_status(a_run(**spec), AnalysisRunStatus(phase=phase, completed_at=NOON))
    waiting = decide_run(seen(run), now=NOON)
    if seconds is None:
        assert (waiting.actions, waiting.requeue_at) == ((), None)
        return
    ends_at = NOON + timedelta(seconds=seconds + 1)
    assert (waiting.actions, waiting.requeue_at) == ((), ends_at)
    delete = DeleteAnalysisRun(name="web-1", uid="run-uid")
    assert decide_run(seen(run), now=ends_at).actions == (delete,)


@pytest.mark.parametrize("phase", [Phase.SUCCESSFUL, Phase.FAILED, Phase.ERROR, Phase.INCONCLUSIVE])
def test_finished_run_is_never_touched(phase: Phase) -> None:
    """Late answers, a changed spec and a wish to end it change nothing."""
    status = AnalysisRunStatus(phase=phase, message="m", completed_at=NOON)
    run = with_status(a_run(a_metric(interval="1s"), terminate=True), status)
    plan = decide_run(seen(run, a_reading([0.0])), now=NOON + timedelta(hours=1))
    assert plan == Plan(actions=(), status=run.status, requeue_at=None, notes=())


def test_run_that_is_being_deleted_is_left_alone() -> None:
    """Nothing is measured for an object that goes."""
    run = a_run()
    going = dataclasses.replace(run, meta=dataclasses.replace(run.meta, deletion_timestamp=NOON))
    plan = decide_run(seen(going, a_reading([1.0])), now=NOON)
    assert (plan.actions, plan.status) == ((), run.status)


@pytest.mark.parametrize(
    ("metric", "counters", "is_proven"),
    [
        ({}, None, False),
        ({}, {"error": 3}, False),
        ({}, {"count": 1}, True),
        ({"interval": "5s", "count": 3}, {"count": 2}, False),
        ({"interval": "5s", "count": 3}, {"count": 3}, True),
        ({"interval": "5s"}, {"count": 1, "failed": 1}, False),
        ({"interval": "5s"}, {"count": 2, "failed": 1, "successful": 1}, True),
        ({"interval": "5s", "count": 9, "consecutiveSuccessLimit": 2}, {"count": 2, "consecutiveSuccess": 2}, True),
        ({"interval": "5s", "count": 9, "consecutiveSuccessLimit": 2}, {"count": 2, "consecutiveSuccess": 1}, False),
        ({"count": "{{args.nope}}"}, {"count": 1}, False),
    ],
)
def test_early_end_is_no_proof(*, metric: dict[str, Any], counters: dict[str, int] | None, is_proven: bool) -> None:
    """Whatever its phase, a run says which metrics lack the measurements a pass needs; dry runs are not asked."""
    results = [] if counters is None else [{"name": "m", "phase": "Successful", **counters}]
    run = a_run(a_metric("m", **metric), a_metric("tried"), dryRun=[{"metricName": "tried"}])
    raw = {**run.raw, "status": {"phase": "Successful", "metricResults": results}}
    expected = () if is_proven else ("m",) if "nope" not in str(metric) else ("m", "tried")
    assert unmeasured(parse_analysis_run(raw).value) == expected


def test_unfinished_measurement_of_another_controller_is_taken_up() -> None:
    """It is asked again under its own ordinal, and its answer takes its place."""
    measurement = {"phase": "Running", "startedAt": "2026-01-01T12:00:00Z"}
    result = {"name": "success-rate", "phase": "Running", "measurements": [measurement]}
    raw = {**a_run().raw, "status": {"phase": "Running", "metricResults": [result]}}
    run = parse_analysis_run(raw).value
    (measure,) = decide_run(seen(run), now=NOON).actions
    assert isinstance(measure, Measure)
    assert measure.ordinal == 1
    status = decide_run(seen(run, a_reading([1.0])), now=NOON).status
    assert (status.phase, len(status.metric_results[0].measurements)) == (Phase.SUCCESSFUL, 1)


def test_unfinished_measurement_is_dropped_at_the_end() -> None:
    """Nobody waits for it, and it is no verdict."""
    measurement = {"phase": "Running", "startedAt": "2026-01-01T12:00:00Z"}
    result = {"name": "success-rate", "phase": "Running", "measurements": [measurement]}
    raw = {**a_run(terminate=True).raw, "status": {"phase": "Running", "metricResults": [result]}}
    status = decide_run(seen(parse_analysis_run(raw).value), now=NOON).status
    assert status.phase == Phase.SUCCESSFUL
    assert status.metric_results[0].measurements == ()


def test_foreign_status_fields_survive() -> None:
    """What another version wrote into the status stays."""
    raw = {**a_run().raw, "status": {"somethingElse": {"a": 1}}}
    status = decide_run(seen(parse_analysis_run(raw).value), now=NOON).status
    assert codec.encode(status)["somethingElse"] == {"a": 1}
