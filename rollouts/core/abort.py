"""Giving an update up: all traffic goes back to stable, and stays there until a person retries or commits anew.

An abort is decided in one of three places (a person, a verdict, the deadline) and always looks the same afterwards: the
first step, no pauses, a Progressing condition that says why. The pods follow in scale.py.
"""

from __future__ import annotations

import dataclasses

from rollouts.api import conditions as c
from rollouts.api.status import BlueGreenStatus, RolloutStatus
from rollouts.core import conditions, pause
from rollouts.core.plan import WARNING, Change, Note
from rollouts.core.turn import Turn


def aborted(turn: Turn, status: RolloutStatus, *, why: str = "") -> Change[RolloutStatus]:
    """The update given up now, because of `why`."""
    message = f"Rollout aborted update to revision {turn.revision}" + (f": {why}" if why else "")
    marked = conditions.with_condition(
        status.conditions, type=c.PROGRESSING, status=c.FALSE, reason=c.ROLLOUT_ABORTED, message=message, now=turn.now
    )
    is_news = not conditions.has(status.conditions, c.PROGRESSING, reason=c.ROLLOUT_ABORTED)
    note = Note(
        reason="RolloutAborted",
        message=message,
        type=WARNING,
        key=f"{turn.pod_hash}/{turn.revision}/{_moment(turn, status)}",
    )
    given_up = dataclasses.replace(
        pause.cleared(status),
        abort=True,
        promote_full=False,
        aborted_at=status.aborted_at or turn.now,
        current_step_index=0 if turn.steps else None,
        conditions=marked,
    )
    return Change(status=given_up, notes=(note,) if is_news else ())


def settle(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Carry out an abort that a person asked for, and take note of a retry.

    A version that is stable already cannot be aborted: promotion cleans such a wish up. Before the first version is
    stable there is nothing to go back to, so the wish is void there too.
    """
    if not status.stable_rs:
        return Change(status=dataclasses.replace(status, abort=False))
    if status.abort:
        return aborted(turn, status)
    if conditions.has(status.conditions, c.PROGRESSING, reason=c.ROLLOUT_ABORTED):
        retried = conditions.with_condition(
            status.conditions,
            type=c.PROGRESSING,
            status=c.UNKNOWN,
            reason=c.ROLLOUT_RETRY,
            message="Retrying Rollout after abort",
            now=turn.now,
        )
        return Change(status=dataclasses.replace(status, conditions=retried, blue_green=begun(status.blue_green)))
    return Change(status=status)


def begun(before: BlueGreenStatus) -> BlueGreenStatus:
    """What a new attempt starts with: where the Services lead, and nothing that was proven or waited for."""
    return BlueGreenStatus(active_selector=before.active_selector, preview_selector=before.preview_selector)


def _moment(turn: Turn, status: RolloutStatus) -> str:
    return (status.aborted_at or turn.now).isoformat()
