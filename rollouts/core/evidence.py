"""What is seen of pods, runs and times, as clauses that other sentences put behind what they say.

The sentences are those of waiting.py and the modules it asks; nothing here knows what is waited for.
"""

from __future__ import annotations

from datetime import datetime

from rollouts.api import conditions as c
from rollouts.api.analysis import AnalysisRun, Phase
from rollouts.api.rollout import CanaryStrategy
from rollouts.api.status import AnalysisRunRef, RolloutStatus
from rollouts.core import conditions, progress, traffic
from rollouts.core.observed import ReplicaSet, Unreadable
from rollouts.core.sizing import deadline_of
from rollouts.core.turn import Turn
from rollouts.lib import timestamps


def pods(turn: Turn, status: RolloutStatus) -> str:
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
    return f"{said}; without progress {then} at {moment(deadline)}" if deadline else said


def new_pods(turn: Turn) -> str:
    """How many of the pods that are wanted the new version has."""
    return f"{turn.new.available if turn.new else 0} of {turn.desired} new pods are available"


def shortage(turn: Turn, status: RolloutStatus) -> str:
    """Pods and weights that are missing where nothing waits for them, so that nobody goes on without knowing."""
    versions = (("canary", turn.new), ("stable", turn.stable(status)))
    lacking = [
        f"{rs.available} of {rs.wanted} {name}" for name, rs in versions if rs is not None and rs.available < rs.wanted
    ]
    short = f"; only {' and '.join(lacking)} pods are available" if lacking else ""
    is_moving = isinstance(turn.strategy, CanaryStrategy) and status.stable_rs not in ("", turn.pod_hash)
    unrouted = traffic.lacking(turn, status) if is_moving else ()
    return short + (f"; not in force yet: {' and '.join(unrouted)}" if unrouted else "")


def run(turn: Turn, ref: AnalysisRunRef) -> AnalysisRun | None:
    """The run that a reference names, where it is there to be seen."""
    runs = turn.seen.analysis_runs
    return None if isinstance(runs, Unreadable) else next((run for run in runs if run.meta.name == ref.name), None)


def watched(status: RolloutStatus) -> str:
    """Which background analysis could end the update."""
    ref = status.canary.current_background_analysis_run_status
    if ref is None or ref.status != Phase.RUNNING:
        return ""
    return f"; background analysis {ref.name} aborts it on failure"


def until(rs: ReplicaSet | None) -> str:
    """The stored end of a version, where it has one."""
    end = deadline_of(rs) if rs is not None else None
    return f" until {moment(end)}" if end else ""


def moment(at: datetime | None) -> str:
    """A time as it is shown."""
    return timestamps.render(at) if at else "an unknown time"
