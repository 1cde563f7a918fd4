"""Blue-green as a list of phases: the new version comes up beside the old one, and users change over at once.

People are heard first, and verdicts come before everything they decide. Then the pause is told from what is seen, so
that the Services turn in the turn in which it is over. Services come before sizes: both look at the same picture, in
which the version that users reach has all its pods, and keeps them. A version is promoted when its Service was seen to
lead to it, never because it was asked to. What an update waits for is told in one place, cutover.py.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from rollouts.api.rollout import BlueGreenStrategy
from rollouts.api.status import PauseReason, RolloutStatus
from rollouts.core import (
    cutover,
    experiment_step,
    gates,
    metadata,
    pause,
    phases,
    plugin_step,
    promote,
    scale,
    services,
    slots,
)
from rollouts.core.cutover import Stage
from rollouts.core.observed import Seen
from rollouts.core.plan import WARNING, Change, Note, Plan, fold
from rollouts.core.turn import Turn, turn

StatusChange = Change[RolloutStatus]

RECHECK = timedelta(seconds=30)  # what cannot be read may become readable without an event


def plan(seen: Seen, *, blue_green: BlueGreenStrategy, now: datetime) -> Plan[RolloutStatus]:
    """Decide one turn of a valid blue-green rollout."""
    return fold(turn(seen, strategy=blue_green, now=now), seen.rollout.status, PHASES, closing=phases.CLOSING)


def look(turn: Turn, status: RolloutStatus) -> StatusChange:
    """While nobody knows whom users reach, it is asked again soon; what depends on it waits."""
    why = cutover.unseen(turn)
    if why is None:
        return Change(status=status)
    note = Note(reason="ServiceUnreadable", message=why, type=WARNING, is_event=False)
    return Change(status=status, notes=(note,), requeue_at=turn.now + RECHECK)


def hold(turn: Turn, status: RolloutStatus) -> StatusChange:
    """Pause before the switch, as long as the strategy wants it or until a person ends it."""
    if status.abort or cutover.is_halted(turn, status) or turn.new is None or cutover.unseen(turn) is not None:
        return Change(status=status)
    stage = cutover.stage(turn, status)
    if stage is Stage.HOLDING:
        held = pause.paused(status, PauseReason.BLUE_GREEN_PAUSE, now=turn.now)
        return Change(status=held, requeue_at=cutover.pause_ends_at(turn, held))
    if stage in (Stage.SWITCHING, Stage.VERIFYING, Stage.DONE):
        return Change(status=_checked(turn, pause.lifted(status, PauseReason.BLUE_GREEN_PAUSE)))
    return Change(status=status)


def consume(turn: Turn, status: RolloutStatus) -> StatusChange:
    """The sign that a pause is over goes when users are seen to reach the new version, or when it was another pause."""
    is_proven = slots.has_passed(slots.BEFORE, turn.blue_green.pre_promotion_analysis, status)
    is_pending = cutover.active_hash(turn) != turn.pod_hash and cutover.is_paused_by_plan(turn) and is_proven
    is_settled = status.stable_rs in ("", turn.pod_hash)
    return Change(status=status) if is_pending and not is_settled else pause.consume(turn, status)


def _checked(turn: Turn, status: RolloutStatus) -> RolloutStatus:
    """The checkpoint passed: a small preview, once nothing more is asked of it, grows to its full size."""
    new, few = turn.new, turn.blue_green.preview_replica_count
    if few is None or new is None or slots.is_void(turn, status) or cutover.active_hash(turn) == turn.pod_hash:
        return status
    checked = dataclasses.replace(status.blue_green, scale_up_preview_check_point=True)
    return dataclasses.replace(status, blue_green=checked, controller_pause=bool(status.pause_conditions))


PHASES = (
    *phases.BEGINNING,
    look,
    gates.judge,
    experiment_step.watch,
    plugin_step.watch,
    hold,
    services.point,
    metadata.prepare,
    scale.scale,
    promote.promote,
    consume,
    *phases.TIDYING,
)
