"""The entries of `status.canary.stepPluginStatuses`: one for each operation that was wanted of a step's plugin.

An entry is written before its plugin is asked, so that every call about it can be made again after a crash under the
same key. An operation is over when it has an end (`finishedAt`). Which entries there are to be is plugin_step.py's
business; here they are found, answered and told of.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime

from rollouts.api.rollout import PluginStep
from rollouts.api.status import RolloutStatus, StepPluginStatus
from rollouts.core.observed import StepAnswerSeen
from rollouts.core.plan import WARNING, Note
from rollouts.core.plugin_answers import AGAIN_SECONDS, sentence
from rollouts.core.turn import Turn
from rollouts.lib import durations, timestamps
from rollouts.ports import Operation, StepAnswer, StepPhase

Entries = tuple[StepPluginStatus, ...]

ERROR = "Error"
"""The phase of an operation whose plugin did not answer, or not sensibly."""


def of(status: RolloutStatus) -> Entries:
    """All entries, in the order in which they were made; without those that somebody wrote whose operation is none."""
    return tuple(each for each in status.canary.step_plugin_statuses if each.operation in tuple(Operation))


def put(status: RolloutStatus, entries: Entries) -> RolloutStatus:
    """The status with these entries."""
    return dataclasses.replace(status, canary=dataclasses.replace(status.canary, step_plugin_statuses=entries))


def find(entries: Entries, index: int | None, operation: Operation) -> StepPluginStatus | None:
    """The entry of one operation of one step."""
    return next((each for each in entries if (each.index, each.operation) == (index, operation)), None)


def runs(entries: Entries) -> Entries:
    """Those of steps that were begun, first to last."""
    return tuple(sorted((each for each in entries if each.operation == Operation.RUN), key=lambda each: each.index))


def begun(index: int, name: str, operation: Operation, *, now: datetime) -> StepPluginStatus:
    """An operation that is wanted from now on, and of which nobody was told yet."""
    return StepPluginStatus(
        index=index,
        name=name,
        operation=operation,
        phase=StepPhase.RUNNING,
        started_at=timestamps.next_second(now),
        executions=0,
    )


def key_of(turn: Turn, entries: Entries, entry: StepPluginStatus) -> str:
    """What the plugin knows this step by: no two runs of one step of a Rollout begin in the same second."""
    run = find(entries, entry.index, Operation.RUN)
    started = run.started_at if run else entry.started_at
    return f"{turn.rollout.meta.uid}/{entry.index}/{timestamps.render(started) if started else ''}"


def is_over(entry: StepPluginStatus) -> bool:
    """Whether nothing more is asked about it."""
    return entry.finished_at is not None or entry.disabled or entry.phase in (StepPhase.SUCCESSFUL, StepPhase.FAILED)


def due_at(entry: StepPluginStatus, *, now: datetime) -> datetime:
    """When to ask about it next; an entry that was never asked about, or that cannot be read, now."""
    seconds = durations.whole_seconds(entry.backoff) if entry.backoff else 0
    return now if entry.updated_at is None else timestamps.later(entry.updated_at, max(0, seconds or 0))


def config_of(turn: Turn, entry: StepPluginStatus) -> object:
    """What the step's author wrote for its plugin; None where other steps have taken its place."""
    step = turn.steps[entry.index] if 0 <= entry.index < len(turn.steps) else None
    return step.config if isinstance(step, PluginStep) and step.name == entry.name else None


def answered(entry: StepPluginStatus, seen: StepAnswerSeen) -> StepPluginStatus:
    """The entry after an answer."""
    at = timestamps.next_second(seen.at)
    asked = dataclasses.replace(entry, updated_at=at, executions=seen.ordinal)
    is_run = entry.operation == Operation.RUN
    if seen.answer is None:
        failed = dataclasses.replace(asked, phase=ERROR, message=sentence(seen.error))
        return _again(failed, AGAIN_SECONDS) if is_run else dataclasses.replace(failed, finished_at=at)
    said = dataclasses.replace(asked, phase=_phase(seen.answer, is_run=is_run), message=seen.answer.message)
    said = dataclasses.replace(said, status=seen.answer.status)
    if is_run and seen.answer.phase is StepPhase.RUNNING:
        return _again(said, int(seen.answer.again_seconds or AGAIN_SECONDS))
    return dataclasses.replace(said, finished_at=at, backoff="")


def told(key: str, before: StepPluginStatus, after: StepPluginStatus) -> tuple[Note, ...]:
    """The event of a new phase; that a run is successful is told by its step."""
    is_run = after.operation == Operation.RUN
    if before.phase == after.phase or (is_run and after.phase == StepPhase.SUCCESSFUL):
        return ()
    ends = {Operation.ABORT: f"aborted ({after.phase})", Operation.TERMINATE: f"terminated ({after.phase})"}
    words = f"transitioned to {after.phase}" if is_run else ends[Operation(after.operation)]
    because = f": {after.message}" if after.message and after.phase in (ERROR, StepPhase.FAILED) else ""
    message = f"Step plugin {after.name} (step {after.index + 1}) {words}{because}"
    kind = WARNING if after.phase in (ERROR, StepPhase.FAILED) else "Normal"
    return (Note(reason="StepPluginTransition", message=message, type=kind, key=f"{key}/{words}/{after.executions}"),)


def _phase(answer: StepAnswer, *, is_run: bool) -> StepPhase:
    """An end that is not reached at once is none: nobody asks about it again."""
    return StepPhase.FAILED if not is_run and answer.phase is StepPhase.RUNNING else answer.phase


def _again(entry: StepPluginStatus, seconds: int) -> StepPluginStatus:
    return dataclasses.replace(entry, backoff=durations.render(seconds))
