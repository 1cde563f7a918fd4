"""What a person's verb means for a Rollout as it stands: the patches to send, or why there is nothing to send.

Pure: a Rollout in, an answer out. The patches are those of the public kubectl plugin's commands of the same names (and
of Argo CD's `resume`), so that any controller of this API understands them. A verb that would change nothing is said to
be `Nothing`; one that cannot be meant is `Refused`, with what to do instead. Sending is sending.py's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rollouts.api import conditions as c
from rollouts.api.analysis import Phase
from rollouts.api.rollout import Rollout
from rollouts.core import conditions
from rollouts.core import pause as pauses
from rollouts.core.steps import describe
from rollouts.ctl import summary
from rollouts.lib import timestamps

Patch = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steer:
    """Patches of the status and of the spec, either of which may be empty, and what they do in words."""

    said: str
    status: Patch = field(default_factory=dict)
    spec: Patch = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Nothing:
    """It is so already: nothing to send."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be meant now; `why` says what to do instead."""

    why: str


Answer = Steer | Nothing | Refused


def promote(rollout: Rollout, *, is_full: bool = False) -> Answer:
    """Go on from what is waited for now; `is_full`: skip everything that is left."""
    early = _too_early(rollout)
    if early is not None:
        return early
    spec = {"paused": False} if rollout.spec.paused else {}
    if is_full:
        return _promote_full(rollout, spec)
    if rollout.status.abort:
        return Refused("the update is aborted: retry it, or promote it with --full")
    return _switch(rollout, spec) if summary.is_blue_green(rollout) else _advance(rollout, spec)


def skip(rollout: Rollout, *, is_all: bool) -> Answer:
    """Leave the current step, or all of them, whatever is waited for; analyses beside the steps still count."""
    early = _too_early(rollout)
    if early is not None:
        return early
    if summary.is_blue_green(rollout):
        return Refused("blue-green has no steps to skip: promote ends its pause, promote --full skips analyses too")
    index, steps = rollout.status.current_step_index, summary.steps_of(rollout)
    if not steps:
        return Refused("it has no steps to skip: its pods are what it waits for")
    if rollout.status.abort:
        return Refused("the update is aborted: retry it, or promote it with --full")
    if index is None or index >= len(steps) or summary.is_promoted(rollout):
        return Nothing("no step is left to skip")
    following = len(steps) if is_all else index + 1
    said = f"went on from step {index + 1} ({describe(steps[index])}) to {_place(rollout, following)}"
    return Steer(said=said, status={"currentStepIndex": following})


def abort(rollout: Rollout) -> Answer:
    """Give the update up: stable serves everything again."""
    if rollout.status.abort:
        return Nothing("the update is aborted already")
    if summary.is_observed(rollout) and not rollout.status.stable_rs:
        return Refused("there is nothing to go back to: no version is stable yet; undo or delete it instead")
    if summary.is_promoted(rollout) and summary.is_observed(rollout):
        return Nothing("there is nothing to abort: the current version is stable")
    return Steer(said="asked for an abort: stable is to serve everything again", status={"abort": True})


def retry(rollout: Rollout) -> Answer:
    """Start an aborted update again."""
    if not rollout.status.abort:
        return Nothing("there is nothing to retry: the update is not aborted")
    invalid = _invalid(rollout)
    if invalid is not None:
        return invalid
    begin = "" if summary.is_blue_green(rollout) else ", from the first step"
    return Steer(said=f"asked for another attempt{begin}", status={"abort": False})


def pause(rollout: Rollout) -> Answer:
    """Hold steps until a person lets go."""
    if rollout.spec.paused:
        return Nothing("it is paused by hand already")
    holds = "Services stay where they lead" if summary.is_blue_green(rollout) else "steps hold"
    return Steer(said=f"paused: {holds}, a change of replicas is still followed", spec={"paused": True})


def resume(rollout: Rollout) -> Answer:
    """End the current pause, and a pause by hand."""
    status = {"pauseConditions": None} if rollout.status.pause_conditions else {}
    spec = {"paused": False} if rollout.spec.paused else {}
    if not status and not spec:
        return Nothing("there is nothing to resume: it is not paused")
    return Steer(said="resumed", status=status, spec=spec)


def restart(rollout: Rollout, *, at: datetime) -> Answer:
    """Replace every pod that was made before a moment, which may lie ahead."""
    moment = timestamps.render(at)
    return Steer(said=f"restarting the pods made before {moment}", spec={"restartAt": moment})


def _too_early(rollout: Rollout) -> Refused | None:
    """Why nothing can be promoted yet: what would be promoted is not what the spec asks for."""
    if not summary.is_observed(rollout):
        return Refused("the controller has not seen the present spec yet; try again in a moment")
    return _invalid(rollout)


def _invalid(rollout: Rollout) -> Refused | None:
    """Why nothing but an abort would be carried out."""
    invalid = conditions.get(rollout.status.conditions, c.INVALID_SPEC)
    return (
        Refused(f"nothing but an abort is carried out until that is corrected: {invalid.message}") if invalid else None
    )


def _promote_full(rollout: Rollout, spec: Patch) -> Answer:
    is_wanted = not summary.is_promoted(rollout)
    if not is_wanted and not spec:
        return Nothing("there is nothing to promote: the current version is stable")
    if rollout.status.promote_full and not spec:
        return Nothing("it is being promoted in full already: what is left is that its pods become available")
    left = "pauses" if summary.is_blue_green(rollout) else "steps"
    said = f"asked to promote without the {left} and analyses that are left" if is_wanted else "ended the pause"
    return Steer(said=said, status={"promoteFull": True} if is_wanted else {}, spec=spec)


def _advance(rollout: Rollout, spec: Patch) -> Answer:
    """A canary goes on past its pause, or past its step."""
    if rollout.status.pause_conditions:
        return _end_pause(rollout, spec)
    index, steps = rollout.status.current_step_index, summary.steps_of(rollout)
    is_over = index is None or index >= len(steps)
    if not is_over and not summary.is_promoted(rollout):
        return _next_step(rollout, spec, index or 0)
    if spec:
        return Steer(said="ended the pause (spec.paused is false)", spec=spec)
    if summary.is_promoted(rollout):
        return Nothing("there is nothing to promote: the current version is stable")
    return Nothing("no step is left: pods (and a background analysis, if any) are what it waits for; --full skips that")


def _switch(rollout: Rollout, spec: Patch) -> Answer:
    """Blue-green has one place at which a person may be waited for."""
    if pauses.is_inconclusive(rollout.status):
        return Refused("an analysis was inconclusive: resume measures again, promote --full goes on without it")
    if rollout.status.pause_conditions:
        said = "ended the pause: users are to reach the new version"
        return Steer(said=said, status={"pauseConditions": None}, spec=spec)
    if spec:
        return Steer(said="ended the pause (spec.paused is false)", spec=spec)
    if summary.is_promoted(rollout):
        return Nothing("there is nothing to promote: the current version is stable")
    return Nothing("no pause is in force: pods or an analysis are what it waits for; --full skips analyses")


def _end_pause(rollout: Rollout, spec: Patch) -> Answer:
    run = rollout.status.canary.current_step_analysis_run_status
    is_waived = run is not None and run.status == Phase.INCONCLUSIVE and rollout.status.controller_pause
    if not is_waived:
        return Steer(said="ended the pause", status={"pauseConditions": None}, spec=spec)
    index = (rollout.status.current_step_index or 0) + 1
    status = {"pauseConditions": None, "controllerPause": False, "currentStepIndex": index}
    return Steer(said="went on without a verdict of the inconclusive analysis", status=status, spec=spec)


def _next_step(rollout: Rollout, spec: Patch, index: int) -> Answer:
    steps = summary.steps_of(rollout)
    following = min(index + 1, len(steps))
    said = f"went on from step {index + 1} ({describe(steps[index])}) to {_place(rollout, following)}"
    return Steer(said=said, status={"pauseConditions": None, "currentStepIndex": following}, spec=spec)


def _place(rollout: Rollout, index: int) -> str:
    steps = summary.steps_of(rollout)
    return f"step {index + 1} ({describe(steps[index])})" if index < len(steps) else "the end of the steps"
