"""What the rollout waits for, in one sentence for people: what it lacks, what moves it next, and when.

The words come from the same outcomes and counts that the phases decide by.
"""

from __future__ import annotations

from datetime import datetime

from rollouts.api import conditions as c
from rollouts.api.analysis import Phase
from rollouts.api.rollout import Step
from rollouts.api.status import PauseReason, RolloutStatus
from rollouts.core import conditions, gates, pause, scale, steps
from rollouts.core.turn import Turn
from rollouts.lib import timestamps


def explain(turn: Turn, status: RolloutStatus) -> str:
    """One sentence; empty when there is nothing to wait for."""
    if turn.rollout.spec.paused:
        return "paused by spec.paused: it goes on when that is set to false (rollouts.io/resume does it)"
    if conditions.has(status.conditions, c.PROGRESSING, reason=c.PROGRESS_DEADLINE_EXCEEDED):
        return f"no progress within the deadline: {_lacking(turn, status)}; pods, a new template or an abort move it"
    if status.abort:
        said = conditions.get(status.conditions, c.PROGRESSING)
        why = said.message.removeprefix("Rollout ") if said else "aborted"
        return f"{why}{_since(status.aborted_at)}; stable serves; a retry, a promotion or a new template moves it"
    return _lacking(turn, status)


def _lacking(turn: Turn, status: RolloutStatus) -> str:
    if pause.is_inconclusive(status):
        return _inconclusive(status)
    if status.stable_rs == turn.pod_hash:
        return _finishing(turn, status)
    step = steps.current(turn, status)
    if step is not None:
        return _at_step(turn, status, step)
    return _before_promotion(turn, status)


def _at_step(turn: Turn, status: RolloutStatus, step: Step) -> str:
    outcome = steps.outcome_of(turn, status, step)
    place = f"step {(status.current_step_index or 0) + 1} of {len(turn.steps)} ({steps.describe(step)})"
    if not isinstance(outcome, steps.Holding):
        return f"{place} is complete: {outcome.why}"
    until = f", at {timestamps.render(outcome.until)}" if outcome.until else ""
    since = _since(pause.since(status, PauseReason.CANARY_PAUSE_STEP))
    return f"{place} waits{since} for {outcome.why}{until}"


def _inconclusive(status: RolloutStatus) -> str:
    refs = (status.canary.current_step_analysis_run_status, status.canary.current_background_analysis_run_status)
    run = next((ref for ref in refs if ref is not None and ref.status == Phase.INCONCLUSIVE), None)
    name = f"analysis {run.name}" if run else "an analysis"
    why = f" ({run.message})" if run and run.message else ""
    return f"{name} was inconclusive{why}: resume measures again, promote goes on without it, abort goes back to stable"


def _finishing(turn: Turn, status: RolloutStatus) -> str:
    new = turn.new
    if new is not None and new.available < turn.desired:
        return f"{new.available} of {turn.desired} pods of the stable version are available"
    old = sum(rs.current for rs in turn.others(status))
    return f"{old} pods of earlier versions are going away" if old else ""


def _before_promotion(turn: Turn, status: RolloutStatus) -> str:
    if not scale.is_available(turn):
        available = turn.new.available if turn.new else 0
        done = "all steps are done; " if turn.steps else ""
        return f"{done}{available} of {turn.desired} new pods are available, and all must be"
    lacking = gates.unproven(turn, status)
    return f"all steps are done; it waits for {lacking}" if lacking else "about to be promoted"


def _since(moment: datetime | None) -> str:
    return f" since {timestamps.render(moment)}" if moment else ""
