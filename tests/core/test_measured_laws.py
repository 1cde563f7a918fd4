"""What holds for every AnalysisRun, whatever its metrics and its backend's answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.api import codec
from rollouts.api.analysis import Phase
from rollouts.core.measured import decide_run
from tests.builders import NOON, a_metric
from tests.core.runs import Answer, a_reading, a_run, played, seen, with_status

METRICS = st.fixed_dictionaries(
    {},
    optional={
        "interval": st.sampled_from(["1s", "10s", "1m"]),
        "failureLimit": st.integers(0, 2),
        "inconclusiveLimit": st.integers(0, 2),
        "consecutiveErrorLimit": st.integers(0, 3),
        "initialDelay": st.sampled_from(["0s", "20s"]),
        "failureCondition": st.sampled_from(["result[0] < 0.5"]),
    },
)
ANSWERS = st.sampled_from([1.0, 0.7, 0.1, float("nan"), None, ConnectionError("down")])


@settings(max_examples=120, deadline=None)
@given(st.lists(METRICS, min_size=1, max_size=3), st.integers(2, 4), st.lists(ANSWERS, min_size=30, max_size=30))
def test_every_run_ends_and_passes_only_when_proven(
    metrics: list[dict[str, Any]], count: int, answers: list[Answer]
) -> None:
    """Any finite run comes to a verdict; a pass means that each metric has all its measurements, within its limits."""
    written = [
        a_metric(f"m{index}", **{**fields, **({"count": count} if "interval" in fields else {})})
        for index, fields in enumerate(metrics)
        if not (
            fields.get("interval") is None and max(fields.get("failureLimit", 0), fields.get("inconclusiveLimit", 0))
        )
    ] or [a_metric("m0")]
    play = played(a_run(*written), lambda measure, now: answers[measure.ordinal % len(answers)])
    status = play.run.status
    assert status.phase is not None
    assert status.phase.is_completed
    assert len(set(play.queries)) == len({query[1:] for query in play.queries})
    if status.phase == Phase.SUCCESSFUL:
        for metric, result in zip(written, status.metric_results, strict=True):
            assert result.count >= metric.get("count", 1)
            assert result.failed <= metric.get("failureLimit", 0)
            assert result.inconclusive <= metric.get("inconclusiveLimit", 0)


@settings(max_examples=60, deadline=None)
@given(METRICS, st.lists(ANSWERS, min_size=30, max_size=30))
def test_deciding_again_changes_nothing(fields: dict[str, Any], answers: list[Answer]) -> None:
    """With the written status and the same readings, the next decision writes and asks nothing new."""
    run = a_run(a_metric("m0", **{**fields, "interval": "10s", "count": 5}))
    now = NOON
    for ordinal in range(1, 6):
        answer = answers[ordinal]
        error = str(answer) if isinstance(answer, Exception) else ""
        value = None if answer is None or error else [answer]
        reading = a_reading(value, metric="m0", ordinal=ordinal, at=now, error=error)
        plan = decide_run(seen(run, reading), now=now)
        run = with_status(run, plan.status)
        again = decide_run(seen(run, reading), now=now)
        assert codec.encode(again.status) == codec.encode(plan.status)
        assert again.actions == plan.actions
        assert again.notes == ()
        now += timedelta(seconds=100)
