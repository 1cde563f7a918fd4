"""What is said of a Rollout while its versions are out of sight.

Without its ReplicaSets every Rollout would look like a first deployment, so nothing is decided. But nobody shall have
to guess why: the three conditions that any tool reads are Unknown, with the reason. All other words stay as they were.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from rollouts.api import conditions as c
from rollouts.api.rollout import Rollout
from rollouts.api.status import RolloutStatus
from rollouts.core import conditions
from rollouts.core.conditions import RECONCILING, STALLED
from rollouts.core.plan import WARNING, Note, Plan

VERSIONS_UNREADABLE = "ReplicaSetsUnreadable"
LOOK_AGAIN = timedelta(seconds=5)


def wait(rollout: Rollout, why: str, *, now: datetime) -> Plan[RolloutStatus]:
    """Do nothing, say why, and look again soon."""
    status = rollout.status
    if rollout.meta.deletion_timestamp is not None:
        return Plan(actions=(), status=status, requeue_at=None, notes=())
    message = f"{why}; nothing is decided meanwhile"
    told = conditions.has(status.conditions, c.READY, reason=VERSIONS_UNREADABLE)
    said = status.conditions
    for kind in (c.READY, RECONCILING, STALLED):
        said = conditions.with_words(
            said, type=kind, status=c.UNKNOWN, reason=VERSIONS_UNREADABLE, message=message, now=now
        )
    note = Note(reason=VERSIONS_UNREADABLE, message=message, type=WARNING, key=message)
    return Plan(
        actions=(),
        status=dataclasses.replace(status, conditions=said),
        requeue_at=now + LOOK_AGAIN,
        notes=() if told else (note,),
    )
