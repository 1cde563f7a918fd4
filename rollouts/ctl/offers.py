"""What a person can do about a Rollout as it stands: only the verbs that mean something now.

Whether one does is asked of steering.py, which the commands themselves ask, so that nothing is offered that would be
refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollouts.api.rollout import Rollout
from rollouts.core import pause
from rollouts.core.steps import describe
from rollouts.ctl import steering, summary
from rollouts.ctl.steering import Steer


@dataclass(frozen=True, slots=True)
class Offer:
    """A command of this program, without the program and its flags, and what it would do."""

    words: str
    effect: str


def offers(rollout: Rollout) -> tuple[Offer, ...]:
    """What can be typed now, the most likely first; nothing while the status speaks of an earlier spec."""
    if not summary.is_observed(rollout):
        return ()
    name, is_paused = rollout.meta.name, rollout.spec.paused or bool(rollout.status.pause_conditions)
    is_inconclusive = pause.is_inconclusive(rollout.status)
    resuming = "measure again" if is_inconclusive else "end the pause by hand"
    asked = (
        (rollout.spec.paused or is_inconclusive, steering.resume(rollout), "resume", resuming),
        (True, steering.retry(rollout), "retry", "start again from the first step, with new analyses"),
        (True, steering.promote(rollout), "promote", _promotion(rollout)),
        (True, steering.abort(rollout), "abort", "go back: stable serves everything again"),
        (not summary.is_promoted(rollout), steering.promote(rollout, is_full=True), "promote --full", FULL),
        (not is_paused and _is_moving(rollout), steering.pause(rollout), "pause", "hold it where it is"),
    )
    meant = [Offer(_typed(verb, name), effect) for is_apt, answer, verb, effect in asked if is_apt and _is(answer)]
    if rollout.status.abort:
        meant.append(Offer(f"undo {name}", "want the previous version's template again, and be Healthy with it"))
    return tuple(meant)


FULL = "skip the steps and analyses that are left; its pods must still become available"


def _is(answer: steering.Answer) -> bool:
    return isinstance(answer, Steer)


def _typed(verb: str, name: str) -> str:
    word, space, flag = verb.partition(" ")
    return f"{word} {name}{space}{flag}"


def _is_moving(rollout: Rollout) -> bool:
    return not summary.is_promoted(rollout) and not rollout.status.abort


def _promotion(rollout: Rollout) -> str:
    index, steps = rollout.status.current_step_index or 0, summary.steps_of(rollout)
    if index + 1 < len(steps):
        return f"go on to step {index + 2} ({describe(steps[index + 1])})"
    return "go on"
