"""What comes after what an update waits for now: the next step of a canary, or the stages left of blue-green.

And what goes by itself: versions whose time is over, and the pods of a workload whose place the Rollout takes. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import assert_never

from rollouts.api.rollout import BlueGreenStrategy, Rollout, SetWeight
from rollouts.api.status import RolloutStatus
from rollouts.core import cutover, naming, slots
from rollouts.core.cutover import Stage
from rollouts.core.observed import Seen
from rollouts.core.sizing import DEFAULT_DELAY_SECONDS, deadline_of
from rollouts.core.steps import describe
from rollouts.core.turn import Turn, revision_of, turn
from rollouts.ctl import summary
from rollouts.ctl.amounts import exact
from rollouts.lib import timestamps


def following(seen: Seen, *, now: datetime) -> str:
    """A clause; empty when there is nothing to say, as of a status that speaks of an earlier spec."""
    rollout = seen.rollout
    if not summary.is_observed(rollout) or seen.problems or summary.is_promoted(rollout):
        return ""
    strategy = rollout.spec.strategy
    if isinstance(strategy, BlueGreenStrategy):
        return _stages(turn(seen, strategy=strategy, now=now), rollout.status)
    return _step(rollout)


def leaving(seen: Seen) -> Iterator[str]:
    """Versions that stay up for a while yet, and the workload's own pods."""
    for rs in seen.replica_sets:
        deadline = deadline_of(rs)
        if rs.is_owned and rs.wanted and deadline is not None:
            yield f"revision {revision_of(rs)} keeps its pods until {timestamps.render(deadline)}"
    reference, workload = seen.rollout.spec.workload_ref, seen.workload
    if reference is not None and workload is not None and workload.wanted:
        is_over = any(naming.WORKLOAD_RETIRED in rs.annotations for rs in seen.replica_sets)
        yield f"{workload.kind} {workload.name} {KEPT if is_over else RETIRED.get(reference.scale_down, KEPT)}"


KEPT = "keeps its pods until somebody scales it down"
RETIRED = {
    "onsuccess": "loses its pods when the Rollout is Healthy (scaleDown: onsuccess)",
    "progressively": "loses its pods as those of the Rollout become available (scaleDown: progressively)",
}
"""What becomes of a workload's pods, by workloadRef.scaleDown."""


def _step(rollout: Rollout) -> str:
    index, steps = rollout.status.current_step_index, summary.steps_of(rollout)
    if index is None or index >= len(steps):
        return ""
    if index + 1 == len(steps):
        return "the promotion follows, once all its pods are available"
    step = steps[index + 1]
    shown = (
        f"{describe(step)} %" if isinstance(step, SetWeight) and summary.weight_max(rollout) == 100 else describe(step)
    )
    return f"step {index + 2} of {len(steps)} ({shown}) follows"


def _stages(turn: Turn, status: RolloutStatus) -> str:
    """All that is left, in its order."""
    if not status.stable_rs:
        return ""
    order = tuple(Stage)
    now = cutover.stage(turn, status)
    left = [stage for stage in order[order.index(now) + 1 :] if _is_due(turn, status, stage)]
    delay = turn.blue_green.scale_down_delay_seconds
    kept = exact(DEFAULT_DELAY_SECONDS if delay is None else delay)
    end = f"the promotion{'' if left else ' follows'}, after which the version before stays up for {kept}"
    if not left:
        return end
    first, *others = (*left, end)
    return ", then ".join((f"{first} follows", *others))


def _is_due(turn: Turn, status: RolloutStatus, stage: Stage) -> bool:
    """Whether a stage is still to come."""
    strategy = turn.blue_green
    if slots.is_void(turn, status):
        return stage is Stage.SWITCHING
    match stage:
        case Stage.PROVING:
            return not slots.has_passed(slots.BEFORE, strategy.pre_promotion_analysis, status)
        case Stage.HOLDING:
            return not cutover.is_open(turn, status)
        case Stage.SWITCHING:
            return True
        case Stage.VERIFYING:
            return not slots.has_passed(slots.AFTER, strategy.post_promotion_analysis, status)
        case Stage.PREPARING | Stage.DONE:
            return False
        case _:
            assert_never(stage)
