"""What the status says of traffic that could not be led where it was decided, because the API server refused the write.

A refusal comes after the decision: it is put behind what the standard conditions say is waited for, so that whoever
asks why nothing moves reads the server's own words. The next write that succeeds leaves a status without it. A
ReplicaSet that is refused is revisions.py's.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime

from rollouts.api import conditions as c
from rollouts.api.status import RolloutStatus
from rollouts.core import conditions
from rollouts.core.conditions import RECONCILING, STALLED


def said(status: RolloutStatus, *, why: str, now: datetime) -> RolloutStatus:
    """The status with the server's words in Ready, Reconciling and Stalled."""
    told = status.conditions
    for kind in (c.READY, RECONCILING, STALLED):
        condition = conditions.get(told, kind)
        if condition is not None:
            told = conditions.with_words(
                told,
                type=kind,
                status=condition.status,
                reason=condition.reason,
                message=f"{condition.message}; the API server refused to lead traffic: {why}",
                now=now,
            )
    return dataclasses.replace(status, conditions=told)
