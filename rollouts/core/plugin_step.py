"""The step that a plugin carries out: asked until it is done, told to stop or undo when the update goes another way.

The plugin is a stranger: it may be slow, raise, or never answer. It is asked in the background, and what it answers is
an observation of a later turn, like a measurement. Only "Successful" completes the step, only "Failed" aborts; whatever
else happens is asked again later. What was begun is aborted once, last to first, when the update is given up or another
version takes its place; what still runs is terminated when a person promotes past it. Entries of earlier attempts stay
until that is done, and no step is begun before.
"""

from __future__ import annotations

from datetime import datetime

from rollouts.api.rollout import PluginStep
from rollouts.api.status import RolloutStatus, StepPluginStatus
from rollouts.core import abort, pause, plugin_entries, slots
from rollouts.core.actions import RunStepPlugin
from rollouts.core.plan import Change, Note, earliest
from rollouts.core.plugin_entries import ERROR, Entries
from rollouts.core.turn import Turn
from rollouts.lib import timestamps
from rollouts.ports import Operation, StepPhase

StatusChange = Change[RolloutStatus]

APART_SECONDS = 2  # stored times are whole seconds: cut, of the update, and rounded up, of its runs


def judge(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Take in answers, act on them, and ask what is due."""
    change = watch(turn, status)
    status, begins_at = _entered(turn, change.status)
    asked, wake = _asked(turn, status)
    return Change(
        status=status,
        actions=(*change.actions, *asked),
        notes=change.notes,
        requeue_at=earliest(change.requeue_at, begins_at, wake),
    )


def watch(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Take in answers, act on them, and bring to an end what was begun; nothing new is asked to go on."""
    status, notes = _answered(turn, status)
    failed = _just_failed(turn, status)
    if failed is not None:
        why = f"Step Plugin {failed.index + 1} ({failed.name}) failed: {failed.message}"
        given_up = abort.aborted(turn, status, why=why)
        status, notes = given_up.status, (*notes, *given_up.notes)
    status = _left(turn, _given_up(turn, status))
    ends, wake = _ends(turn, status)
    return Change(status=_cleared(turn, status), actions=ends, notes=notes, requeue_at=wake)


def superseded(turn: Turn, status: RolloutStatus) -> Entries:
    """What is left to another version or other steps: what was begun for those before, to be undone.

    What a finished update did stays done, and its entries go.
    """
    if status.stable_rs in ("", status.current_pod_hash):
        return ()
    entries = _with_aborts(turn, plugin_entries.of(status))
    return entries if any(each.operation == Operation.ABORT for each in entries) else ()


def entry(status: RolloutStatus) -> StepPluginStatus | None:
    """The run of the current step's plugin, once it is wanted."""
    entries = plugin_entries.of(status)
    return None if _is_stale(status) else plugin_entries.find(entries, status.current_step_index, Operation.RUN)


def is_over(status: RolloutStatus) -> bool:
    """Whether the current step's plugin is done, or told to stop."""
    run = entry(status)
    if run is None:
        return False
    is_stopped = plugin_entries.find(plugin_entries.of(status), run.index, Operation.TERMINATE) is not None
    return run.phase == StepPhase.SUCCESSFUL or run.disabled or is_stopped


def is_waiting(status: RolloutStatus) -> bool:
    """Whether the plugin itself says that it waits; one that does not answer only delays, and the deadline runs."""
    run = entry(status)
    return run is not None and run.phase == StepPhase.RUNNING and bool(run.executions)


def waits_for(status: RolloutStatus, step: PluginStep) -> str:
    """What the current step lacks, as a clause."""
    if _is_stale(status):
        return "the plugins of the attempt before to be told that it is over"
    run = entry(status)
    if run is None or not run.executions:
        return f"plugin {step.name} to start"
    said = f": {run.message}" if run.message else ""
    times = "once" if run.executions == 1 else f"{run.executions} times"
    return f"plugin {step.name} to be done ({run.phase}{said}; asked {times}, again after {run.backoff})"


def _answered(turn: Turn, status: RolloutStatus) -> tuple[RolloutStatus, tuple[Note, ...]]:
    """Each answer in the entry it belongs to; one to a question that is settled changes nothing."""
    entries, notes = list(plugin_entries.of(status)), list[Note]()
    for place, before in enumerate(entries):
        key = plugin_entries.key_of(turn, plugin_entries.of(status), before)
        question = (key, before.operation, (before.executions or 0) + 1)
        seen = next(
            (each for each in turn.seen.step_answers if (each.key, each.operation, each.ordinal) == question), None
        )
        if seen is not None and not plugin_entries.is_over(before):
            entries[place] = plugin_entries.answered(before, seen)
            notes.extend(plugin_entries.told(key, before, entries[place]))
    return plugin_entries.put(status, tuple(entries)), tuple(notes)


def _just_failed(turn: Turn, status: RolloutStatus) -> StepPluginStatus | None:
    """The run of the current step, if it failed by an answer of this turn and the update still depends on it.

    The failure and its abort are stored in one write: a failure that is stored without one was retried since.
    """
    if slots.is_void(turn, status) or not isinstance(_step(turn, status), PluginStep):
        return None
    run = plugin_entries.find(plugin_entries.of(status), status.current_step_index, Operation.RUN)
    is_news = run is not None and run not in plugin_entries.of(turn.rollout.status)
    return run if run is not None and is_news and run.phase == StepPhase.FAILED else None


def _given_up(turn: Turn, status: RolloutStatus) -> RolloutStatus:
    entries = plugin_entries.of(status)
    return plugin_entries.put(status, _with_aborts(turn, entries)) if status.abort else status


def _with_aborts(turn: Turn, entries: Entries) -> Entries:
    """With an abort for everything that may have been begun and did not end by failing."""
    wanted = tuple(
        plugin_entries.begun(run.index, run.name, Operation.ABORT, now=turn.now)
        for run in reversed(plugin_entries.runs(entries))
        if run.phase != StepPhase.FAILED
        and not run.disabled
        and plugin_entries.find(entries, run.index, Operation.ABORT) is None
    )
    return (*entries, *wanted)


def _left(turn: Turn, status: RolloutStatus) -> RolloutStatus:
    """With an end for what still runs although a person promoted past it."""
    if status.abort or _is_stale(status):
        return status
    entries, is_void = plugin_entries.of(status), slots.is_void(turn, status)
    wanted = tuple(
        plugin_entries.begun(run.index, run.name, Operation.TERMINATE, now=turn.now)
        for run in plugin_entries.runs(entries)
        if not plugin_entries.is_over(run)
        and (is_void or run.index != status.current_step_index)
        and plugin_entries.find(entries, run.index, Operation.TERMINATE) is None
    )
    return plugin_entries.put(status, (*entries, *wanted)) if wanted else status


def _is_stale(status: RolloutStatus) -> bool:
    """Whether the entries are those of an attempt that is over: it was aborted, or its plugin failed."""
    entries = plugin_entries.of(status)
    is_failed = any(run.phase == StepPhase.FAILED and run.finished_at for run in plugin_entries.runs(entries))
    return not status.abort and (is_failed or any(each.operation == Operation.ABORT for each in entries))


def _cleared(turn: Turn, status: RolloutStatus) -> RolloutStatus:
    """Without the entries of an attempt that is over, once its plugins know and no key can come twice."""
    if not _is_stale(status):
        return status
    entries = plugin_entries.of(status)
    is_open = any(each.operation != Operation.RUN and not plugin_entries.is_over(each) for each in entries)
    return status if is_open or turn.now < _free_at(turn, entries) else plugin_entries.put(status, ())


def _free_at(turn: Turn, entries: Entries) -> datetime:
    """From when on a run that begins has a start of its own."""
    started = [each.started_at for each in entries if each.started_at is not None]
    return timestamps.later(max(started), 1) if started else turn.now


def _entered(turn: Turn, status: RolloutStatus) -> tuple[RolloutStatus, datetime | None]:
    """With an entry for the step that is reached, or when there is to be one. Its plugin is asked when that is stored.

    The update before this one may have begun a run in its last second: no run of this one begins in the same.
    """
    step, entries = _step(turn, status), plugin_entries.of(status)
    if not isinstance(step, PluginStep) or not _may_ask(turn, status):
        return status, None
    index, started = status.current_step_index or 0, status.duration.rollout_started_at if status.duration else None
    if plugin_entries.find(entries, index, Operation.RUN) is not None:
        return status, None
    begins_at = turn.now if started is None else timestamps.later(started, APART_SECONDS)
    if turn.now < begins_at:
        return status, begins_at
    begun = plugin_entries.begun(index, step.name, Operation.RUN, now=turn.now)
    return plugin_entries.put(status, (*entries, begun)), None


def _asked(turn: Turn, status: RolloutStatus) -> tuple[tuple[RunStepPlugin, ...], datetime | None]:
    """The question to the current step's plugin, if it is due; else when it will be."""
    run = entry(status)
    if run is None or not _may_ask(turn, status) or plugin_entries.is_over(run) or is_over(status):
        return (), None
    due = plugin_entries.due_at(run, now=turn.now)
    if due > turn.now:
        return (), due
    return _question(turn, status, run), None


def _ends(turn: Turn, status: RolloutStatus) -> tuple[tuple[RunStepPlugin, ...], datetime | None]:
    """The next abort or end that a plugin must be told of: one at a time, the last step first."""
    entries = plugin_entries.of(status)
    open_ends = [each for each in entries if each.operation != Operation.RUN and not plugin_entries.is_over(each)]
    if not open_ends:
        is_too_soon = _is_stale(status) and turn.now < _free_at(turn, entries)
        return (), _free_at(turn, entries) if is_too_soon else None
    return _question(turn, status, max(open_ends, key=lambda each: each.index)), None


def _question(turn: Turn, status: RolloutStatus, wanted: StepPluginStatus) -> tuple[RunStepPlugin, ...]:
    """Ask; only about an entry that is stored, so that after a crash it is asked under the same key."""
    if wanted not in plugin_entries.of(turn.rollout.status):
        return ()
    entries = plugin_entries.of(status)
    run = plugin_entries.find(entries, wanted.index, Operation.RUN)
    question = RunStepPlugin(
        plugin=wanted.name,
        key=plugin_entries.key_of(turn, entries, wanted),
        operation=Operation(wanted.operation),
        ordinal=(wanted.executions or 0) + 1,
        is_first=not wanted.executions or wanted.phase == ERROR,
        rollout=turn.rollout.raw,
        config=plugin_entries.config_of(turn, wanted),
        status=run.status if run else None,
    )
    return (question,)


def _may_ask(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the step may go on: the update is under way, and nothing and nobody holds it."""
    is_held = turn.rollout.spec.paused or pause.is_inconclusive(status) or _is_stale(status)
    is_there = turn.new is not None and turn.stable(status) is not None
    return is_there and not is_held and not slots.is_void(turn, status)


def _step(turn: Turn, status: RolloutStatus) -> object:
    index = status.current_step_index
    return turn.steps[index] if index is not None and 0 <= index < len(turn.steps) else None
