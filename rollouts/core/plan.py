"""What a decision says: the plan, its notes, and the small changes that it is folded from.

A strategy is a list of *phases*. Each phase is a pure function from (turn, status so far) to a `Change`; `fold` runs
them top to bottom, and every phase sees the status that the phases above it decided. Nothing here knows what a rollout
is: the words `canary` or `weight` do not belong in this file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from rollouts.core.actions import Action

S = TypeVar("S")
T = TypeVar("T")

NORMAL = "Normal"
WARNING = "Warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One sentence about one decision. It goes to the log, to the golden stories and, when `is_event`, to an Event.

    `reason` is CamelCase and stable; `key` tells two notes of one reason apart (a revision, a step), so that an Event
    is delivered once however often the decision is made again. `of` names the object whose write the note reports: it
    is told only if that write was carried out.
    """

    reason: str
    message: str
    type: str = NORMAL
    key: str = ""
    of: str = ""
    is_event: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[S]):
    """What to do now, and what to say about it.

    Order: actions run first to last; the first failure stops the rest. The status is written in every case, once, after
    the actions. It states only what was observed and what was decided, never what the actions hope to reach, so a lost
    write or a lost action does no harm: the next decide() sees the world as it is and plans it again. Notes become
    Events after the status write. `requeue_at` None: wait for a change.
    """

    actions: tuple[Action, ...]
    status: S
    requeue_at: datetime | None
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[S]):
    """What one phase adds: a new status, actions, notes, a time to look again. `is_final` ends the list of phases."""

    status: S
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    requeue_at: datetime | None = None
    is_final: bool = False


Phase = Callable[[T, S], Change[S]]


def fold(turn: T, status: S, phases: Iterable[Phase[T, S]], *, closing: Iterable[Phase[T, S]] = ()) -> Plan[S]:
    """Run `phases` in order until one is final, then all of `closing`, and gather what they say into one plan."""
    plan: Plan[S] = Plan(actions=(), status=status, requeue_at=None, notes=())
    for phase in phases:
        change = phase(turn, plan.status)
        plan = _grown(plan, change)
        if change.is_final:
            break
    for phase in closing:
        plan = _grown(plan, phase(turn, plan.status))
    return plan


def earliest(*times: datetime | None) -> datetime | None:
    """The first of several moments; None stands for "no appointment"."""
    return min((time for time in times if time is not None), default=None)


def _grown(plan: Plan[S], change: Change[S]) -> Plan[S]:
    return dataclasses.replace(
        plan,
        status=change.status,
        actions=plan.actions + change.actions,
        notes=plan.notes + change.notes,
        requeue_at=earliest(plan.requeue_at, change.requeue_at),
    )
