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
        (True, steering.retry(rollout), "retry", _attempt(rollout)),
        (True, steering.promote(rollout), "promote", _promotion(rollout)),
        (True, steering.abort(rollout), "abort", "go back: stable serves everything again"),
        (not summary.is_promoted(rollout), steering.promote(rollout, is_full=True), "promote --full", _rest(rollout)),
        (not is_paused and _is_moving(rollout), steering.pause(rollout), "pause", "hold it where it is"),
    )
    meant = [Offer(_typed(verb, name), effect) for is_apt, answer, verb, effect in asked if is_apt and _is(answer)]
    if rollout.status.abort:
        meant.append(Offer(f"undo {name}", "want the previous version's template again, and be Healthy with it"))
    return tuple(meant)


def _rest(rollout: Rollout) -> str:
    left = "pauses" if summary.is_blue_green(rollout) else "steps"
    return f"skip the {left} and analyses that are left; its pods must still become available"


def _attempt(rollout: Rollout) -> str:
    begin = "" if summary.is_blue_green(rollout) else " from the first step"
    return f"start again{begin}, with new analyses"


def _is(answer: steering.Answer) -> bool:
    return isinstance(answer, Steer)


def _typed(verb: str, name: str) -> str:
    word, space, flag = verb.partition(" ")
    return f"{word} {name}{space}{flag}"


def _is_moving(rollout: Rollout) -> bool:
    return not summary.is_promoted(rollout) and not rollout.status.abort


def _promotion(rollout: Rollout) -> str:
    if summary.is_blue_green(rollout):
        return "switch users to the new version"
    index, steps = rollout.status.current_step_index or 0, summary.steps_of(rollout)
    if index + 1 < len(steps):
        return f"go on to step {index + 2} ({describe(steps[index + 1])})"
    return "go on to the promotion"
