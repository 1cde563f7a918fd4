"""AnalysisRuns for tests, and a player that takes one to its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from rollouts.api import codec
from rollouts.api.analysis import AnalysisRun, AnalysisRunStatus
from rollouts.api.parse import parse_analysis_run
from rollouts.core.actions import Measure
from rollouts.core.measured import decide_run
from rollouts.core.observed import ReadingSeen, RunSeen
from tests.builders import NOON, a_metric

Answer = float | None | Exception
Script = Callable[[Measure, datetime], Answer]


def a_run(*metrics: dict[str, Any], **spec: Any) -> AnalysisRun:
    """An AnalysisRun of these metrics."""
    meta = {"name": "web-1", "namespace": "shop", "uid": "run-uid"}
    return parse_analysis_run({"metadata": meta, "spec": {"metrics": list(metrics) or [a_metric()], **spec}}).value


def with_status(run: AnalysisRun, status: AnalysisRunStatus) -> AnalysisRun:
    """The run as it reads back after its status was written."""
    raw = {**run.raw, "status": codec.encode(status)}
    return parse_analysis_run(raw).value


def seen(run: AnalysisRun, *readings: ReadingSeen, in_flight: set[tuple[str, int]] | None = None) -> RunSeen:
    """A moment of the run."""
    return RunSeen(run=run, problems=(), readings=readings, in_flight=frozenset(in_flight or set()))


def a_reading(value: Any = None, *, metric: str = "success-rate", ordinal: int = 1, **fields: Any) -> ReadingSeen:
    """An answer that took a second."""
    ended = fields.pop("at", NOON) + timedelta(seconds=1)
    times = {"started_at": ended - timedelta(seconds=1), "finished_at": ended}
    return ReadingSeen(**{"metric": metric, "ordinal": ordinal, "value": value, "text": str(value), **times, **fields})


class Play:
    """Plays a run: every query is answered by the script after a second, every timer is kept."""

    def __init__(self, run: AnalysisRun, script: Script) -> None:
        self.run = run
        self.script = script
        self.now = NOON
        self.queries: list[tuple[int, str, int]] = []
        self.notes: list[str] = []

    def to_the_end(self, turns: int = 200) -> AnalysisRunStatus:
        """Turn until the run has its verdict, or nothing is left to wait for."""
        readings: tuple[ReadingSeen, ...] = ()
        for _ in range(turns):
            plan = decide_run(seen(self.run, *readings), now=self.now)
            self.notes += [f"{note.type} {note.reason}" for note in plan.notes]
            self.run = with_status(self.run, plan.status)
            phase = plan.status.phase
            if phase is not None and phase.is_completed:
                return plan.status
            measures = [action for action in plan.actions if isinstance(action, Measure)]
            readings = tuple(self.answered(measure) for measure in measures)
            if not measures:
                assert plan.requeue_at is not None, "a run that is not over waits for something"
                assert plan.requeue_at > self.now
                self.now = plan.requeue_at
            else:
                self.now += timedelta(seconds=1)
        return self.run.status

    def answered(self, measure: Measure) -> ReadingSeen:
        self.queries.append((int((self.now - NOON).total_seconds()), measure.metric, measure.ordinal))
        answer = self.script(measure, self.now)
        error = str(answer) if isinstance(answer, Exception) else ""
        value = None if answer is None or error else [answer]
        return a_reading(value, metric=measure.metric, ordinal=measure.ordinal, at=self.now, error=error)


def always(answer: Answer) -> Script:
    """A backend that always answers the same."""
    return lambda measure, now: answer


def in_turn(*answers: Answer) -> Script:
    """A backend that answers one after the other; the ordinal says which."""
    return lambda measure, now: answers[measure.ordinal - 1]


def played(run: AnalysisRun, script: Script) -> Play:
    """The run at its end."""
    play = Play(run, script)
    play.to_the_end()
    return play
