"""Making the new version stable, and the ways that lead there: all steps, a person's wish, a rollback.

Promotion is one status write: `stableRS` becomes the current hash. Everything after it (the pods of the old version
leaving, its ReplicaSet being forgotten, stray pauses and wishes being cleaned up) follows from that once it is stored.
"""

from __future__ import annotations

import dataclasses

from rollouts.api.rollout import BlueGreenStrategy
from rollouts.api.status import BlueGreenStatus, RolloutStatus
from rollouts.core import counts, cutover, duration, gates, naming, pause, rollback, traffic
from rollouts.core.plan import Change, Note
from rollouts.core.roles import flipped
from rollouts.core.turn import Turn, pod_hash_of, revision_of


def recall(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """A status that names no stable version (restored without it, or made anew around its ReplicaSets) is no first
    deploy where a version bears the mark of a promotion: the latest of those is stable, and the steps count.
    """
    marked = [rs for rs in turn.owned if naming.PROMOTED in rs.annotations and not rs.is_deleting]
    if status.stable_rs or not marked:
        return Change(status=status)
    latest = max(marked, key=lambda rs: (revision_of(rs), rs.created_at))
    return Change(status=dataclasses.replace(status, stable_rs=pod_hash_of(latest)))


def settle(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Clean up after promotion, and let a wish to skip everything take effect.

    On a Rollout whose current version is stable every pause, abort or promotion left in the status is void. An abort
    gives way to a promotion in full that comes with it or after it, and ends one that is under way.
    """
    if status.stable_rs == turn.pod_hash:
        voided = dataclasses.replace(pause.cleared(status), abort=False, aborted_at=None, promote_full=False)
        return Change(status=dataclasses.replace(voided, current_step_index=_last(turn), blue_green=_done(status)))
    if _is_hurried(turn, status):
        hurried = dataclasses.replace(pause.cleared(status), abort=False, aborted_at=None)
        return Change(
            status=dataclasses.replace(hurried, current_step_index=_last(turn), blue_green=_opened(turn, status))
        )
    return Change(status=dataclasses.replace(status, promote_full=False, blue_green=_held(turn, status)))


def promote(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Promote when there is a reason to and nothing speaks against it."""
    reason = _reason(turn, status)
    if reason is None or turn.rollout.spec.paused or pause.is_inconclusive(status):
        return Change(status=status)
    message = f"Rollout completed update to revision {turn.revision} ({turn.pod_hash}): {reason}"
    note = Note(reason="RolloutCompleted", message=message, key=f"{turn.pod_hash}/{turn.revision}")
    promoted = dataclasses.replace(
        pause.cleared(status),
        stable_rs=turn.pod_hash,
        abort=False,
        aborted_at=None,
        promote_full=False,
        current_step_index=_last(turn),
        duration=duration.promoted(status, is_fast=status.promote_full),
        canary=dataclasses.replace(status.canary, stable_ping_pong=flipped(turn.strategy, status)),
        blue_green=_done(status),
    )
    return Change(status=promoted, notes=(note,), is_final=True)


def _is_hurried(turn: Turn, status: RolloutStatus) -> bool:
    if not status.promote_full:
        return rollback.is_within_window(turn, status) and not status.abort
    is_opened = status.blue_green.scale_up_preview_check_point
    is_blue_green = isinstance(turn.strategy, BlueGreenStrategy)
    is_under_way = is_opened if is_blue_green else status.current_step_index == _last(turn)
    is_new_abort = status.abort and status.aborted_at is None
    return not (is_under_way and is_new_abort)


def _reason(turn: Turn, status: RolloutStatus) -> str | None:
    if turn.new is None or status.stable_rs == turn.pod_hash:
        return None
    if not status.stable_rs:
        return "Initial deploy"
    if isinstance(turn.strategy, BlueGreenStrategy):
        return _switched(turn, status)
    if status.abort or not counts.is_available(turn):
        return None
    if status.promote_full:
        return "Full promotion requested"
    if rollback.is_within_window(turn, status):
        return "Rollback within window"
    is_past_steps = status.current_step_index is None or status.current_step_index >= len(turn.steps)
    if is_past_steps and traffic.is_arrived(turn, status) and gates.is_proven(turn, status):
        return f"Completed all {len(turn.steps)} canary steps"
    return None


def _switched(turn: Turn, status: RolloutStatus) -> str | None:
    """Why a blue-green update is complete: users reach the new version, and nothing is left to be proven of it."""
    if status.abort or cutover.active_hash(turn) != turn.pod_hash:
        return None
    if status.promote_full:
        return "Fast rollback" if rollback.is_rollback(turn, status) else "Full promotion requested"
    if rollback.is_within_window(turn, status):
        return "Rollback within window"
    return "Completed blue-green update" if cutover.stage(turn, status) is cutover.Stage.DONE else None


def _opened(turn: Turn, status: RolloutStatus) -> BlueGreenStatus:
    """Blue-green has no steps that tell how far a promotion in full has come: the preview's checkpoint does."""
    is_opened = isinstance(turn.strategy, BlueGreenStrategy) and status.promote_full
    return dataclasses.replace(status.blue_green, scale_up_preview_check_point=True) if is_opened else status.blue_green


def _held(turn: Turn, status: RolloutStatus) -> BlueGreenStatus:
    """Who takes a promotion in full back is asked again; a preview that is small by itself has passed its pause."""
    is_blue_green = isinstance(turn.strategy, BlueGreenStrategy)
    is_opened = is_blue_green and turn.blue_green.preview_replica_count is None
    return _done(status) if is_opened else status.blue_green


def _done(status: RolloutStatus) -> BlueGreenStatus:
    return dataclasses.replace(status.blue_green, scale_up_preview_check_point=False)


def _last(turn: Turn) -> int | None:
    return len(turn.steps) if turn.steps else None
