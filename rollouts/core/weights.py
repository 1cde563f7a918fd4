"""Which share of traffic the canary is meant to have now.

Weights are whole numbers from 0 to `Turn.weight_max`. What share it really has is observed, never computed here.
"""

from __future__ import annotations

from collections.abc import Sequence

from rollouts.api.rollout import SetWeight, Step
from rollouts.api.status import RolloutStatus
from rollouts.core.turn import Turn


def target(turn: Turn, status: RolloutStatus) -> int:
    """The weight that this turn works towards."""
    if status.promote_full or status.stable_rs in ("", turn.pod_hash):
        return turn.weight_max
    if status.abort:
        return 0
    return at_step(turn.steps, status.current_step_index, weight_max=turn.weight_max)


def at_step(steps: Sequence[Step], index: int | None, *, weight_max: int) -> int:
    """The weight while step `index` runs: the last setWeight up to and including it; all of it after the last step."""
    if not steps or index is None or index >= len(steps):
        return weight_max
    set_so_far = (step.weight for step in reversed(steps[: index + 1]) if isinstance(step, SetWeight))
    return next(set_so_far, 0)
