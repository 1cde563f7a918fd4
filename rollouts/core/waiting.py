"""What the rollout waits for, in one sentence for people: what it lacks and since when, on what evidence, what moves it
next, and what would end it.

The words come from the same outcomes and counts that the phases decide by. Nothing here decides. What blue-green and a
finished Rollout wait for is said in waiting_cutover.py and waiting_finished.py.
"""

from __future__ import annotations

from rollouts.api import conditions as c
from rollouts.api.analysis import Phase
from rollouts.api.rollout import AnalysisStep, BlueGreenStrategy, ExperimentStep, Pause, PluginStep, Step
from rollouts.api.status import PauseReason, RolloutStatus
from rollouts.core import (
    conditions,
    counts,
    cutover,
    evidence,
    experiments,
    gates,
    pause,
    plugin_step,
    slots,
    steps,
    traffic,
    waiting_cutover,
    waiting_finished,
)
from rollouts.core.observed import Unreadable
from rollouts.core.turn import Turn
from rollouts.ports import Unknown


def explain(turn: Turn, status: RolloutStatus) -> str:
    """One sentence; empty when there is nothing to wait for."""
    if status.abort:
        return _aborted(turn, status)
    if turn.rollout.spec.paused:
        held = f"paused by spec.paused: {_stands(turn)} until that is false (rollouts.io/resume does it)"
        return f"{held}{evidence.shortage(turn, status)}"
    if conditions.has(status.conditions, c.PROGRESSING, reason=c.PROGRESS_DEADLINE_EXCEEDED):
        moves = "it goes on by itself when that comes; a new template replaces it"
        ends = "" if status.stable_rs == turn.pod_hash else ", an abort goes back to stable"
        return f"no progress within the deadline: {_lacking(turn, status)}; {moves}{ends}"
    return _lacking(turn, status)


def _aborted(turn: Turn, status: RolloutStatus) -> str:
    said = conditions.get(status.conditions, c.PROGRESSING)
    why = said.message.removeprefix("Rollout ") if said else "aborted"
    moves = f"{_again(turn)}, a new template replaces it"
    return f"{why} (at {evidence.moment(status.aborted_at)}); {_serving(turn, status)}; {moves}"


def _stands(turn: Turn) -> str:
    return "no Service is led elsewhere" if isinstance(turn.strategy, BlueGreenStrategy) else "no step is taken"


def _again(turn: Turn) -> str:
    if isinstance(turn.strategy, BlueGreenStrategy):
        return "retry starts again, promote full goes on without pauses and analyses"
    return "retry or new steps start again at the first step, promote full goes on without steps"


def _serving(turn: Turn, status: RolloutStatus) -> str:
    """How far the way back to stable is."""
    if isinstance(turn.strategy, BlueGreenStrategy) and turn.stable(status) is not None:
        is_back = cutover.active_hash(turn) == status.stable_rs
        return (
            "users reach stable"
            if is_back
            else f"users do not reach stable yet{waiting_cutover.stable_pods(turn, status)}"
        )
    stable, canary = turn.stable(status), turn.new.current if turn.new else 0
    if stable is None:
        return "the ReplicaSet of the stable version is gone, so the pods that are there stay"
    if stable.available >= turn.desired and not canary:
        return "stable serves everything"
    left = (
        f", {canary} canary {'pod is' if canary == 1 else 'pods are'} still there{evidence.until(turn.new)}"
        if canary
        else ""
    )
    return f"{_sent(turn, status)}stable has {stable.available} of {turn.desired} pods available{left}"


def _sent(turn: Turn, status: RolloutStatus) -> str:
    """How much traffic an aborted canary still gets from routers."""
    if not turn.is_routed:
        return ""
    seen = traffic.split(turn, status)
    if isinstance(seen, Unknown):
        return f"what the canary still gets is unknown ({seen.why}), "
    return (
        f"the canary still gets {seen.high} of {turn.weight_max}, "
        if seen.high
        else "no traffic is sent to the canary, "
    )


def _lacking(turn: Turn, status: RolloutStatus) -> str:
    if pause.is_inconclusive(status):
        return _inconclusive(turn, status)
    if status.stable_rs == turn.pod_hash:
        return waiting_finished.finishing(turn, status)
    if isinstance(turn.strategy, BlueGreenStrategy):
        return waiting_cutover.cutting_over(turn, status)
    if not status.stable_rs:
        return f"the first version takes no steps: {evidence.new_pods(turn)}{evidence.pods(turn, status)}"
    if turn.stable(status) is None:
        gone = f"the ReplicaSet of the stable version ({status.stable_rs}) is gone, so no step can be taken"
        return f"{gone}: promote full makes the new version stable, a new template replaces it"
    step = steps.current(turn, status)
    if step is not None:
        return _at_step(turn, status, step)
    return _before_promotion(turn, status)


def _at_step(turn: Turn, status: RolloutStatus, step: Step) -> str:
    outcome = steps.outcome_of(turn, status, step)
    index = status.current_step_index or 0
    place = f"step {index + 1} of {len(turn.steps)} (index {index}, {steps.describe(step)})"
    if not isinstance(outcome, steps.Holding):
        return f"{place} is complete: {outcome.why}"
    match step:
        case Pause():
            words = f"{_paused(status, outcome)}{evidence.shortage(turn, status)}"
        case AnalysisStep():
            fails = f"; if it fails, the update is aborted{evidence.shortage(turn, status)}"
            words = f"waits for {outcome.why}{_evidence(turn, status)}{fails}"
        case ExperimentStep():
            words = f"waits for {outcome.why}; if it fails, the update is aborted{evidence.shortage(turn, status)}"
        case PluginStep() if plugin_step.is_waiting(status):
            words = f"waits for {outcome.why}; if it fails, the update is aborted{evidence.shortage(turn, status)}"
        case _:
            words = f"waits for {outcome.why}{evidence.pods(turn, status)}"
    return f"{place} {words}{evidence.watched(status)}"


def _paused(status: RolloutStatus, outcome: steps.Holding) -> str:
    since = pause.since(status, PauseReason.CANARY_PAUSE_STEP)
    if since is None:
        return f"waits for {outcome.why}"
    if outcome.until is None:
        moves = "resume or promote goes on, abort goes back to stable"
        return f"has waited since {evidence.moment(since)} for a person: {moves}"
    return f"has waited since {evidence.moment(since)} and ends at {evidence.moment(outcome.until)}; resume ends it now"


def _evidence(turn: Turn, status: RolloutStatus) -> str:
    """What is known of the run that a step waits for."""
    runs, ref = turn.seen.analysis_runs, status.canary.current_step_analysis_run_status
    if isinstance(runs, Unreadable):
        return f" (unknown: {runs.why})"
    run = None if ref is None else evidence.run(turn, ref)
    since = None if run is None else run.status.started_at
    return f" ({run.status.phase} since {evidence.moment(since)})" if run is not None and since is not None else ""


def _inconclusive(turn: Turn, status: RolloutStatus) -> str:
    since = next((each.start_time for each in status.pause_conditions if each.reason in pause.INCONCLUSIVE), None)
    held = f"held since {evidence.moment(since)} for a person"
    if pause.is_paused_for(status, PauseReason.INCONCLUSIVE_EXPERIMENT):
        moves = "resume runs another one, promote goes on without it, abort goes back to stable"
        return f"{_experiment(turn, status)}; {held}: {moves}"
    run = next((ref for ref in slots.refs(status) if ref.status == Phase.INCONCLUSIVE), None)
    name = f"analysis {run.name}" if run else "an analysis"
    why = f" ({run.message})" if run and run.message else ""
    is_step = run is not None and run is slots.STEP.get(status)
    on = "promote goes on without it" if is_step else "promote full goes on without it"
    return f"{name} was inconclusive{why}; {held}: resume measures again, {on}, abort goes back to stable"


def _experiment(turn: Turn, status: RolloutStatus) -> str:
    """What an experiment that proved nothing said."""
    seen = experiments.current(turn, status)
    said = experiments.proven_phase(seen)[1] if seen is not None else ""
    return f"experiment {status.canary.current_experiment} was inconclusive{f' ({said})' if said else ''}"


def _before_promotion(turn: Turn, status: RolloutStatus) -> str:
    done = "all steps are done; " if turn.steps else ""
    if not counts.is_available(turn):
        return (
            f"{done}{evidence.new_pods(turn)}, and all must be{evidence.pods(turn, status)}{evidence.watched(status)}"
        )
    unrouted = traffic.lacking(turn, status) if turn.steps else ()
    lacking = " and ".join(unrouted) or gates.unproven(turn, status)
    return f"{done}waiting for {lacking}" if lacking else "about to be promoted"
