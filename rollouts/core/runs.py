"""AnalysisRuns as a rollout's gates see them: their names, their manifests, and what they have proven so far."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

from rollouts.api.analysis import COMPLETED_PHASES, AnalysisRun
from rollouts.api.rollout import RolloutAnalysis
from rollouts.api.status import RolloutStatus
from rollouts.core import naming, templates
from rollouts.core.actions import Manifest
from rollouts.core.revisions import owner_reference
from rollouts.core.turn import Turn


def is_attempt(name: str, base: str) -> bool:
    """Whether a run of this name answers the gate that `base` is derived from: the first attempt has no number."""
    head, _, number = name.rpartition(".")
    return name == base or (head == base and number.isascii() and number.isdigit())


def next_name(base: str, runs: Sequence[AnalysisRun], *, taken: Collection[str]) -> str:
    """The name of the next attempt: the first one free, or whose run can be taken over."""
    known = {run.meta.name: run for run in runs}
    for attempt in itertools.count():
        name = f"{base}.{attempt}" if attempt else base
        is_free = name not in known and name not in taken
        if is_free or (name in known and _can_continue(known[name])):
            return name
    raise AssertionError("counting has no end")


def pod_hash_of(run: AnalysisRun) -> str:
    """The version a run measures."""
    return run.meta.labels.get(naming.POD_HASH_LABEL, "")


def _can_continue(run: AnalysisRun) -> bool:
    is_ending = run.spec.terminate or run.meta.deletion_timestamp is not None
    return run.status.phase not in COMPLETED_PHASES and not is_ending


def manifest(
    turn: Turn, status: RolloutStatus, analysis: RolloutAnalysis, *, name: str, labels: Mapping[str, str]
) -> Manifest:
    """The run of a gate, as it is created. The templates must be sound and readable."""
    instance = {naming.INSTANCE_LABEL: turn.seen.instance_id} if turn.seen.instance_id else {}
    order = templates.RunOrder(
        name=name,
        rollout=turn.rollout,
        owner_reference=owner_reference(turn),
        labels={naming.POD_HASH_LABEL: turn.pod_hash, **labels, **instance},
        annotations={naming.REVISION: str(turn.revision)},
        latest_hash=turn.pod_hash,
        stable_hash=status.stable_rs,
    )
    return templates.build_run(order, analysis, turn.seen.templates)
