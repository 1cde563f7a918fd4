"""Steps of a canary: for each kind, when it is over.

`OUTCOMES` is the table: step kind -> function(turn, status, step) -> outcome. A step changes nothing by itself: what a
weight or a pause means for pods follows from (steps, index), so that a step can be asked about any number of times.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from rollouts.api.analysis import Phase
from rollouts.api.rollout import (
    AnalysisStep,
    ExperimentStep,
    Pause,
    PluginStep,
    SetCanaryScale,
    SetHeaderRoute,
    SetMirrorRoute,
    SetWeight,
    Step,
)
from rollouts.api.status import PauseReason, RolloutStatus
from rollouts.core import counts, experiments, pause, plugin_step, traffic
from rollouts.core.observed import Unreadable
from rollouts.core.plan import Change, Note
from rollouts.core.turn import Turn
from rollouts.lib import durations, timestamps


@dataclass(frozen=True, slots=True)
class Holding:
    """Not over. `until` is when it will be over by itself; None: something must be seen first. `why` is a clause."""

    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Over, because of `why`."""

    why: str


Outcome = Holding | Done


def advance(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Ask the current step, and go to the next one when it is over.

    One step a turn: each is persisted before it acts.
    """
    step = current(turn, status)
    if step is None or status.abort or turn.rollout.spec.paused or turn.new is None or not turn.stable(status):
        return Change(status=status)
    status = _entered(turn, status, step)
    outcome = outcome_of(turn, status, step)
    if isinstance(outcome, Holding):
        return Change(status=status, requeue_at=outcome.until)
    if pause.is_inconclusive(status):
        return Change(status=status)
    return _completed(turn, status, step, outcome)


def current(turn: Turn, status: RolloutStatus) -> Step | None:
    """The step the rollout is at; None past the last one, or without steps."""
    index = status.current_step_index
    if index is None or index >= len(turn.steps):
        return None
    return turn.steps[index]


def outcome_of(turn: Turn, status: RolloutStatus, step: Step) -> Outcome:
    """Whether this step is over."""
    match step:
        case SetWeight():
            return _reached(turn, status, traffic.lacking(turn, status))
        case SetCanaryScale():
            return _reached(turn, status, ())
        case Pause():
            return _pause(turn, status, step)
        case AnalysisStep():
            return _analysis(status)
        case SetHeaderRoute() | SetMirrorRoute():
            return Done("its route is asked for")
        case ExperimentStep():
            return _experiment(turn, status)
        case PluginStep():
            return _plugin(status, step)
        case _:
            assert_never(step)


def describe(step: Step) -> str:
    """A step in the words clients know it by."""
    match step:
        case SetWeight():
            return f"setWeight: {step.weight}"
        case Pause():
            return "pause" if step.duration is None else f"pause: {durations.render(step.duration)}"
        case AnalysisStep():
            return "analysis"
        case ExperimentStep():
            return "experiment"
        case SetCanaryScale():
            return f"setCanaryScale{{{_scale_words(step)}}}"
        case SetHeaderRoute():
            return f"setHeaderRoute: {step.name}"
        case SetMirrorRoute():
            return f"setMirrorRoute: {step.name}"
        case PluginStep():
            return f"plugin: {step.name}"
        case _:
            assert_never(step)


def _entered(turn: Turn, status: RolloutStatus, step: Step) -> RolloutStatus:
    """A pause begins when its step is reached; not again when a person has just ended it."""
    if not isinstance(step, Pause) or pause.is_resumed(status):
        return status
    return pause.paused(status, PauseReason.CANARY_PAUSE_STEP, now=turn.now)


def _reached(turn: Turn, status: RolloutStatus, unrouted: tuple[str, ...]) -> Outcome:
    """Over when its pods are there and, as far as it moves traffic, the routers have its weight."""
    if counts.is_at_target(turn, status) and not unrouted:
        return Done("all pods it asks for are available")
    lacking = (*counts.lacking(turn, status), *unrouted)
    return Holding(" and ".join(lacking) or "its ReplicaSets to be there")


def _pause(turn: Turn, status: RolloutStatus, step: Pause) -> Outcome:
    since = pause.since(status, PauseReason.CANARY_PAUSE_STEP)
    if since is None:
        return Done("resumed") if pause.is_resumed(status) else Holding("its pause to begin")
    if step.duration is None:
        return Holding("a person to resume or promote")
    ends_at = timestamps.later(since, step.duration)
    return Done("its time is over") if turn.now >= ends_at else Holding("its time to be over", until=ends_at)


def _analysis(status: RolloutStatus) -> Outcome:
    run = status.canary.current_step_analysis_run_status
    if run is None:
        return Holding("its analysis to start")
    if run.status == Phase.SUCCESSFUL:
        return Done(f"analysis {run.name} is successful")
    return Holding(f"analysis {run.name} to pass")


def _experiment(turn: Turn, status: RolloutStatus) -> Outcome:
    seen, name = experiments.current(turn, status), status.canary.current_experiment
    if isinstance(turn.seen.experiments, Unreadable):
        return Holding(f"its experiment (unknown: {turn.seen.experiments.why})")
    if seen is None:
        return Holding(f"experiment {name} to start" if name else "its experiment to start")
    phase, said = experiments.proven_phase(seen)
    if phase == Phase.SUCCESSFUL:
        return Done(f"experiment {name} is successful")
    ignored_from = experiments.ignored_from(seen)
    if ignored_from is not None and turn.now >= ignored_from:
        ignored = f"nobody had taken it up by {timestamps.render(ignored_from)}"
        return Holding(f"experiment {name} to succeed ({ignored}: does any controller here run Experiments?)")
    return Holding(f"experiment {name} to succeed ({phase}{f': {said}' if said else ''})")


def _plugin(status: RolloutStatus, step: PluginStep) -> Outcome:
    if plugin_step.is_over(status):
        run = plugin_step.entry(status)
        said = f": {run.message}" if run is not None and run.message else ""
        return Done(f"plugin {step.name} is done{said}")
    return Holding(plugin_step.waits_for(status, step))


def _completed(turn: Turn, status: RolloutStatus, step: Step, outcome: Done) -> Change[RolloutStatus]:
    index = (status.current_step_index or 0) + 1
    message = f"Rollout step {index}/{len(turn.steps)} completed ({describe(step)})"
    key = f"{turn.pod_hash}/{turn.revision}/{turn.step_hash}/{index}/{_attempt(status)}"
    note = Note(reason="RolloutStepCompleted", message=message, key=key)
    moved = dataclasses.replace(
        pause.lifted(status, PauseReason.CANARY_PAUSE_STEP),
        current_step_index=index,
        canary=dataclasses.replace(status.canary, current_step_analysis_run_status=None, current_experiment=""),
    )
    return Change(status=moved, notes=(note, Note(reason="StepOver", message=outcome.why, is_event=False)))


def _attempt(status: RolloutStatus) -> str:
    """Tells one run through the steps from the next after a retry."""
    started = status.duration.rollout_started_at if status.duration else None
    return started.isoformat() if started else ""


def _scale_words(step: SetCanaryScale) -> str:
    if step.match_traffic_weight:
        return "matchTrafficWeight: true"
    return f"replicas: {step.replicas}" if step.replicas is not None else f"weight: {step.weight}"
