"""Where a blue-green update stands: what is still to come before the active Service leads to the new version, and
before that version is stable.

The stages follow each other: its pods, the analysis before the switch, the pause, the switch, the analysis after it.
Each is told from what is seen now and from what the status has on record; nothing is written here.

A pause that is over, by its time or by a person, is on record as `controllerPause` without a reason, and stays so until
the active Service is seen to lead to the new version. So a switch that was lost is made again without another pause,
and one that has to wait for pods does not ask people twice. With `previewReplicaCount` the record is the checkpoint.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from rollouts.api.status import PauseReason, RolloutStatus
from rollouts.core import naming, order, pause, slots
from rollouts.core.observed import ReplicaSet, Service, Unreadable
from rollouts.core.order import Reach
from rollouts.core.roles import named
from rollouts.core.sizing import deadline_of
from rollouts.core.turn import Turn
from rollouts.lib import timestamps


class Stage(StrEnum):
    """What an update waits for, in the order in which it comes."""

    PREPARING = "the new version's pods"
    PROVING = "the analysis before the switch"
    HOLDING = "the pause before the switch"
    SWITCHING = "the switch of the active Service"
    VERIFYING = "the analysis after the switch"
    DONE = "nothing"


def stage(turn: Turn, status: RolloutStatus) -> Stage:
    """What comes next on the way of the new version."""
    strategy, is_free = turn.blue_green, slots.is_void(turn, status)
    is_led = active_hash(turn) == turn.pod_hash
    if not is_led and not is_ready(turn, status):
        return Stage.PREPARING
    if not is_free and not slots.has_passed(slots.BEFORE, strategy.pre_promotion_analysis, status):
        return Stage.PROVING
    is_held = not is_free and not is_open(turn, status)
    if is_held and (not is_led or turn.stable(status) is None):
        return Stage.HOLDING  # a Service that was led to the only pods left approves of nothing
    if not is_led:
        return Stage.SWITCHING
    is_verified = is_free or slots.has_passed(slots.AFTER, strategy.post_promotion_analysis, status)
    return Stage.DONE if is_verified else Stage.VERIFYING


def active_hash(turn: Turn) -> str:
    """The version that users reach; empty when that is unknown, or any."""
    return order.hash_of(turn, turn.blue_green.active_service) or ""


def preview_hash(turn: Turn) -> str:
    """The version that the preview Service, where there is one, leads to; empty when that is unknown, or any."""
    return order.hash_of(turn, turn.blue_green.preview_service) or ""


def active(turn: Turn) -> ReplicaSet | None:
    """The version that users reach, where its ReplicaSet is there."""
    return turn.version(active_hash(turn))


def unseen(turn: Turn) -> str | None:
    """Why nobody knows whom users reach; None when it was seen."""
    service = turn.seen.services.get(turn.blue_green.active_service)
    return service.why if isinstance(service, Unreadable) else None


def reach(turn: Turn) -> Reach:
    """What may reach each version: all traffic goes where the active Service leads."""
    way = None if unseen(turn) is not None else {active_hash(turn): turn.weight_max}
    return order.reach(turn, named(turn.blue_green), [way])


def is_managed(turn: Turn, service: Service) -> bool:
    """Whether this Rollout has pointed the Service before."""
    return service.annotations.get(naming.MANAGED_BY) == turn.rollout.meta.name


def size(turn: Turn, status: RolloutStatus) -> int:
    """Pods that the new version is to have now: a preview's few until its pause is over, then all of them."""
    few = turn.blue_green.preview_replica_count
    is_all = (
        turn.stable(status) is None
        or active_hash(turn) in ("", turn.pod_hash)
        or slots.is_void(turn, status)
        or status.blue_green.scale_up_preview_check_point
    )
    return turn.desired if few is None or is_all else few


def is_ready(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the new version has the pods that it is to have now.

    More make it no less ready: a preview may have begun to grow in a turn whose status was lost with the checkpoint.
    """
    return turn.new is not None and order.steady(turn.new) >= size(turn, status)


def is_saturated(turn: Turn, rs: ReplicaSet | None) -> bool:
    """Whether every pod that is wanted of a version is available."""
    return rs is not None and rs.wanted == order.steady(rs) == turn.desired


def is_halted(turn: Turn, status: RolloutStatus) -> bool:
    """Whether Services stay where they are: people or a verdict that proved nothing hold them. No abort is held."""
    return (turn.rollout.spec.paused or pause.is_inconclusive(status)) and not status.abort


def is_paused_by_plan(turn: Turn) -> bool:
    """Whether the strategy pauses before its switch."""
    return turn.blue_green.auto_promotion_enabled is False or bool(turn.blue_green.auto_promotion_seconds)


def pause_ends_at(turn: Turn, status: RolloutStatus) -> datetime | None:
    """When the pause in force is over by itself; None: never, or there is none."""
    since = pause.since(status, PauseReason.BLUE_GREEN_PAUSE)
    seconds = turn.blue_green.auto_promotion_seconds
    if since is None or not seconds or turn.blue_green.auto_promotion_enabled is False:
        return None
    return timestamps.later(since, seconds)


def is_open(turn: Turn, status: RolloutStatus) -> bool:
    """Whether no pause stands before the switch any more."""
    if not is_paused_by_plan(turn) or status.blue_green.scale_up_preview_check_point or pause.is_resumed(status):
        return True
    ends_at = pause_ends_at(turn, status)
    return ends_at is not None and turn.now >= ends_at


def led_to(turn: Turn, status: RolloutStatus) -> ReplicaSet | None:
    """The version that the active Service is to lead to; None: it stays wherever it leads.

    After an abort, or when people go back, that is stable. It is stable too where the Service leads to a version that
    is neither wanted nor there any more: then there is nobody to answer.
    """
    if is_halted(turn, status):
        return None
    now, stable = active(turn), turn.stable(status)
    if _is_due(turn, status):
        return turn.new
    if not active_hash(turn):
        service = turn.seen.services.get(turn.blue_green.active_service)
        is_ours = isinstance(service, Service) and is_managed(turn, service)
        return stable if is_ours or is_saturated(turn, stable) else None  # others may answer through it until then
    is_back = status.abort or status.stable_rs == turn.pod_hash
    is_lost = now is None or (now is not turn.new and order.steady(now) == 0)
    if is_lost and stable is None:
        return turn.new  # unproven, and the only one that could answer
    return stable if is_back or is_lost else now


def previewed(turn: Turn, status: RolloutStatus) -> ReplicaSet | None:
    """The version that the preview Service is to lead to; None: it stays wherever it leads.

    It leads to an aborted version as long as that is up, and then away from it, so that its pods may go.
    """
    if is_halted(turn, status):
        return None
    return turn.stable(status) if status.abort and is_leaving(turn) else turn.new


def is_leaving(turn: Turn) -> bool:
    """Whether the new version, given up, has no time left."""
    if turn.new is None or turn.new.wanted == 0:
        return True
    end = deadline_of(turn.new)
    return end is not None and turn.now >= end


def _is_due(turn: Turn, status: RolloutStatus) -> bool:
    return not status.abort and stage(turn, status) is Stage.SWITCHING and is_saturated(turn, turn.new)
