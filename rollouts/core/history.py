"""Which finished objects of a Rollout's updates are kept: as many as its limits say, of versions that are still there.

The same limits count for AnalysisRuns and for Experiments, each by itself. Deleting is for who asks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

from rollouts.api.analysis import COMPLETED_PHASES, AnalysisRun, Phase
from rollouts.api.experiment import Experiment
from rollouts.api.rollout import DEFAULT_RUN_HISTORY_LIMIT
from rollouts.core import naming
from rollouts.core.turn import Turn, pod_hash_of

T = TypeVar("T", bound=AnalysisRun | Experiment)


def excess(turn: Turn, objects: Sequence[T], *, named: Collection[str]) -> tuple[T, ...]:
    """Finished objects beyond the limits, and those whose version is gone; `objects` are in order, oldest first.

    Those that the status names (`named`) stay, and those that are being deleted need no second word.
    """
    limits = turn.rollout.spec.analysis
    successful = limits.successful_run_history_limit if limits else None
    unsuccessful = limits.unsuccessful_run_history_limit if limits else None
    versions = {pod_hash_of(rs) for rs in turn.owned if not rs.is_deleting} | {turn.pod_hash}
    finished = [each for each in objects if each.status.phase in COMPLETED_PHASES and each.meta.name not in named]
    known = [each for each in finished if each.meta.labels.get(naming.POD_HASH_LABEL, "") in versions]
    passed = [each for each in known if each.status.phase == Phase.SUCCESSFUL]
    others = [each for each in known if each.status.phase != Phase.SUCCESSFUL]
    gone = [each for each in finished if each not in known]
    unkept = [*gone, *_beyond(passed, successful), *_beyond(others, unsuccessful)]
    return tuple(each for each in unkept if each.meta.deletion_timestamp is None)


def _beyond(finished: list[T], limit: int | None) -> list[T]:
    kept = DEFAULT_RUN_HISTORY_LIMIT if limit is None else limit
    return finished[: max(0, len(finished) - kept)]
