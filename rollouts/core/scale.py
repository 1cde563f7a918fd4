"""Sizes of all ReplicaSets of a canary without traffic routing: from weight to counts, from counts to writes.

The arithmetic is in replicas.py. Here it meets the Rollout: which versions take part, when sizes are frozen, and what
is said about a change. A size is written only if it differs, together with the desired total it was computed for.
"""

from __future__ import annotations

from rollouts.api.rollout import (
    DEFAULT_MAX_SURGE,
    DEFAULT_MAX_UNAVAILABLE,
    ReplicaProgressThreshold,
)
from rollouts.api.status import RolloutStatus
from rollouts.core import naming, pause, replicas, weights
from rollouts.core.actions import Action, PatchReplicaSet, ScaleReplicaSet
from rollouts.core.observed import ReplicaSet
from rollouts.core.plan import Change, Note
from rollouts.core.replicas import Bounds, Counts, Size
from rollouts.core.turn import Turn, revision_of


def scale(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Move every version one safe stretch towards its size. What grows is written after what shrinks."""
    if is_held(turn, status) and not _is_resized(turn, status):
        return Change(status=status)
    sizes = _sizes(turn, status)
    changes = sorted((rs for rs in turn.owned if rs.uid in sizes), key=lambda rs: sizes[rs.uid] - rs.wanted)
    actions: list[Action] = []
    notes: list[Note] = []
    for rs in changes:
        size = sizes[rs.uid]
        actions.extend(_write(rs, size, annotations=_annotations(turn, status, rs, size)))
        if size != rs.wanted:
            notes.append(_scaled(rs, size))
    return Change(status=status, actions=tuple(actions), notes=tuple(notes), is_final=bool(actions))


def is_held(turn: Turn, status: RolloutStatus) -> bool:
    """Whether sizes stay as they are, but for a change of spec.replicas: that is about load, not versions.

    An abort is never held up.
    """
    return (turn.rollout.spec.paused or pause.is_inconclusive(status)) and not status.abort


def is_at_target(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the counts that the current weight asks for are reached: the condition for leaving a setWeight step."""
    return turn.new is not None and turn.stable(status) is not None and not lacking(turn, status)


def lacking(turn: Turn, status: RolloutStatus) -> tuple[str, ...]:
    """What these counts still need, as clauses: "2 canary pods to be available (0 now)"."""
    new, stable, counts = turn.new, turn.stable(status), target_counts(turn, status)
    clauses = []
    if new is not None and not _is_enough(turn, new, counts.canary):
        pods = "pod" if counts.canary == 1 else "pods"
        clauses.append(f"{counts.canary} canary {pods} to be available ({new.available} of {new.wanted} now)")
    if stable is not None and not stable.wanted == stable.current == counts.stable:
        clauses.append(f"stable to be at {counts.stable} ({stable.current} now)")
    old = sum(rs.available for rs in turn.others(status))
    if old:
        clauses.append(f"{old} pods of earlier versions to go")
    return tuple(clauses)


def is_available(turn: Turn) -> bool:
    """Whether the new version could carry everything: available up to the desired count, or the user's threshold."""
    return turn.new is not None and (
        turn.new.available >= turn.desired
        or (turn.canary.replica_progress_threshold is not None and _is_enough(turn, turn.new, turn.desired))
    )


def target_counts(turn: Turn, status: RolloutStatus) -> Counts:
    """The counts in the end, at the weight of this turn."""
    return replicas.split(bounds(turn), weight=weights.target(turn, status), weight_max=turn.weight_max)


def bounds(turn: Turn) -> Bounds:
    """What maxSurge and maxUnavailable allow at the desired count."""
    return replicas.bounds(
        desired=turn.desired,
        max_surge=turn.canary.max_surge or DEFAULT_MAX_SURGE,
        max_unavailable=turn.canary.max_unavailable or DEFAULT_MAX_UNAVAILABLE,
    )


def _sizes(turn: Turn, status: RolloutStatus) -> dict[str, int]:
    """New size by uid of ReplicaSet."""
    limits, new, stable = bounds(turn), turn.new, turn.stable(status)
    is_promoted = stable is not None and new is not None and stable.uid == new.uid
    canary_size, stable_size = _size(new), None if is_promoted else _size(stable)
    newest_first = sorted(turn.others(status), key=revision_of, reverse=True)
    old = [Size(wanted=rs.wanted, available=rs.available) for rs in newest_first]
    target = target_counts(turn, status) if new is not None else Counts(canary=0, stable=turn.desired)
    counts = replicas.next_counts(
        limits,
        target=target,
        canary=canary_size,
        stable=stable_size,
        old_wanted=sum(size.wanted for size in old),
    )
    kept = sum(size.steady for size in (canary_size, stable_size) if size)
    drained = replicas.drain(limits, old=old, others_available=kept)
    counts = replicas.trim(
        limits, counts, target=target, canary=canary_size, stable=stable_size, old_wanted=sum(drained)
    )
    sizes = {rs.uid: size for rs, size in zip(newest_first, drained, strict=True)}
    if new is not None:
        sizes[new.uid] = counts.canary
    if stable is not None and not is_promoted:
        sizes[stable.uid] = counts.stable
    return sizes


def _size(rs: ReplicaSet | None) -> Size | None:
    return None if rs is None else Size(wanted=rs.wanted, available=rs.available)


def _write(rs: ReplicaSet, size: int, *, annotations: dict[str, str | None]) -> tuple[Action, ...]:
    if size != rs.wanted:
        return (
            ScaleReplicaSet(name=rs.name, replicas=size, annotations=annotations, seen_version=rs.resource_version),
        )
    if annotations:
        patch = {"metadata": {"annotations": annotations}}
        return (PatchReplicaSet(name=rs.name, patch=patch, seen_version=rs.resource_version),)
    return ()


def _annotations(turn: Turn, status: RolloutStatus, rs: ReplicaSet, size: int) -> dict[str, str | None]:
    """What has to change in them along with the size."""
    changed: dict[str, str | None] = {}
    stable = turn.stable(status)
    in_service = rs is turn.new or rs is stable
    is_sized = rs.wanted > 0 or size > 0 or in_service
    if is_sized and rs.annotations.get(naming.DESIRED_REPLICAS) != str(turn.desired):
        # Under a hold the mark is what lets sizes move, so it waits until they have arrived.
        if not (in_service and is_held(turn, status)) or size == _goal(turn, status, rs):
            changed[naming.DESIRED_REPLICAS] = str(turn.desired)
    if rs is stable and naming.PROMOTED not in rs.annotations:
        changed[naming.PROMOTED] = "true"
    if naming.SCALE_DOWN_DEADLINE in rs.annotations:
        changed[naming.SCALE_DOWN_DEADLINE] = None
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


def _is_enough(turn: Turn, rs: ReplicaSet, wanted: int) -> bool:
    threshold = turn.canary.replica_progress_threshold
    if threshold is None or threshold.value < 0:
        return rs.wanted == rs.available == wanted
    return _meets(threshold, available=rs.available, wanted=wanted)


def _meets(threshold: ReplicaProgressThreshold, *, available: int, wanted: int) -> bool:
    if threshold.type == "Pods":
        return available >= threshold.value
    return wanted == 0 or 100 * available >= threshold.value * wanted
