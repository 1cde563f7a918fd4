"""Holding a rollout: the reasons, since when, and how a person's resume is recognised.

A pause is a stored moment (`pauseConditions[].startTime`), so neither a restart nor a new leader moves its end. People
resume by emptying `pauseConditions`; `controllerPause` still being true is how the controller knows that it was they.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime

from rollouts.api.status import PauseCondition, PauseReason, RolloutStatus
from rollouts.core.plan import Change
from rollouts.core.turn import Turn
from rollouts.lib import timestamps

INCONCLUSIVE = frozenset({PauseReason.INCONCLUSIVE_ANALYSIS_RUN, PauseReason.INCONCLUSIVE_EXPERIMENT})


def since(status: RolloutStatus, reason: PauseReason) -> datetime | None:
    """When this pause began; None while it is not in force."""
    return next((p.start_time for p in status.pause_conditions if p.reason == reason), None)


def is_paused_for(status: RolloutStatus, reason: PauseReason) -> bool:
    """Whether this reason is among those the rollout is held for."""
    return any(pause.reason == reason for pause in status.pause_conditions)


def is_inconclusive(status: RolloutStatus) -> bool:
    """Whether a verdict that proved nothing holds the rollout."""
    return any(pause.reason in INCONCLUSIVE for pause in status.pause_conditions)


def is_resumed(status: RolloutStatus) -> bool:
    """Whether a person has just lifted every pause."""
    return status.controller_pause and not status.pause_conditions


def paused(status: RolloutStatus, reason: PauseReason, *, now: datetime) -> RolloutStatus:
    """The status with this pause in force; one that is in force already keeps its start.

    Stored times are whole seconds; the start is rounded up, so that no pause is shorter than it says. A pause whose
    start cannot be read starts now.
    """
    if since(status, reason) is not None:
        return status
    others = tuple(pause for pause in status.pause_conditions if pause.reason != reason)
    pauses = (*others, PauseCondition(reason=reason, start_time=timestamps.next_second(now)))
    return dataclasses.replace(status, pause_conditions=pauses, controller_pause=True)


def lifted(status: RolloutStatus, reason: PauseReason) -> RolloutStatus:
    """The status without this pause."""
    pauses = tuple(pause for pause in status.pause_conditions if pause.reason != reason)
    return dataclasses.replace(status, pause_conditions=pauses)


def consume(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """A turn that came this far has acted on a person's resume; the sign of it goes."""
    if is_resumed(status) and not turn.rollout.spec.paused:
        return Change(status=dataclasses.replace(status, controller_pause=False))
    return Change(status=status)


def cleared(status: RolloutStatus) -> RolloutStatus:
    """The status without any pause, and without the sign that a person resumed."""
    return dataclasses.replace(status, pause_conditions=(), controller_pause=False)
