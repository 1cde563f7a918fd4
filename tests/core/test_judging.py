"""Verdicts: the tables of measurement, metric and run, and that they do not depend on order."""

from __future__ import annotations

import itertools
import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.api.analysis import Measurement, Metric, MetricResult, Phase
from rollouts.api.codec import decode
from rollouts.core import judging
from rollouts.core.judging import Judged, Verdict
from rollouts.core.metrics import Gauge, gauges
from rollouts.core.observed import ReadingSeen
from tests.builders import NOON

S, F, U, E, R, P = (
    Phase.SUCCESSFUL,
    Phase.FAILED,
    Phase.INCONCLUSIVE,
    Phase.ERROR,
    Phase.RUNNING,
    Phase.PENDING,
)
NAN, INF = math.nan, math.inf


def a_gauge(*, success: str = "", failure: str = "", **fields: Any) -> Gauge:
    """A metric ready to be measured."""
    conditions = {"successCondition": success, "failureCondition": failure}
    raw = {"name": "m", "provider": {"prometheus": {"query": "up"}}, **conditions, **fields}
    (gauge,) = gauges([decode(Metric, raw, [])], args=[])
    return gauge


def a_reading(value: Any = None, **fields: Any) -> ReadingSeen:
    """An answer to the first measurement of `m`."""
    times = {"started_at": NOON, "finished_at": NOON + timedelta(seconds=1)}
    return ReadingSeen(**{"metric": "m", "ordinal": 1, "value": value, "text": "text", **times, **fields})


def a_result(*phases: Phase, **fields: Any) -> MetricResult:
    """A result after measurements of these phases."""
    result = MetricResult(name="m", phase=R)
    for phase in phases:
        result = judging.counted(result, Measurement(phase=phase, message=f"{phase}!"))
    return MetricResult(**{**{name: getattr(result, name) for name in MetricResult.__slots__}, **fields})


@pytest.mark.parametrize(
    ("success", "failure", "phase"),
    [
        (None, None, S),
        (True, None, S),
        (False, None, F),
        (None, True, F),
        (None, False, S),
        (True, True, F),
        (True, False, S),
        (False, True, F),
        (False, False, U),
    ],
)
def test_two_conditions_make_one_verdict(success: bool | None, failure: bool | None, phase: Phase) -> None:  # noqa: FBT001 - a table of bools
    """Failure outweighs success; neither, where both are asked, proves nothing."""
    assert judging.verdict_of(success=success, failure=failure) == phase


@pytest.mark.parametrize(
    ("conditions", "value", "phase"),
    [
        ({"success": "result[0] >= 0.95"}, [0.96], S),
        ({"success": "result[0] >= 0.95"}, [0.90], F),
        ({"failure": "result[0] > 0.05"}, [0.01], S),
        ({"failure": "result[0] > 0.05"}, [0.10], F),
        ({"success": "result > 5", "failure": "result < 3"}, 4.0, U),
        ({"success": "result > 5", "failure": "result > 5"}, 6.0, F),
        ({}, [1.0], S),
        ({}, "text", S),
        ({}, False, S),
        # no data, unless the condition says what that means
        ({}, None, E),
        ({}, [], E),
        ({"success": "result[0] >= 0.95"}, [], E),
        ({"success": "all(result, # > 1)"}, [], E),
        ({"failure": "any(result, # > 1)"}, [], E),
        ({"failure": "false"}, [], E),
        ({"success": "true"}, None, E),
        ({"success": "len(result) == 0 || result[0] > 1"}, [], S),
        ({"failure": "len(result) > 0 && result[0] > 1"}, [], S),
        ({"success": "default(result, 0) < 5"}, None, S),
        ({"success": "isNil(result)"}, None, S),
        ({"success": "(result ?? 1) == 1"}, None, S),
        ({"success": "result == nil"}, None, S),
        ({"success": "count(result, # > 1) == 0"}, [], S),
        # what is no number, unless the condition says what that means
        ({}, NAN, E),
        ({}, [1.0, INF], E),
        ({"success": "result[0] < 0.05"}, [NAN], E),
        ({"failure": "result[0] > 0.05"}, [NAN], E),
        ({"success": "result[0] >= 0.95"}, [INF], E),
        ({"success": "all(result, # < 5)"}, [1.0, NAN], E),
        ({"success": "max(result) < 5"}, [1.0, NAN], E),
        ({"success": "isNaN(result[0]) || result[0] < 0.05"}, [NAN], S),
        ({"failure": "!isNaN(result[0]) && result[0] > 0.05"}, [NAN], S),
        ({"failure": "isNaN(result[0])"}, [NAN], F),
        ({"success": "isInf(result[0]) || result[0] < 1"}, [INF], S),
        ({"success": "isNaN(result[0]) || result[0] < 1"}, [INF], E),
        # what cannot be evaluated
        ({"success": "result > 5"}, [1.0], E),
        ({"success": "result"}, 1.0, E),
        ({"success": "result == 'x'"}, 1.0, E),
        ({"success": "result[0] > 1", "failure": "result > 1"}, [2.0], E),
        ({"success": "result.a.b > 1"}, {"a": None}, E),
    ],
)
def test_value_is_judged(conditions: dict[str, str], value: Any, phase: Phase) -> None:
    """A value passes or fails only by a condition that speaks about values of its kind."""
    assert judging.judged(a_gauge(**conditions), a_reading(value)).phase == phase


@pytest.mark.parametrize(
    ("conditions", "value", "message"),
    [
        (
            {"success": "result[0] > 1"},
            [],
            'could not evaluate successCondition "result[0] > 1": metric result is nil or empty: '
            "no data returned from the metric provider",
        ),
        (
            {"failure": "result"},
            1.0,
            'could not evaluate failureCondition "result": expected bool, but got float64',
        ),
        (
            {"success": "result < 1"},
            NAN,
            'could not evaluate successCondition "result < 1": compared with NaN, and the condition does not say '
            "what it means: use isNaN()",
        ),
        ({}, [], "metric result is nil or empty: no data returned from the metric provider"),
        ({"success": "result < 1"}, 2.0, ""),
    ],
)
def test_messages(conditions: dict[str, str], value: Any, message: str) -> None:
    """A condition that could not be evaluated is quoted with the reason; a verdict needs no words."""
    assert judging.judged(a_gauge(**conditions), a_reading(value)).message == message


def test_provider_error_is_the_message() -> None:
    """What went wrong with the query is kept; the value of a failed query says nothing."""
    measurement = judging.judged(a_gauge(success="true"), a_reading([1.0], error="bad_data: x"))
    assert (measurement.phase, measurement.message, measurement.value) == (E, "bad_data: x", "")


def test_secrets_do_not_get_into_a_measurement() -> None:
    """Wherever a secret would show, there are stars."""
    reading = a_reading("s3cret", text="is s3cret", metadata={"warnings": "s3cret"}, secrets=("s3cret", "s3", ""))
    measurement = judging.judged(a_gauge(success="result == 's3cret' and 1"), reading)
    assert "s3" not in repr(measurement)
    assert measurement.value == "is *****"


def test_texts_are_bounded() -> None:
    """One measurement cannot fill the object."""
    measurement = judging.judged(a_gauge(), a_reading(1.0, text="x" * 10_000))
    assert len(measurement.value) == judging.VALUE_TEXT_MAX
    assert len(judging.judged(a_gauge(), a_reading(error="y" * 10_000)).message) == judging.MESSAGE_MAX


def test_times_are_whole_seconds() -> None:
    """A status says what the API can hold, so that it reads back unchanged."""
    reading = a_reading(1.0, started_at=NOON + timedelta(milliseconds=300), finished_at=NOON + timedelta(seconds=1.9))
    measurement = judging.judged(a_gauge(), reading)
    assert (measurement.started_at, measurement.finished_at) == (NOON, NOON + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("phases", "counters"),
    [
        ([S], {"count": 1, "successful": 1, "consecutive_success": 1}),
        ([S, S], {"count": 2, "successful": 2, "consecutive_success": 2}),
        ([S, F], {"count": 2, "successful": 1, "failed": 1, "consecutive_success": 0}),
        ([S, U], {"count": 2, "successful": 1, "inconclusive": 1, "consecutive_success": 0}),
        ([S, E], {"count": 1, "successful": 1, "error": 1, "consecutive_error": 1, "consecutive_success": 0}),
        ([E, E], {"count": 0, "error": 2, "consecutive_error": 2}),
        ([E, S], {"count": 1, "error": 1, "consecutive_error": 0, "consecutive_success": 1}),
        ([E, F], {"count": 1, "error": 1, "failed": 1, "consecutive_error": 0}),
        ([E, U], {"count": 1, "error": 1, "inconclusive": 1, "consecutive_error": 0}),
    ],
)
def test_counters(phases: list[Phase], counters: dict[str, int]) -> None:
    """Errors count on their own and end a row of successes; everything else ends a row of errors."""
    result = a_result(*phases)
    assert {name: getattr(result, name) for name in counters} == counters


def test_unfinished_measurement_is_replaced() -> None:
    """A measurement that was under way becomes the one that ended it."""
    result = MetricResult(name="m", phase=R, measurements=(Measurement(phase=R),))
    assert [m.phase for m in judging.counted(result, Measurement(phase=S)).measurements] == [S]


@pytest.mark.parametrize(
    ("fields", "phases", "verdict"),
    [
        ({}, [], Verdict(P)),
        ({}, [S], Verdict(S)),
        ({}, [F], Verdict(F, "failed (1) > failureLimit (0)")),
        ({}, [U], Verdict(U, "inconclusive (1) > inconclusiveLimit (0)")),
        ({}, [E], Verdict(R)),
        ({}, [E] * 4, Verdict(R)),
        ({}, [E] * 5, Verdict(E, "consecutiveErrors (5) > consecutiveErrorLimit (4)")),
        ({}, [E] * 4 + [S], Verdict(S)),
        ({"consecutiveErrorLimit": 0}, [E], Verdict(E, "consecutiveErrors (1) > consecutiveErrorLimit (0)")),
        ({"count": 3, "interval": "5s"}, [S, S], Verdict(R)),
        ({"count": 3, "interval": "5s"}, [S, S, S], Verdict(S)),
        ({"count": 3, "interval": "5s", "failureLimit": 1}, [S, F, S], Verdict(S)),
        ({"count": 3, "interval": "5s", "failureLimit": 1}, [F, F], Verdict(F, "failed (2) > failureLimit (1)")),
        ({"count": "3", "interval": "5s", "failureLimit": "1"}, [F, S], Verdict(R)),
        ({"count": 3, "interval": "5s", "inconclusiveLimit": 1}, [U, S, S], Verdict(S)),
        ({"interval": "5s"}, [S] * 50, Verdict(R)),
        ({"interval": "5s"}, [S] * 50 + [F], Verdict(F, "failed (1) > failureLimit (0)")),
        # consecutive successes
        ({"interval": "5s", "consecutiveSuccessLimit": 2}, [S, S], Verdict(S)),
        ({"interval": "5s", "consecutiveSuccessLimit": 2, "failureLimit": -1}, [F, S, F, S, S], Verdict(S)),
        ({"interval": "5s", "consecutiveSuccessLimit": 2, "failureLimit": -1}, [S, F, S, F], Verdict(R)),
        (
            {"count": 4, "interval": "5s", "consecutiveSuccessLimit": 3, "failureLimit": 1},
            [S, S, F, S],
            Verdict(U, "consecutiveSuccess (1) < consecutiveSuccessLimit (3)"),
        ),
        (
            {"count": 4, "interval": "5s", "consecutiveSuccessLimit": 3, "failureLimit": -1},
            [S, S, F, S],
            Verdict(F, "consecutiveSuccess (1) < consecutiveSuccessLimit (3)"),
        ),
    ],
)
def test_metric_verdict(fields: dict[str, Any], phases: list[Phase], verdict: Verdict) -> None:
    """Counters against limits: failures, inconclusive ones and errors in a row are exceeded with `>`, successes met."""
    result = a_result(*phases) if phases else None
    assert judging.metric_verdict(a_gauge(**fields), result, is_terminating=False) == verdict


@pytest.mark.parametrize(
    ("phases", "phase"),
    [([], S), ([S], S), ([E], S), ([F], F), ([U], U), ([E] * 5, E)],
)
def test_terminated_metric_is_judged_by_what_it_has(phases: list[Phase], phase: Phase) -> None:
    """A metric that is ended early keeps a bad verdict, and has no other reason to fail."""
    result = a_result(*phases) if phases else None
    assert judging.metric_verdict(a_gauge(interval="5s"), result, is_terminating=True).phase == phase


@pytest.mark.parametrize("phase", [S, F, U, E])
def test_decided_metric_stays_decided(phase: Phase) -> None:
    """Nothing that is counted later, or configured later, turns a verdict."""
    result = a_result(S, F, E, U, phase=phase)
    for is_terminating in (False, True):
        assert judging.metric_verdict(a_gauge(), result, is_terminating=is_terminating).phase == phase


def test_exceeded_limits_have_an_order() -> None:
    """Should several limits be exceeded at once, errors outweigh inconclusive ones, and those outweigh failures."""
    gauge = a_gauge(consecutiveErrorLimit=0)
    assert judging.breach(gauge, a_result(F, U, E)).phase == E
    assert judging.breach(gauge, a_result(F, U)).phase == U
    assert judging.breach(gauge, a_result(F)).phase == F


def a_judged(phase: Phase, name: str = "m", *, is_dry_run: bool = False, why: str = "", last: str = "") -> Judged:
    """A metric as the run sees it."""
    return Judged(
        name=name, is_dry_run=is_dry_run, is_measured=phase != P, verdict=Verdict(phase, why), last_message=last
    )


ORDER = [S, R, P, U, E, F]


@pytest.mark.parametrize(("one", "other"), list(itertools.product(ORDER, ORDER)))
def test_badness_is_a_total_order(one: Phase, other: Phase) -> None:
    """Successful, Running, Pending, Inconclusive, Error, Failed: each worse than those before it."""
    assert judging.worst([one, other]) == ORDER[max(ORDER.index(one), ORDER.index(other))]


@pytest.mark.parametrize(
    ("metrics", "phase"),
    [
        ([S, S], S),
        ([S, U], U),
        ([U, E], E),
        ([E, F], F),
        ([F, R], R),
        ([S, P], R),
        ([], S),
    ],
)
def test_run_is_the_worst_of_its_metrics(metrics: list[Phase], phase: Phase) -> None:
    """Once all are decided, and not before."""
    judged = [a_judged(each, f"m{index}") for index, each in enumerate(metrics)]
    assert judging.run_verdict(judged, is_terminated=False).phase == phase


FINAL = st.sampled_from([S, F, U, E])
METRICS = st.lists(st.tuples(st.sampled_from(ORDER), st.booleans()), max_size=6)


@settings(max_examples=100)
@given(METRICS, st.randoms())
def test_run_verdict_does_not_depend_on_order(metrics: list[tuple[Phase, bool]], shuffle: Any) -> None:
    """Any order of the metrics gives the same phase."""
    judged = [a_judged(phase, f"m{index}", is_dry_run=dry) for index, (phase, dry) in enumerate(metrics)]
    shuffled = list(judged)
    shuffle.shuffle(shuffled)
    one, other = (judging.run_verdict(each, is_terminated=False).phase for each in (judged, shuffled))
    assert one == other


@settings(max_examples=100)
@given(st.lists(FINAL, max_size=4), st.lists(FINAL, max_size=4))
def test_dry_run_metrics_never_count(counting: list[Phase], dry: list[Phase]) -> None:
    """Whatever they come to, the run's phase is that of the other metrics."""
    real = [a_judged(phase, f"m{index}") for index, phase in enumerate(counting)]
    tried = [a_judged(phase, f"d{index}", is_dry_run=True) for index, phase in enumerate(dry)]
    assert judging.run_verdict([*real, *tried], is_terminated=False) == judging.run_verdict(real, is_terminated=False)
    assert not judging.ends_siblings(tried)


def test_run_message_names_the_first_worst_metric() -> None:
    """The metric, its limit, and the last measurement's message where there is one."""
    judged = [
        a_judged(S, "good"),
        a_judged(E, "late", why="consecutiveErrors (5) > consecutiveErrorLimit (4)", last="boom"),
        a_judged(F, "bad", why="failed (1) > failureLimit (0)"),
        a_judged(F, "worse", why="failed (2) > failureLimit (1)"),
    ]
    assert judging.run_verdict(judged, is_terminated=False).why == (
        'Metric "bad" assessed Failed due to failed (1) > failureLimit (0)'
    )
    assert judging.run_verdict(judged[:2], is_terminated=False).why == (
        'Metric "late" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): "Error Message: boom"'
    )
    assert judging.run_verdict(judged[:1], is_terminated=False).why == ""
    assert judging.run_verdict(judged[:1], is_terminated=True).why == "Run Terminated"


def test_summary_counts_metrics_by_verdict() -> None:
    """Those without a verdict, or never measured, are only in the total."""
    never = Judged(name="n", is_dry_run=False, is_measured=False, verdict=Verdict(S))
    summary = judging.summary([a_judged(phase) for phase in (S, S, F, U, E, R, P)] + [never])
    counters = (summary.successful, summary.failed, summary.inconclusive, summary.error)
    assert (summary.count, *counters) == (8, 2, 1, 1, 1)
