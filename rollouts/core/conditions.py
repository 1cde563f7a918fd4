"""How a list of conditions changes.

A condition that says the same again (same status, same reason) stays untouched, message and times included: clients and
the progress deadline read those times. A condition that says something else moves to the end of the list, and keeps its
transition time as long as its status stays.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime

from rollouts.api.conditions import Condition

Conditions = tuple[Condition, ...]

RECONCILING = "Reconciling"
STALLED = "Stalled"

MESSAGE_MAX = 1024  # what people read in a terminal; the API allows 32 KiB


def get(conditions: Conditions, type_: str) -> Condition | None:
    """The condition of this type."""
    return next((condition for condition in conditions if condition.type == type_), None)


def has(conditions: Conditions, type_: str, *, reason: str) -> bool:
    """Whether the condition of this type is there with this reason."""
    condition = get(conditions, type_)
    return condition is not None and condition.reason == reason


def without(conditions: Conditions, type_: str) -> Conditions:
    """The list less one type."""
    return tuple(condition for condition in conditions if condition.type != type_)


def with_condition(
    conditions: Conditions, *, type: str, status: str, reason: str, message: str, now: datetime
) -> Conditions:
    """The list with this condition set."""
    old = get(conditions, type)
    if old is not None and (old.status, old.reason) == (status, reason):
        return conditions
    return _placed(conditions, type=type, status=status, reason=reason, message=message, now=now)


def with_fresh(
    conditions: Conditions, *, type: str, status: str, reason: str, message: str, now: datetime
) -> Conditions:
    """The list with this condition set and its update time moved, even if it said the same before."""
    return _placed(conditions, type=type, status=status, reason=reason, message=message, now=now)


def with_words(
    conditions: Conditions, *, type: str, status: str, reason: str, message: str, now: datetime
) -> Conditions:
    """Like `with_condition`, but the message is kept up to date in place:

    For conditions whose words are their point.
    """
    old = get(conditions, type)
    if old is None or (old.status, old.reason) != (status, reason):
        return _placed(conditions, type=type, status=status, reason=reason, message=message, now=now)
    new = dataclasses.replace(old, message=_shortened(message))
    if new == old:
        return conditions
    return tuple(new if condition.type == type else condition for condition in conditions)


def _placed(conditions: Conditions, *, type: str, status: str, reason: str, message: str, now: datetime) -> Conditions:
    old = get(conditions, type)
    moved = now if old is None or old.status != status or old.last_transition_time is None else old.last_transition_time
    new = Condition(
        type=type,
        status=status,
        reason=reason,
        message=_shortened(message),
        last_update_time=now,
        last_transition_time=moved,
    )
    return (*without(conditions, type), new)


def _shortened(message: str) -> str:
    return message if len(message) <= MESSAGE_MAX else message[: MESSAGE_MAX - 1] + "…"
