"""What the status says at the end of a turn: conditions, phase, message. What it counts is in tally.py.

Everything here is computed from what was seen and what the phases before it decided; nothing decides. The order matters
in one way: `phase` is read off the finished conditions and counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from rollouts.api import conditions as c
from rollouts.api.rollout import BlueGreenStrategy
from rollouts.api.status import PauseCondition, RolloutPhase, RolloutStatus
from rollouts.core import conditions, cutover, progress, slots, waiting
from rollouts.core.conditions import RECONCILING, STALLED
from rollouts.core.plan import Change, Note
from rollouts.core.turn import Turn

StatusChange = Change[RolloutStatus]

NOT_HEALTHY = "Rollout is not healthy"
REASONS = {c.HEALTHY: c.ROLLOUT_HEALTHY, c.AVAILABLE: c.AVAILABLE_REASON, c.COMPLETED: c.ROLLOUT_COMPLETED}


def paused(turn: Turn, status: RolloutStatus) -> StatusChange:
    """The Paused condition, what Progressing says of a pause, and the events of its beginning and end."""
    is_paused = bool(status.pause_conditions) or turn.rollout.spec.paused
    said = _pause_of_progress(turn, status, is_paused=is_paused)
    if is_paused or conditions.get(said, c.PAUSED) is not None:
        said = conditions.with_condition(
            said,
            type=c.PAUSED,
            status=c.TRUE if is_paused else c.FALSE,
            reason=c.ROLLOUT_PAUSED,
            message="Rollout is paused",
            now=turn.now,
        )
    return Change(status=dataclasses.replace(status, conditions=said), notes=_pause_notes(turn, status))


def verdicts(turn: Turn, status: RolloutStatus) -> StatusChange:
    """The conditions Healthy, Available, ReplicaFailure and Completed."""
    is_paused = bool(status.pause_conditions) or turn.rollout.spec.paused
    is_healthy = not is_paused and progress.is_healthy(turn, status)
    if is_healthy or conditions.get(status.conditions, c.HEALTHY) is not None:
        words = "Rollout is healthy" if is_healthy else NOT_HEALTHY
        status = _said(turn, status, c.HEALTHY, holds=is_healthy, words=words)
    status = availability(turn, status).status
    if not status.current_pod_hash:
        return Change(status=status)  # nothing was started that could be complete or not
    was_completed = conditions.get(status.conditions, c.COMPLETED)
    is_completed = status.stable_rs == status.current_pod_hash
    status = _said(turn, status, c.COMPLETED, holds=is_completed, words="RolloutCompleted")
    if is_completed or (was_completed is not None and was_completed.status == c.FALSE):
        return Change(status=status)
    message = f"Rollout not completed, started update to revision {turn.revision} ({turn.pod_hash})"
    note = Note(reason="RolloutNotCompleted", message=message, key=f"{turn.pod_hash}/{turn.revision}")
    return Change(status=status, notes=(note,))


def availability(turn: Turn, status: RolloutStatus) -> StatusChange:
    """The conditions about pods: Available and ReplicaFailure."""
    is_available = status.available_replicas >= turn.desired
    if isinstance(turn.strategy, BlueGreenStrategy):
        is_available = cutover.is_saturated(turn, cutover.active(turn))
    words = "Rollout has minimum availability" if is_available else "Rollout does not have minimum availability"
    status = _said(turn, status, c.AVAILABLE, holds=is_available, words=words)
    return Change(status=dataclasses.replace(status, conditions=_replica_failure(turn, status.conditions)))


def phase(turn: Turn, status: RolloutStatus) -> StatusChange:
    """The one word and one sentence that clients show."""
    word, message = _phase(turn, status)
    return Change(status=dataclasses.replace(status, phase=word, message=message))


def standard(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Ready, Reconciling and Stalled, as tools that know no Rollouts read any object's state.

    Their messages say what is waited for and what comes next; exactly one of the three is True.
    """
    words = waiting.explain(turn, status) or status.message or "the rollout is healthy"
    is_ready, is_stalled = status.phase == RolloutPhase.HEALTHY, status.phase == RolloutPhase.DEGRADED
    said = status.conditions
    for kind, holds in ((c.READY, is_ready), (RECONCILING, not is_ready and not is_stalled), (STALLED, is_stalled)):
        said = conditions.with_words(
            said,
            type=kind,
            status=c.TRUE if holds else c.FALSE,
            reason=_standard_reason(status),
            message=words,
            now=turn.now,
        )
    return Change(status=dataclasses.replace(status, conditions=said))


def _phase(turn: Turn, status: RolloutStatus) -> tuple[RolloutPhase, str]:
    for condition in status.conditions:
        if condition.reason in (c.ROLLOUT_ABORTED, c.PROGRESS_DEADLINE_EXCEEDED):
            return RolloutPhase.DEGRADED, f"{condition.reason}: {condition.message}"
    if turn.rollout.spec.paused:
        return RolloutPhase.PAUSED, "manually paused"
    if status.pause_conditions:
        return RolloutPhase.PAUSED, str(status.pause_conditions[0].reason)
    message = _unfinished(turn, status)
    return (RolloutPhase.PROGRESSING, message) if message else (RolloutPhase.HEALTHY, "")


def _unfinished(turn: Turn, status: RolloutStatus) -> str:
    restart_at = turn.rollout.spec.restart_at
    reasons = (
        (restart_at is not None and restart_at != status.restarted_at, "rollout is restarting"),
        (status.updated_replicas < turn.desired, "more replicas need to be updated"),
        (
            status.available_replicas < status.updated_replicas or not _is_new_available(turn, status),
            "updated replicas are still becoming available",
        ),
        *(_uncut(turn, status) if isinstance(turn.strategy, BlueGreenStrategy) else _unstepped(turn, status)),
    )
    return next((message for holds, message in reasons if holds), "")


def _unstepped(turn: Turn, status: RolloutStatus) -> Iterator[tuple[bool, str]]:
    yield status.replicas > status.updated_replicas and not turn.is_routed, "old replicas are pending termination"
    yield status.stable_rs != turn.pod_hash, "waiting for all steps to complete"


def _uncut(turn: Turn, status: RolloutStatus) -> Iterator[tuple[bool, str]]:
    yield status.blue_green.active_selector != turn.pod_hash, "active service cutover pending"
    is_unpromoted = status.stable_rs != turn.pod_hash
    is_verified = slots.has_passed(slots.AFTER, turn.blue_green.post_promotion_analysis, status)
    yield is_unpromoted and not is_verified, "waiting for analysis to complete"
    yield is_unpromoted, "waiting for post-promotion verification to complete"


def _is_new_available(turn: Turn, status: RolloutStatus) -> bool:
    """Old pods that still answer must not hide new ones that do not."""
    return turn.new is not None and turn.new.available >= min(turn.new.current, turn.desired)


def _standard_reason(status: RolloutStatus) -> str:
    """Never one of the reasons that clients take for a verdict of their own."""
    if status.abort:
        return "Aborted"
    return "DeadlineExceeded" if status.phase == RolloutPhase.DEGRADED else str(status.phase)


def _said(turn: Turn, status: RolloutStatus, kind: str, *, holds: bool, words: str) -> RolloutStatus:
    """The status with a yes-or-no condition, whose words stay as they were when the answer last changed."""
    wanted = c.TRUE if holds else c.FALSE
    old = conditions.get(status.conditions, kind)
    if old is not None and old.status == wanted:
        return status
    said = conditions.with_condition(
        status.conditions, type=kind, status=wanted, reason=REASONS[kind], message=words, now=turn.now
    )
    return dataclasses.replace(status, conditions=said)


def _pause_of_progress(turn: Turn, status: RolloutStatus, *, is_paused: bool) -> conditions.Conditions:
    current = conditions.get(status.conditions, c.PROGRESSING)
    is_said = current is not None and current.reason == c.ROLLOUT_PAUSED
    is_done = status.stable_rs == turn.pod_hash
    if status.abort or is_paused == is_said or (is_paused and is_done):
        return status.conditions
    reason, words = (c.ROLLOUT_PAUSED, "Rollout is paused") if is_paused else (c.ROLLOUT_RESUMED, "Rollout is resumed")
    return conditions.with_condition(
        status.conditions, type=c.PROGRESSING, status=c.UNKNOWN, reason=reason, message=words, now=turn.now
    )


def _pause_notes(turn: Turn, status: RolloutStatus) -> tuple[Note, ...]:
    before: tuple[PauseCondition, ...] = turn.rollout.status.pause_conditions
    was_held = bool(before) or turn.rollout.status.controller_pause
    is_held = bool(status.pause_conditions) or status.controller_pause
    place = f"{turn.pod_hash}/{turn.revision}/{status.current_step_hash}/{status.current_step_index}"
    if status.pause_conditions and not before:
        first = status.pause_conditions[0]
        return (
            Note(
                reason="RolloutPaused",
                message=f"Rollout is paused ({first.reason})",
                key=f"{place}/{first.start_time}",
            ),
        )
    if was_held and not is_held and not status.abort:
        return (Note(reason="RolloutResumed", message="Rollout is resumed", key=f"{place}/{_ended(turn)}"),)
    return ()


def _ended(turn: Turn) -> str:
    paused_condition = conditions.get(turn.rollout.status.conditions, c.PAUSED)
    return str(paused_condition.last_transition_time) if paused_condition else ""


def _replica_failure(turn: Turn, said: conditions.Conditions) -> conditions.Conditions:
    ordered = ([turn.new] if turn.new else []) + [rs for rs in turn.owned if rs is not turn.new]
    failure = next((rs.failure for rs in ordered if rs.failure), None)
    if failure is None:
        return conditions.without(said, c.REPLICA_FAILURE)
    return conditions.with_words(
        said,
        type=c.REPLICA_FAILURE,
        status=c.TRUE,
        reason=str(failure.get("reason", "")),
        message=str(failure.get("message", "")),
        now=turn.now,
    )
