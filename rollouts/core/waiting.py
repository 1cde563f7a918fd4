"""What the rollout waits for, in one sentence for people: what it lacks and since when, on what evidence, what moves it
next, and what would end it.

The words come from the same outcomes and counts that the phases decide by. Nothing here decides.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from rollouts.api import conditions as c
from rollouts.api.analysis import AnalysisRun, Phase
from rollouts.api.rollout import (
    AnalysisStep,
    BlueGreenStrategy,
    CanaryStrategy,
    ExperimentStep,
    Pause,
    PluginStep,
    Step,
)
from rollouts.api.status import AnalysisRunRef, PauseReason, RolloutStatus
from rollouts.core import (
    conditions,
    counts,
    cutover,
    experiments,
    gates,
    pause,
    plugin_step,
    progress,
    slots,
    steps,
    traffic,
)
from rollouts.core.cutover import Stage
from rollouts.core.observed import ReplicaSet, Unreadable
from rollouts.core.sizing import deadline_of
from rollouts.core.turn import Turn, pod_hash_of
from rollouts.lib import timestamps
from rollouts.ports import Unknown


def explain(turn: Turn, status: RolloutStatus) -> str:
    """One sentence; empty when there is nothing to wait for."""
    if status.abort:
        return _aborted(turn, status)
    if turn.rollout.spec.paused:
        held = f"paused by spec.paused: {_stands(turn)} until that is false (rollouts.io/resume does it)"
        return f"{held}{_short(turn, status)}"
    if conditions.has(status.conditions, c.PROGRESSING, reason=c.PROGRESS_DEADLINE_EXCEEDED):
        moves = "it goes on by itself when that comes; a new template replaces it"
        ends = "" if status.stable_rs == turn.pod_hash else ", an abort goes back to stable"
        return f"no progress within the deadline: {_lacking(turn, status)}; {moves}{ends}"
    return _lacking(turn, status)


def _aborted(turn: Turn, status: RolloutStatus) -> str:
    said = conditions.get(status.conditions, c.PROGRESSING)
    why = said.message.removeprefix("Rollout ") if said else "aborted"
    moves = f"{_again(turn)}, a new template replaces it"
    return f"{why} (at {_time(status.aborted_at)}); {_serving(turn, status)}; {moves}"


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
        return "users reach stable" if is_back else f"users do not reach stable yet{_stable_pods(turn, status)}"
    stable, canary = turn.stable(status), turn.new.current if turn.new else 0
    if stable is None:
        return "the ReplicaSet of the stable version is gone, so the pods that are there stay"
    if stable.available >= turn.desired and not canary:
        return "stable serves everything"
    left = (
        f", {canary} canary {'pod is' if canary == 1 else 'pods are'} still there{_until(turn.new)}" if canary else ""
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


def _until(rs: ReplicaSet | None) -> str:
    end = deadline_of(rs) if rs is not None else None
    return f" until {_time(end)}" if end else ""


def _lacking(turn: Turn, status: RolloutStatus) -> str:
    if pause.is_inconclusive(status):
        return _inconclusive(turn, status)
    if status.stable_rs == turn.pod_hash:
        return _finishing(turn, status)
    if isinstance(turn.strategy, BlueGreenStrategy):
        return _cutting_over(turn, status)
    if not status.stable_rs:
        return f"the first version takes no steps: {_new_pods(turn)}{_pods(turn, status)}"
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
            words = f"{_paused(status, outcome)}{_short(turn, status)}"
        case AnalysisStep():
            fails = f"; if it fails, the update is aborted{_short(turn, status)}"
            words = f"waits for {outcome.why}{_evidence(turn, status)}{fails}"
        case ExperimentStep():
            words = f"waits for {outcome.why}; if it fails, the update is aborted{_short(turn, status)}"
        case PluginStep() if plugin_step.is_waiting(status):
            words = f"waits for {outcome.why}; if it fails, the update is aborted{_short(turn, status)}"
        case _:
            words = f"waits for {outcome.why}{_pods(turn, status)}"
    return f"{place} {words}{_watched(status)}"


def _paused(status: RolloutStatus, outcome: steps.Holding) -> str:
    since = pause.since(status, PauseReason.CANARY_PAUSE_STEP)
    if since is None:
        return f"waits for {outcome.why}"
    if outcome.until is None:
        return f"has waited since {_time(since)} for a person: resume or promote goes on, abort goes back to stable"
    return f"has waited since {_time(since)} and ends at {_time(outcome.until)}; resume ends it now"


def _short(turn: Turn, status: RolloutStatus) -> str:
    """Pods and weights that are missing where nothing waits for them, so that nobody goes on without knowing."""
    versions = (("canary", turn.new), ("stable", turn.stable(status)))
    lacking = [
        f"{rs.available} of {rs.wanted} {name}" for name, rs in versions if rs is not None and rs.available < rs.wanted
    ]
    short = f"; only {' and '.join(lacking)} pods are available" if lacking else ""
    is_moving = isinstance(turn.strategy, CanaryStrategy) and status.stable_rs not in ("", turn.pod_hash)
    unrouted = traffic.lacking(turn, status) if is_moving else ()
    return short + (f"; not in force yet: {' and '.join(unrouted)}" if unrouted else "")


def _evidence(turn: Turn, status: RolloutStatus) -> str:
    """What is known of the run that a step waits for."""
    runs, ref = turn.seen.analysis_runs, status.canary.current_step_analysis_run_status
    if isinstance(runs, Unreadable):
        return f" (unknown: {runs.why})"
    run = None if ref is None else _run(turn, ref)
    since = None if run is None else run.status.started_at
    return f" ({run.status.phase} since {_time(since)})" if run is not None and since is not None else ""


def _run(turn: Turn, ref: AnalysisRunRef) -> AnalysisRun | None:
    """The run that a reference names, where it is there to be seen."""
    runs = turn.seen.analysis_runs
    return None if isinstance(runs, Unreadable) else next((run for run in runs if run.meta.name == ref.name), None)


def _watched(status: RolloutStatus) -> str:
    ref = status.canary.current_background_analysis_run_status
    if ref is None or ref.status != Phase.RUNNING:
        return ""
    return f"; background analysis {ref.name} aborts it on failure"


def _pods(turn: Turn, status: RolloutStatus) -> str:
    """Why pods do not come, as far as anybody says, and what happens when they never do."""
    failures = (
        conditions.get(status.conditions, c.REPLICA_FAILURE),
        next((each for each in status.conditions if each.reason == c.REPLICA_SET_CREATE_ERROR), None),
    )
    why = next((failure.message for failure in failures if failure is not None), "")
    deadline = progress.passes_at(turn, status.conditions)
    is_abort = turn.rollout.spec.progress_deadline_abort and status.stable_rs != turn.pod_hash
    then = "it is aborted" if is_abort else "it counts as stalled"
    said = f" [{why}]" if why else ""
    return f"{said}; without progress {then} at {_time(deadline)}" if deadline else said


def _inconclusive(turn: Turn, status: RolloutStatus) -> str:
    since = next((each.start_time for each in status.pause_conditions if each.reason in pause.INCONCLUSIVE), None)
    held = f"held since {_time(since)} for a person"
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


def _finishing(turn: Turn, status: RolloutStatus) -> str:
    new = turn.new
    if new is not None and new.available < turn.desired:
        return f"{new.available} of {turn.desired} pods of the stable version are available{_pods(turn, status)}"
    if isinstance(turn.strategy, BlueGreenStrategy):
        is_led = cutover.active_hash(turn) == turn.pod_hash
        return (
            _restarting(turn, status) if is_led else f"the active Service to lead to the stable version{_unseen(turn)}"
        )
    return _leaving(turn, status) or _restarting(turn, status) or _blind(turn)


def _blind(turn: Turn) -> str:
    """What nobody can tell of a rollout that is done otherwise."""
    why = traffic.unseen(turn)
    return f"all pods are available; what leads to them is unknown ({why})" if why else ""


def _leaving(turn: Turn, status: RolloutStatus) -> str:
    """Earlier versions that are still there, and what they stay for."""
    earlier = [rs for rs in turn.others(status) if rs.current]
    if not earlier:
        return ""
    count = sum(rs.current for rs in earlier)
    pods = f"{count} {'pod' if count == 1 else 'pods'} of earlier versions"
    reach = traffic.reach(turn, status)
    if any(reach.is_reached(pod_hash_of(rs)) for rs in earlier):
        seen = traffic.split(turn, status) if turn.is_routed else None
        return f"{pods} kept while traffic may lead there{f' ({seen.why})' if isinstance(seen, Unknown) else ''}"
    last = max((end for rs in earlier if (end := deadline_of(rs)) is not None), default=None)
    return f"{pods} kept until {_time(last)}, for a way back" if last else f"{pods} on the way out"


def _restarting(turn: Turn, status: RolloutStatus) -> str:
    at, pods = turn.rollout.spec.restart_at, turn.seen.pods
    if at is None or at == status.restarted_at:
        return ""
    if at > turn.now:
        return f"all pods will be restarted from {_time(at)} on"
    if isinstance(pods, Unreadable):
        return f"pods created before {_time(at)} are to be restarted, but {pods.why}"
    old = sum(pod.created_at < at for pod in pods or ())
    return f"{old} pods created before {_time(at)} are still to be restarted, as far as disruption budgets allow"


def _cutting_over(turn: Turn, status: RolloutStatus) -> str:
    """Blue-green before its promotion: which stage, on what evidence, and what else could happen."""
    stage = cutover.stage(turn, status)
    match stage:
        case Stage.PREPARING:
            new, wanted = turn.new, cutover.size(turn, status)
            pods = f"{new.available if new else 0} of {wanted} new pods are available"
            return f"{pods}{_paused_since(status)}{_pods(turn, status)}"
        case Stage.HOLDING:
            return _held_back(turn, status)
        case Stage.PROVING | Stage.VERIFYING:
            fails = "the update is aborted" if stage is Stage.PROVING else "the active Service goes back to stable"
            return f"waits for {stage}{_ran(turn, status, stage)}; if it fails, {fails}"
        case Stage.SWITCHING:
            return f"waits for {stage}{_unseen(turn)}"
        case Stage.DONE:
            return "about to be promoted"
        case _:
            assert_never(stage)


def _paused_since(status: RolloutStatus) -> str:
    since = pause.since(status, PauseReason.BLUE_GREEN_PAUSE)
    return f", and its pause has lasted since {_time(since)}" if since else ""


def _held_back(turn: Turn, status: RolloutStatus) -> str:
    since, ends_at = pause.since(status, PauseReason.BLUE_GREEN_PAUSE), cutover.pause_ends_at(turn, status)
    if turn.stable(status) is None:
        gone = f"the ReplicaSet of the stable version ({status.stable_rs}) is gone, and users reach the new one"
        return f"{gone}, held since {_time(since)}: resume or promote makes it stable, a new template replaces it"
    held = f"the new version is ready, and its switch has waited since {_time(since)}"
    if ends_at is not None:
        return f"{held}; it comes at {_time(ends_at)}, resume or promote switches now, abort keeps stable"
    return f"{held} for a person: resume or promote switches, abort keeps stable"


def _ran(turn: Turn, status: RolloutStatus, stage: Stage) -> str:
    ref = (slots.BEFORE if stage is Stage.PROVING else slots.AFTER).get(status)
    if ref is None:
        return " to start"
    run = _run(turn, ref)
    since = None if run is None else run.status.started_at
    return f" ({ref.name}: {ref.status}{f' since {_time(since)}' if since is not None else ''})"


def _stable_pods(turn: Turn, status: RolloutStatus) -> str:
    stable = turn.stable(status)
    is_short = stable is not None and stable.available < turn.desired
    return f": {stable.available} of {turn.desired} of its pods are available" if stable and is_short else _unseen(turn)


def _unseen(turn: Turn) -> str:
    why = cutover.unseen(turn)
    return f" (unknown: {why})" if why else ""


def _before_promotion(turn: Turn, status: RolloutStatus) -> str:
    done = "all steps are done; " if turn.steps else ""
    if not counts.is_available(turn):
        return f"{done}{_new_pods(turn)}, and all must be{_pods(turn, status)}{_watched(status)}"
    unrouted = traffic.lacking(turn, status) if turn.steps else ()
    lacking = " and ".join(unrouted) or gates.unproven(turn, status)
    return f"{done}waiting for {lacking}" if lacking else "about to be promoted"


def _new_pods(turn: Turn) -> str:
    return f"{turn.new.available if turn.new else 0} of {turn.desired} new pods are available"


def _time(moment: datetime | None) -> str:
    return timestamps.render(moment) if moment else "an unknown time"
