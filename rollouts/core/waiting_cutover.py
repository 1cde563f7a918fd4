"""What a blue-green update waits for before its promotion, in words: which stage, on what evidence, what ends it.

The stages are cutover.py's; nothing here decides.
"""

from __future__ import annotations

from typing import assert_never

from rollouts.api.status import PauseReason, RolloutStatus
from rollouts.core import cutover, evidence, pause, slots
from rollouts.core.cutover import Stage
from rollouts.core.turn import Turn


def cutting_over(turn: Turn, status: RolloutStatus) -> str:
    """Blue-green before its promotion: which stage, on what evidence, and what else could happen."""
    stage = cutover.stage(turn, status)
    match stage:
        case Stage.PREPARING:
            new, wanted = turn.new, cutover.size(turn, status)
            pods = f"{new.available if new else 0} of {wanted} new pods are available"
            return f"{pods}{_paused_since(status)}{evidence.pods(turn, status)}"
        case Stage.HOLDING:
            return _held_back(turn, status)
        case Stage.PROVING | Stage.VERIFYING:
            fails = "the update is aborted" if stage is Stage.PROVING else "the active Service goes back to stable"
            return f"waits for {stage}{_ran(turn, status, stage)}; if it fails, {fails}"
        case Stage.SWITCHING:
            return f"waits for {stage}{unseen(turn)}"
        case Stage.DONE:
            return "about to be promoted"
        case _:
            assert_never(stage)


def _paused_since(status: RolloutStatus) -> str:
    since = pause.since(status, PauseReason.BLUE_GREEN_PAUSE)
    return f", and its pause has lasted since {evidence.moment(since)}" if since else ""


def _held_back(turn: Turn, status: RolloutStatus) -> str:
    since, ends_at = pause.since(status, PauseReason.BLUE_GREEN_PAUSE), cutover.pause_ends_at(turn, status)
    if turn.stable(status) is None:
        gone = f"the ReplicaSet of the stable version ({status.stable_rs}) is gone, and users reach the new one"
        moves = "resume or promote makes it stable, a new template replaces it"
        return f"{gone}, held since {evidence.moment(since)}: {moves}"
    held = f"the new version is ready, and its switch has waited since {evidence.moment(since)}"
    if ends_at is not None:
        return f"{held}; it comes at {evidence.moment(ends_at)}, resume or promote switches now, abort keeps stable"
    return f"{held} for a person: resume or promote switches, abort keeps stable"


def _ran(turn: Turn, status: RolloutStatus, stage: Stage) -> str:
    ref = (slots.BEFORE if stage is Stage.PROVING else slots.AFTER).get(status)
    if ref is None:
        return " to start"
    run = evidence.run(turn, ref)
    since = None if run is None else run.status.started_at
    return f" ({ref.name}: {ref.status}{f' since {evidence.moment(since)}' if since is not None else ''})"


def stable_pods(turn: Turn, status: RolloutStatus) -> str:
    """How many of its pods stable lacks; else why nobody knows whom users reach."""
    stable = turn.stable(status)
    is_short = stable is not None and stable.available < turn.desired
    return f": {stable.available} of {turn.desired} of its pods are available" if stable and is_short else unseen(turn)


def unseen(turn: Turn) -> str:
    """Why nobody knows whom users reach."""
    why = cutover.unseen(turn)
    return f" (unknown: {why})" if why else ""
