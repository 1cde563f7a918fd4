"""How long an update took, and how it ended: `status.duration`.

The clock starts when a new version begins and stops when it serves everything or is given up. Time spent waiting for a
person is counted apart, so that a slow rollout can be told from a slow reviewer.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime

from rollouts.api.rollout import BlueGreenStrategy, Pause
from rollouts.api.status import PauseReason, RolloutDuration, RolloutStatus
from rollouts.core import pause, rollback
from rollouts.core.plan import Change
from rollouts.core.steps import current
from rollouts.core.turn import Turn

ABORTED = "Aborted"
FAST_PROMOTED = "FastPromoted"
FAST_ROLLED_BACK = "FastRolledBack"
PROMOTED = "Promoted"
ROLLED_BACK = "RolledBack"


def started(turn: Turn, status: RolloutStatus) -> RolloutDuration | None:
    """The clock of a version, or of steps, that begin now.

    A rollback ends the update it undoes, on that update's clock. What serves everything anyway, as a stable version
    that comes back, needs none: what was last done stays on record.
    """
    running, is_new_template = status.duration, status.current_pod_hash != turn.pod_hash
    is_under_way = running is not None and running.finished_at is None
    if running is not None and is_under_way and is_new_template and rollback.is_rollback(turn, status):
        outcome = FAST_ROLLED_BACK if rollback.is_fast(turn, status) else ROLLED_BACK
        return dataclasses.replace(running, completion_status=outcome)
    if running is not None and _is_carrying_all(turn, status):
        return running
    return RolloutDuration(rollout_started_at=turn.now)


def promoted(status: RolloutStatus, *, is_fast: bool) -> RolloutDuration | None:
    """The clock of a version that was promoted; it stops once that version carries everything."""
    running = status.duration
    if running is None or running.completion_status:
        return running
    return dataclasses.replace(running, completion_status=FAST_PROMOTED if is_fast else PROMOTED)


def measure(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Let the clocks of this turn run, stop or start again."""
    running = status.duration
    if running is None or turn.is_beginning(status):  # what begins is another update than the one on this clock
        return Change(status=status)
    if running.finished_at is not None:
        is_retry = not status.abort and running.completion_status == ABORTED and status.stable_rs != turn.pod_hash
        running = RolloutDuration(rollout_started_at=turn.now) if is_retry else running
        return Change(status=dataclasses.replace(status, duration=running))
    running = _manual(turn, status, running)
    if status.abort:
        running = _finished(running, turn.now, outcome=running.completion_status or ABORTED)
    elif _is_carrying_all(turn, status):
        running = _finished(running, turn.now, outcome=running.completion_status or PROMOTED)
    return Change(status=dataclasses.replace(status, duration=running))


def _is_carrying_all(turn: Turn, status: RolloutStatus) -> bool:
    return status.stable_rs == turn.pod_hash and turn.new is not None and turn.new.available >= turn.desired


def _waits_for_person(turn: Turn, status: RolloutStatus) -> bool:
    if turn.rollout.spec.paused or pause.is_inconclusive(status):
        return True
    if pause.is_paused_for(status, PauseReason.BLUE_GREEN_PAUSE):
        return isinstance(turn.strategy, BlueGreenStrategy) and turn.strategy.auto_promotion_enabled is False
    step = current(turn, status)
    is_open_ended = isinstance(step, Pause) and step.duration is None
    return is_open_ended and pause.is_paused_for(status, PauseReason.CANARY_PAUSE_STEP)


def _manual(turn: Turn, status: RolloutStatus, running: RolloutDuration) -> RolloutDuration:
    if _waits_for_person(turn, status):
        since = running.manual_pause_started_at or turn.now
        return dataclasses.replace(running, manual_pause_started_at=since)
    return _tallied(running, turn.now)


def _tallied(running: RolloutDuration, now: datetime) -> RolloutDuration:
    since = running.manual_pause_started_at
    if since is None:
        return running
    seconds = running.total_manual_pause_duration_seconds + max(0, int((now - since).total_seconds()))
    return dataclasses.replace(running, manual_pause_started_at=None, total_manual_pause_duration_seconds=seconds)


def _finished(running: RolloutDuration, now: datetime, *, outcome: str) -> RolloutDuration:
    return dataclasses.replace(_tallied(running, now), finished_at=now, completion_status=outcome)
