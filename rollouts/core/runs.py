"""AnalysisRuns as a rollout's gates see them: their names, their manifests, and what they have proven so far."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rollouts.api.analysis import COMPLETED_PHASES, AnalysisRun
from rollouts.api.rollout import RolloutAnalysis
from rollouts.api.status import RolloutStatus
from rollouts.core import attempts, naming, templates
from rollouts.core.actions import Manifest
from rollouts.core.revisions import owner_reference
from rollouts.core.turn import Turn

MARK = "."  # before the number of an attempt


def is_attempt(name: str, base: str) -> bool:
    """Whether a run of this name answers the gate that `base` is derived from: the first attempt has no number."""
    return attempts.is_attempt(name, base, mark=MARK)


def next_name(base: str, runs: Sequence[AnalysisRun], *, taken: Collection[str], step_hash: str) -> str:
    """The name of the next attempt: the first one free, or whose run can be taken over under these steps."""
    known = {run.meta.name: _can_continue(run, step_hash) for run in runs}
    return attempts.next_name(base, known, taken=taken, mark=MARK)


def _can_continue(run: AnalysisRun, step_hash: str) -> bool:
    """Whether it still measures, and what is asked now: a step at the same place of other steps may ask otherwise."""
    is_ending = run.spec.terminate or run.meta.deletion_timestamp is not None
    is_of_these_steps = run.meta.annotations.get(naming.STEPS_MADE_FOR, step_hash) == step_hash
    return run.status.phase not in COMPLETED_PHASES and not is_ending and is_of_these_steps


def manifest(
    turn: Turn, status: RolloutStatus, analysis: RolloutAnalysis, *, name: str, labels: Mapping[str, str]
) -> Manifest:
    """The run of a gate, as it is created. The templates must be sound and readable."""
    instance = {naming.INSTANCE_LABEL: turn.seen.instance_id} if turn.seen.instance_id else {}
    steps = {naming.STEPS_MADE_FOR: turn.step_hash} if "step-index" in labels else {}
    order = templates.RunOrder(
        name=name,
        rollout=turn.rollout,
        owner_reference=owner_reference(turn),
        labels={naming.POD_HASH_LABEL: turn.pod_hash, **labels, **instance},
        annotations={naming.REVISION: str(turn.revision), **steps},
        latest_hash=turn.pod_hash,
        stable_hash=status.stable_rs,
    )
    return templates.build_run(order, analysis, turn.seen.templates)
