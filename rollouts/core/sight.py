"""What is said of a Rollout while its versions, or the workload that holds its pod template, are out of sight.

Without its ReplicaSets every Rollout would look like a first deployment, and without its pod template like none, so
nothing is decided. But nobody shall have to guess why: the three conditions that any tool reads are Unknown, with the
reason, and the deadline's clock stands still. All other words stay as they were.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollouts.api import conditions as c
from rollouts.api.rollout import Rollout
from rollouts.api.status import RolloutStatus
from rollouts.core import conditions, progress
from rollouts.core.conditions import RECONCILING, STALLED
from rollouts.core.plan import WARNING, Note, Plan

VERSIONS_UNREADABLE = "ReplicaSetsUnreadable"
WORKLOAD_UNREADABLE = "WorkloadUnreadable"
LOOK_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """What cannot be seen: the reason in one word, and why in a sentence."""

    reason: str
    why: str


def wait(rollout: Rollout, hidden: Hidden, *, now: datetime) -> Plan[RolloutStatus]:
    """Do nothing, say why, and look again soon."""
    status = rollout.status
    if rollout.meta.deletion_timestamp is not None:
        return Plan(actions=(), status=status, requeue_at=None, notes=())
    message = f"{hidden.why}; nothing is decided meanwhile"
    told = conditions.has(status.conditions, c.READY, reason=hidden.reason)
    said = progress.suspended(status.conditions, now=now)
    for kind in (c.READY, RECONCILING, STALLED):
        said = conditions.with_words(said, type=kind, status=c.UNKNOWN, reason=hidden.reason, message=message, now=now)
    note = Note(reason=hidden.reason, message=message, type=WARNING, key=message)
    return Plan(
        actions=(),
        status=dataclasses.replace(status, conditions=said),
        requeue_at=now + LOOK_AGAIN,
        notes=() if told else (note,),
    )
