"""The analyses a rollout may have, and where its status names their runs.

A slot is a place for one run at a time. A canary has the analysis of its current step and one in the background, a
blue-green rollout one before its switch and one after it. When a slot's run starts, and what its verdict does, is for
gates.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from rollouts.api.analysis import COMPLETED_PHASES, Phase
from rollouts.api.rollout import BlueGreenStrategy, CanaryStrategy, RolloutAnalysis
from rollouts.api.status import AnalysisRunRef, RolloutStatus
from rollouts.core import rollback
from rollouts.core.turn import Turn


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the status names a gate's run. `kind` is the word on the run's label; `words` begin the abort message.

    `is_kept`: the name of a finished run stays in the status, for clients, until another version begins.
    """

    kind: str
    words: str
    get: Callable[[RolloutStatus], AnalysisRunRef | None]
    put: Callable[[RolloutStatus, AnalysisRunRef | None], RolloutStatus]
    is_kept: bool = False


def of(strategy: CanaryStrategy | BlueGreenStrategy) -> tuple[Slot, ...]:
    """The slots of a strategy, in the order in which their verdicts count."""
    match strategy:
        case CanaryStrategy():
            return (BACKGROUND, STEP)
        case BlueGreenStrategy():
            return (BEFORE, AFTER)
        case _:
            assert_never(strategy)


def refs(status: RolloutStatus) -> tuple[AnalysisRunRef, ...]:
    """The runs that the status names."""
    return tuple(ref for ref in (slot.get(status) for slot in (STEP, BACKGROUND, BEFORE, AFTER)) if ref is not None)


def is_void(turn: Turn, status: RolloutStatus) -> bool:
    """Whether no analysis has a say: nothing is being updated, it was given up, or people chose to skip the gates."""
    is_settled = status.stable_rs in ("", turn.pod_hash)
    return is_settled or status.abort or status.promote_full or rollback.is_within_window(turn, status)


def vacated(turn: Turn, status: RolloutStatus) -> RolloutStatus:
    """The status without runs that have a say."""
    for slot in of(turn.strategy):
        ref = slot.get(status)
        is_left = slot.is_kept and ref is not None and ref.status in COMPLETED_PHASES
        status = status if is_left else slot.put(status, None)
    return status


def has_passed(slot: Slot, analysis: RolloutAnalysis | None, status: RolloutStatus) -> bool:
    """Whether a slot's analysis, where there is one, has a pass on record."""
    if analysis is None or not analysis.templates:
        return True
    ref = slot.get(status)
    return ref is not None and ref.status == Phase.SUCCESSFUL


def _put_step(status: RolloutStatus, ref: AnalysisRunRef | None) -> RolloutStatus:
    return dataclasses.replace(status, canary=dataclasses.replace(status.canary, current_step_analysis_run_status=ref))


def _put_background(status: RolloutStatus, ref: AnalysisRunRef | None) -> RolloutStatus:
    canary = dataclasses.replace(status.canary, current_background_analysis_run_status=ref)
    return dataclasses.replace(status, canary=canary)


def _put_before(status: RolloutStatus, ref: AnalysisRunRef | None) -> RolloutStatus:
    blue_green = dataclasses.replace(status.blue_green, pre_promotion_analysis_run_status=ref)
    return dataclasses.replace(status, blue_green=blue_green)


def _put_after(status: RolloutStatus, ref: AnalysisRunRef | None) -> RolloutStatus:
    blue_green = dataclasses.replace(status.blue_green, post_promotion_analysis_run_status=ref)
    return dataclasses.replace(status, blue_green=blue_green)


STEP = Slot(
    kind="Step",
    words="Step-based analysis phase",
    get=lambda status: status.canary.current_step_analysis_run_status,
    put=_put_step,
)
BACKGROUND = Slot(
    kind="Background",
    words="Background analysis phase",
    get=lambda status: status.canary.current_background_analysis_run_status,
    put=_put_background,
)
BEFORE = Slot(
    kind="PrePromotion",
    words="Blue/green pre-promotion analysis phase",
    get=lambda status: status.blue_green.pre_promotion_analysis_run_status,
    put=_put_before,
    is_kept=True,
)
AFTER = Slot(
    kind="PostPromotion",
    words="Blue/green post-promotion analysis phase",
    get=lambda status: status.blue_green.post_promotion_analysis_run_status,
    put=_put_after,
    is_kept=True,
)
