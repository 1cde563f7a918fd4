"""When a metric is measured: delays, intervals, counts and ordinals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rollouts.api.analysis import Measurement, Metric, MetricResult, Phase
from rollouts.api.codec import decode
from rollouts.core import judging
from rollouts.core.measuring import due_at, next_ordinal
from rollouts.core.metrics import Gauge, InvalidMetric, gauges
from tests.builders import NOON, a_metric

S, F, E = Phase.SUCCESSFUL, Phase.FAILED, Phase.ERROR


def a_gauge(**fields: Any) -> Gauge:
    """A metric ready to be measured."""
    (gauge,) = gauges([decode(Metric, a_metric(**fields), [])], args=[])
    return gauge


def after(*measured: tuple[Phase, int]) -> MetricResult:
    """A result after measurements (phase, seconds since noon at which they ended)."""
    result = MetricResult(name="m", phase=Phase.RUNNING)
    for phase, seconds in measured:
        ended = NOON + timedelta(seconds=seconds)
        result = judging.counted(result, Measurement(phase=phase, started_at=ended, finished_at=ended))
    return result


@pytest.mark.parametrize(
    ("fields", "measured", "due"),
    [
        ({}, [], 0),
        ({"initialDelay": "30s"}, [], 30),
        ({"initialDelay": "-30s"}, [], 0),
        ({}, [(S, 5)], None),
        ({}, [(E, 5)], 15),
        ({"interval": "1m"}, [(S, 5)], 65),
        ({"interval": "1m"}, [(F, 5)], 65),
        ({"interval": "1m"}, [(E, 5)], 15),
        ({"interval": "5s"}, [(E, 5)], 15),
        ({"interval": "1m"}, [(E, 5), (S, 15)], 75),
        ({"interval": "1m", "initialDelay": "30s"}, [(S, 31)], 91),
        ({"interval": "1m", "count": 2}, [(S, 0)], 60),
        ({"interval": "1m", "count": 2}, [(S, 0), (S, 60)], None),
        ({"interval": "1m", "count": 2}, [(S, 0), (E, 60)], 70),
        ({"interval": "1m", "count": 0}, [(S, 0)], 60),
        ({"interval": "0s"}, [(S, 0)], 1),
        ({"count": 1}, [(S, 0)], None),
        ({"count": "1"}, [(E, 0), (S, 10)], None),
    ],
)
def test_due(fields: dict[str, Any], measured: list[tuple[Phase, int]], due: int | None) -> None:
    """The first measurement after its delay, the next an interval after the last ended, 10 s after an error."""
    found = due_at(a_gauge(**fields), after(*measured) if measured else None, started_at=NOON)
    assert found == (None if due is None else NOON + timedelta(seconds=due))


def test_decided_metric_is_not_measured() -> None:
    """Whatever its interval."""
    result = MetricResult(name="m", phase=F, count=1, failed=1)
    assert due_at(a_gauge(interval="1s"), result, started_at=NOON) is None


def test_unfinished_measurement_is_taken_up_again() -> None:
    """At its own time, with its own ordinal: it has not been counted."""
    resume_at = NOON + timedelta(seconds=40)
    running = Measurement(phase=Phase.RUNNING, started_at=NOON, resume_at=resume_at)
    result = MetricResult(name="m", phase=Phase.RUNNING, count=2, error=1, measurements=(running,))
    assert due_at(a_gauge(interval="1s"), result, started_at=NOON) == resume_at
    assert next_ordinal(result) == 4


def test_ordinals_count_errors() -> None:
    """1, 2, 3, whatever the measurements came to, and however few of them are kept."""
    assert next_ordinal(None) == 1
    assert next_ordinal(after((S, 0), (E, 1), (F, 2))) == 4


@pytest.mark.parametrize(
    ("metrics", "error"),
    [
        ([], "no metrics specified"),
        ([a_metric("a"), a_metric("a")], "metrics[1]: duplicate name 'a'"),
        ([a_metric(failureLimit=-2)], "metrics[0]: failureLimit must be >= 0, or -1 to be disabled"),
        (
            [a_metric(failureLimit=-1)],
            "metrics[0]: failureLimit and consecutiveSuccessLimit cannot both be disabled",
        ),
        ([a_metric(consecutiveSuccessLimit=-1)], "metrics[0]: consecutiveSuccessLimit must be >= 0"),
        ([a_metric(inconclusiveLimit=-1)], "metrics[0]: inconclusiveLimit must be >= 0"),
        ([a_metric(consecutiveErrorLimit="-1")], "metrics[0]: consecutiveErrorLimit must be >= 0"),
        ([a_metric(count=2)], "metrics[0]: interval must be specified when count > 1"),
        (
            [a_metric(count=2, interval="1s", failureLimit=3)],
            "metrics[0]: count (2) must be >= failureLimit + consecutiveSuccessLimit (3 + 0) if both >= 0",
        ),
        ([a_metric(provider={})], "metrics[0]: no provider specified"),
        ([a_metric(provider={"prometheus": {}, "web": {}})], "metrics[0]: multiple providers specified"),
        ([a_metric(provider={"prometheus": None})], "metrics[0]: no provider specified"),
        ([a_metric(success="(")], 'metrics[0]: successCondition "(": unexpected end of expression at 2'),
        ([a_metric(success="reslt > 1")], 'metrics[0]: successCondition "reslt > 1": unknown name reslt'),
        (
            [a_metric(failureCondition="any(result, isNan(#))")],
            'metrics[0]: failureCondition "any(result, isNan(#))": unknown name isNan',
        ),
        ([a_metric(success="len()")], 'metrics[0]: successCondition "len()": not enough arguments to call len'),
    ],
)
def test_metrics_that_cannot_be_measured(metrics: list[dict[str, Any]], error: str) -> None:
    """The first rule that is broken, in the words clients know."""
    with pytest.raises(InvalidMetric) as caught:
        gauges([decode(Metric, metric, []) for metric in metrics], args=[])
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({"interval": "soon"}, "metrics[0]: invalid interval string: "),
        ({"initialDelay": "soon"}, "metrics[0]: invalid startDelay string: "),
        ({"count": "many"}, "metrics[0]: count must be"),
        ({"successCondition": 5}, "metrics[0]: successCondition must be a string"),
    ],
)
def test_unreadable_members_are_not_absent_ones(fields: dict[str, Any], start: str) -> None:
    """A limit that cannot be read is an error, not the default."""
    with pytest.raises(InvalidMetric) as caught:
        gauges([decode(Metric, a_metric(**fields), [])], args=[])
    assert str(caught.value).startswith(start)
