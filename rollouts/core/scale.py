"""Writing the sizes of all ReplicaSets: when they are frozen, what is written along, and what is said about it.

Which sizes is the business of basic.py, routed.py and doubled.py. A size is written only if it differs,
together with the desired total it was computed for and the end of a version that is on its way out.
"""

from __future__ import annotations

from rollouts.api.rollout import BlueGreenStrategy
from rollouts.api.status import RolloutStatus
from rollouts.core import basic, doubled, naming, pause, routed
from rollouts.core.actions import Action, PatchReplicaSet, ScaleReplicaSet
from rollouts.core.counts import target_counts
from rollouts.core.observed import ReplicaSet
from rollouts.core.plan import Change, Note, earliest
from rollouts.core.sizing import Sizing
from rollouts.core.turn import Turn, revision_of
from rollouts.lib import timestamps


def scale(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Move every version one safe stretch towards its size. What grows is written after what shrinks."""
    if is_held(turn, status) and not _is_resized(turn, status):
        return Change(status=status)
    sizing = _sizing(turn, status)
    sizes = sizing.sizes
    changes = sorted((rs for rs in turn.owned if rs.uid in sizes), key=lambda rs: sizes[rs.uid] - rs.wanted)
    actions: list[Action] = []
    notes: list[Note] = []
    for rs in changes:
        size = sizes[rs.uid]
        actions.extend(_write(rs, size, annotations=_annotations(turn, status, rs, sizing)))
        if size != rs.wanted:
            notes.append(_scaled(rs, size))
    requeue_at = earliest(*(end for end in sizing.deadlines.values() if end > turn.now))
    return Change(
        status=status, actions=tuple(actions), notes=tuple(notes), requeue_at=requeue_at, is_final=bool(actions)
    )


def is_held(turn: Turn, status: RolloutStatus) -> bool:
    """Whether sizes stay as they are, but for a change of spec.replicas: that is about load, not versions.

    An abort is never held up. Of blue-green only the Services are held: pods beside those that users reach do no harm.
    """
    if isinstance(turn.strategy, BlueGreenStrategy):
        return False
    return (turn.rollout.spec.paused or pause.is_inconclusive(status)) and not status.abort


def _sizing(turn: Turn, status: RolloutStatus) -> Sizing:
    if isinstance(turn.strategy, BlueGreenStrategy):
        return doubled.sizing(turn, status)
    return routed.sizing(turn, status) if turn.is_routed else basic.sizing(turn, status)


def _write(rs: ReplicaSet, size: int, *, annotations: dict[str, str | None]) -> tuple[Action, ...]:
    if size != rs.wanted:
        return (
            ScaleReplicaSet(name=rs.name, replicas=size, annotations=annotations, seen_version=rs.resource_version),
        )
    if annotations:
        patch = {"metadata": {"annotations": annotations}}
        return (PatchReplicaSet(name=rs.name, patch=patch, seen_version=rs.resource_version),)
    return ()


def _annotations(turn: Turn, status: RolloutStatus, rs: ReplicaSet, sizing: Sizing) -> dict[str, str | None]:
    """What has to change in them along with the size."""
    changed: dict[str, str | None] = {}
    size, stable = sizing.sizes[rs.uid], turn.stable(status)
    in_service = rs is turn.new or rs is stable
    is_sized = rs.wanted > 0 or size > 0 or in_service
    if is_sized and rs.annotations.get(naming.DESIRED_REPLICAS) != str(turn.desired):
        # Under a hold the mark is what lets sizes move, so it waits until they have arrived.
        if not (in_service and is_held(turn, status)) or size == _goal(turn, status, rs):
            changed[naming.DESIRED_REPLICAS] = str(turn.desired)
    if rs is stable and naming.PROMOTED not in rs.annotations:
        changed[naming.PROMOTED] = "true"
    deadline = sizing.deadlines.get(rs.uid)
    end = None if deadline is None else timestamps.render(deadline)
    if rs.annotations.get(naming.SCALE_DOWN_DEADLINE) != end:
        changed[naming.SCALE_DOWN_DEADLINE] = end
    return changed


def _goal(turn: Turn, status: RolloutStatus, rs: ReplicaSet) -> int:
    """The size that the new or the stable version has in the end, at the weight of this turn."""
    if turn.new is None or turn.stable(status) is None:
        return turn.desired
    counts = target_counts(turn, status)
    return counts.canary if rs is turn.new else counts.stable


def _scaled(rs: ReplicaSet, size: int) -> Note:
    direction = "up" if size > rs.wanted else "down"
    return Note(
        reason="ScalingReplicaSet",
        message=f"Scaled {direction} ReplicaSet {rs.name} (revision {revision_of(rs)}) from {rs.wanted} to {size}",
        key=f"{rs.uid}/{rs.generation}/{size}",
        of=rs.name,
    )


def _is_resized(turn: Turn, status: RolloutStatus) -> bool:
    """Whether spec.replicas moved since the versions in service were last sized."""
    in_service = (rs for rs in (turn.new, turn.stable(status)) if rs is not None)
    return any(rs.annotations.get(naming.DESIRED_REPLICAS, str(turn.desired)) != str(turn.desired) for rs in in_service)
