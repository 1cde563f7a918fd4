"""Going back: whether the version asked for has been here before, and whether that lets it skip the steps."""

from __future__ import annotations

from datetime import datetime

from rollouts.api.rollout import BlueGreenStrategy
from rollouts.api.status import RolloutStatus
from rollouts.core import naming
from rollouts.core.observed import ReplicaSet
from rollouts.core.sizing import deadline_of
from rollouts.core.turn import Turn, first_revision_of, pod_hash_of


def is_rollback(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the new version is older than stable, or stable itself."""
    stable = turn.stable(status)
    if turn.new is None or stable is None:
        return False
    return pod_hash_of(turn.new) == status.stable_rs or _age(turn.new) < _age(stable)


def is_within_window(turn: Turn, status: RolloutStatus) -> bool:
    """Whether this is a return to a version so recent that the user lets it skip the steps.

    Only a version that was stable once qualifies: one that was aborted has proven nothing by being old.
    """
    window, stable, new = turn.rollout.spec.rollback_window, turn.stable(status), turn.new
    if window is None or not window.revisions or new is None or stable is None or _age(new) >= _age(stable):
        return False
    if naming.PROMOTED not in new.annotations:
        return False
    between = [rs for rs in turn.owned if _age(new) < _age(rs) < _age(stable)]
    return len(between) < window.revisions


def is_within_delay(turn: Turn, status: RolloutStatus) -> bool:
    """Whether a blue-green rollout begins to return to a version that was stable before and is still up.

    Only its beginning can tell: its stored end goes when its pods are needed again. One that was replaced a moment ago
    has none yet.
    """
    new, stable = turn.new, turn.stable(status)
    if not isinstance(turn.strategy, BlueGreenStrategy) or new is None or stable is None:
        return False
    end = deadline_of(new)
    is_up = new.wanted > 0 if end is None else turn.now < end
    return is_up and _age(new) < _age(stable) and naming.PROMOTED in new.annotations


def is_fast(turn: Turn, status: RolloutStatus) -> bool:
    """Whether a rollback that begins takes no steps, pauses and analyses."""
    is_return = is_rollback(turn, status) and turn.pod_hash == status.stable_rs
    return is_return or is_within_window(turn, status) or is_within_delay(turn, status)


def _age(rs: ReplicaSet) -> tuple[datetime, int]:
    """What versions are put in order by: when they were made, told in whole seconds, and their first number."""
    return rs.created_at, first_revision_of(rs)
