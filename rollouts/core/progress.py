"""The Progressing condition and the deadline it keeps.

The clock of the deadline is the condition's update time. It is wound again by anything that moves towards the wanted
version, and it does not run while the rollout waits for something other than pods: a pause, an analysis, a person,
traffic that nobody can see, old pods that leave. That it stands still is stored as the condition's reason, so that the
time spent so never counts, whatever ends it: a pod that dies under a long analysis has the whole deadline to come back.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime

from rollouts.api import conditions as c
from rollouts.api.rollout import (
    DEFAULT_PROGRESS_DEADLINE_SECONDS,
    AnalysisStep,
    BlueGreenStrategy,
    ExperimentStep,
    Pause,
    PluginStep,
)
from rollouts.api.status import RolloutStatus
from rollouts.core import abort, conditions, counts, cutover, plugin_step, tally, traffic
from rollouts.core.cutover import Stage
from rollouts.core.plan import Change
from rollouts.core.steps import current
from rollouts.core.turn import Turn
from rollouts.lib import timestamps

NEWS = (c.NEW_REPLICA_SET_CREATED, c.FOUND_NEW_REPLICA_SET)
"""What Progressing says first of a version."""

STOPPED = frozenset({c.ROLLOUT_ABORTED, c.ROLLOUT_PAUSED, c.DEADLINE_SUSPENDED})
"""What Progressing says while the deadline's clock stands still."""

UNTIMED = STOPPED | {c.NEW_REPLICA_SET_AVAILABLE, c.PROGRESS_DEADLINE_EXCEEDED}
"""What Progressing says while no deadline runs."""


def settle_deadline(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Abort the update when the user wants that of a deadline that has passed."""
    is_wanted = turn.rollout.spec.progress_deadline_abort and not status.abort
    if not is_wanted or status.stable_rs in ("", turn.pod_hash) or not is_timed_out(turn, status):
        return Change(status=status)
    if has_progressed(turn, tally.count(turn, status).status):  # while nobody looked
        return Change(status=status)
    return abort.aborted(turn, status, why=f"{_subject(turn)} has timed out progressing.")


def progressing(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Say where progress stands, and come back when the deadline passes."""
    if status.abort:
        return Change(status=status)
    if is_healthy(turn, status):
        message = f"{_subject(turn)} has successfully progressed."
        said = conditions.with_condition(
            status.conditions,
            type=c.PROGRESSING,
            status=c.TRUE,
            reason=c.NEW_REPLICA_SET_AVAILABLE,
            message=message,
            now=turn.now,
        )
        return Change(status=dataclasses.replace(status, conditions=said))
    if _is_news(turn, status):
        return Change(status=status, requeue_at=passes_at(turn, status.conditions))
    if _is_suspended(turn, status):
        said = conditions.with_condition(
            status.conditions,
            type=c.PROGRESSING,
            status=c.TRUE,
            reason=c.DEADLINE_SUSPENDED,
            message=f"{_subject(turn)} is progressing; it waits for what no deadline bounds.",
            now=turn.now,
        )
        return Change(status=dataclasses.replace(status, conditions=said))
    if has_progressed(turn, status):
        reason, message = c.REPLICA_SET_UPDATED, f"{_subject(turn)} is progressing."
        if _lost_health(turn) and turn.rollout.status.stable_rs == turn.pod_hash:
            reason, message = c.REPLICA_SET_NOT_AVAILABLE, "Rollout does not have minimum availability"
        said = conditions.with_fresh(
            status.conditions, type=c.PROGRESSING, status=c.TRUE, reason=reason, message=message, now=turn.now
        )
        return Change(status=dataclasses.replace(status, conditions=said), requeue_at=passes_at(turn, said))
    if is_timed_out(turn, status):
        said = conditions.with_condition(
            status.conditions,
            type=c.PROGRESSING,
            status=c.FALSE,
            reason=c.PROGRESS_DEADLINE_EXCEEDED,
            message=f"{_subject(turn)} has timed out progressing.",
            now=turn.now,
        )
        return Change(status=dataclasses.replace(status, conditions=said))
    return Change(status=status, requeue_at=None if is_indefinite(turn, status) else passes_at(turn, status.conditions))


def suspended(said: conditions.Conditions, *, now: datetime) -> conditions.Conditions:
    """The conditions where nothing is decided for now: a clock that runs stands still until that is over."""
    condition = conditions.get(said, c.PROGRESSING)
    if condition is None or condition.reason in UNTIMED | {c.REPLICA_SET_CREATE_ERROR}:
        return said
    message = "Nothing is decided, so no deadline runs."
    return conditions.with_condition(
        said, type=c.PROGRESSING, status=c.TRUE, reason=c.DEADLINE_SUSPENDED, message=message, now=now
    )


def is_healthy(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the wanted version is stable and all of it, and nothing but it, is there."""
    index = status.current_step_index
    is_all = turn.new is not None and turn.new.current == turn.new.available == turn.desired
    if status.stable_rs != turn.pod_hash or not is_all:
        return False
    if isinstance(turn.strategy, BlueGreenStrategy):  # pods that stay up for a way back are part of it
        seen = status.blue_green
        is_previewed = not turn.blue_green.preview_service or seen.preview_selector == turn.pod_hash
        return seen.active_selector == turn.pod_hash and is_previewed
    return status.replicas == turn.desired and (index is None or index == len(turn.steps))


def has_progressed(turn: Turn, status: RolloutStatus) -> bool:
    """Whether this turn is nearer to the wanted version than the last, or health was just lost."""
    before = turn.rollout.status
    return (
        status.updated_replicas != before.updated_replicas
        or status.replicas - status.updated_replicas < before.replicas - before.updated_replicas
        or status.ready_replicas > before.ready_replicas
        or status.available_replicas > before.available_replicas
        or _place(status) != _place(before)
        or _lost_health(turn)
        or _is_freed(turn, status)
    )


def _is_news(turn: Turn, status: RolloutStatus) -> bool:
    """Whether this turn made or found the version: that is said, with a clock of its own, before any progress of it."""
    before = turn.rollout.status.conditions
    return any(
        conditions.has(status.conditions, c.PROGRESSING, reason=reason)
        and not conditions.has(before, c.PROGRESSING, reason=reason)
        for reason in NEWS
    )


def _is_suspended(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the clock is to stand still, other than in a pause, which says so itself.

    A deadline that has passed stays so until something moves.
    """
    is_paused = turn.rollout.spec.paused or bool(status.pause_conditions)
    if is_paused or not is_indefinite(turn, status):
        return False
    is_passed = conditions.has(status.conditions, c.PROGRESSING, reason=c.PROGRESS_DEADLINE_EXCEEDED)
    return not is_passed or has_progressed(turn, status)


def _is_freed(turn: Turn, status: RolloutStatus) -> bool:
    """Whether a wait that no deadline bounds ended with this turn, other than a pause, which says so itself.

    Another controller stored no reason for it. Then the status tells, and, where people ended the wait in the status
    itself, the analysis or the experiment that it still names.
    """
    before = turn.rollout.status
    was_paused = conditions.has(before.conditions, c.PROGRESSING, reason=c.ROLLOUT_PAUSED)
    was_suspended = conditions.has(before.conditions, c.PROGRESSING, reason=c.DEADLINE_SUSPENDED)
    left = before.canary.current_step_analysis_run_status or before.canary.current_experiment
    was_indefinite = was_suspended or is_indefinite(turn, before) or bool(left)
    return not was_paused and was_indefinite and not is_indefinite(turn, status)


def _place(status: RolloutStatus) -> tuple[str | int | None, ...]:
    """How far the rollout is, and with which version."""
    versions = (status.stable_rs, status.current_pod_hash)
    services = (status.blue_green.active_selector, status.blue_green.preview_selector)
    plugin = plugin_step.entry(status)
    step = (status.current_step_hash, status.current_step_index, str(plugin.phase) if plugin else "")
    return *versions, *step, *services


def _lost_health(turn: Turn) -> bool:
    """Whether all was well when the last status was written; asked where it is so no more."""
    return conditions.has(turn.rollout.status.conditions, c.PROGRESSING, reason=c.NEW_REPLICA_SET_AVAILABLE)


def is_timed_out(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the wanted version has made no progress for longer than the deadline."""
    condition = conditions.get(status.conditions, c.PROGRESSING)
    if condition is None or is_indefinite(turn, status) or _is_freed(turn, status):
        return False
    if condition.reason == c.PROGRESS_DEADLINE_EXCEEDED:
        return True
    if condition.reason in STOPPED:
        return False
    deadline = passes_at(turn, status.conditions)
    return deadline is not None and turn.now >= deadline


def is_indefinite(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the rollout waits for something that no deadline bounds."""
    if turn.rollout.spec.paused or status.pause_conditions:
        return True
    if isinstance(turn.strategy, BlueGreenStrategy):
        is_unseen = cutover.unseen(turn) is not None
        return is_unseen or cutover.stage(turn, status) in (Stage.PROVING, Stage.HOLDING, Stage.VERIFYING)
    step = current(turn, status)
    if step is None:
        return _has_its_pods(turn, status)
    if isinstance(step, PluginStep):
        return plugin_step.is_waiting(status)
    is_blind = traffic.unseen(turn) is not None and counts.is_canary_ready(turn, status)
    return is_blind or isinstance(step, AnalysisStep | ExperimentStep | Pause)


def _has_its_pods(turn: Turn, status: RolloutStatus) -> bool:
    """Whether a version past all steps lacks no pods: then it waits for a proof, or for earlier versions to leave."""
    if status.stable_rs != turn.pod_hash:
        return counts.is_available(turn)
    return turn.new is not None and turn.new.available >= turn.desired


def passes_at(turn: Turn, said: conditions.Conditions) -> datetime | None:
    """When the deadline passes if nothing moves until then; None while it has no say."""
    condition = conditions.get(said, c.PROGRESSING)
    wound_at = None if condition is None else condition.last_update_time or condition.last_transition_time
    if condition is None or wound_at is None or condition.reason in UNTIMED:
        return None
    paused = conditions.get(said, c.PAUSED)
    if paused is not None and paused.status == c.FALSE and paused.last_transition_time is not None:
        wound_at = max(wound_at, paused.last_transition_time)
    seconds = turn.rollout.spec.progress_deadline_seconds
    deadline = DEFAULT_PROGRESS_DEADLINE_SECONDS if seconds is None else seconds
    return timestamps.later(wound_at, deadline + 1)  # stored times are cut to whole seconds


def _subject(turn: Turn) -> str:
    return f'ReplicaSet "{turn.new.name}"' if turn.new else f'Rollout "{turn.rollout.meta.name}"'
