"""What the author of a manifest should know before it is applied: where it does not do what it seems to say. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rollouts.api.rollout import (
    DEFAULT_MAX_SURGE,
    DEFAULT_MAX_UNAVAILABLE,
    DEFAULT_PROGRESS_DEADLINE_SECONDS,
    BlueGreenStrategy,
    CanaryStrategy,
    ExperimentStep,
    Pause,
    PluginStep,
    Rollout,
    SetWeight,
)
from rollouts.core import replicas
from rollouts.core.steps import describe
from rollouts.ctl import summary
from rollouts.ctl.amounts import exact
from rollouts.ctl.forecast import Forecast

SHARE_OFF_MIN = 1.0  # percent; less than that is rounding


def cautions(rollout: Rollout, result: Forecast, *, available_after: int) -> Iterator[str]:
    """Sentences, in the order of the spec. `available_after` is in seconds."""
    strategy = rollout.spec.strategy
    if isinstance(strategy, CanaryStrategy):
        yield from _unreached(rollout, strategy)
        yield from _unborne(rollout, result)
        yield from _pauses(strategy)
        yield from _taken(strategy)
    elif isinstance(strategy, BlueGreenStrategy) and strategy.auto_promotion_enabled is False:
        yield "autoPromotionEnabled is false: it waits until a person promotes or resumes it"
    yield from _room(rollout, result)
    yield from _deadline(rollout, available_after)
    if rollout.spec.paused:
        yield "spec.paused is true: it holds where it is until a person resumes it"
    if result.background:
        yield f"the background analysis alone delays the promotion by {exact(result.background)}"


def _unreached(rollout: Rollout, strategy: CanaryStrategy) -> Iterator[str]:
    """Weights that so few pods cannot make; with a router the weight does not depend on pods."""
    if strategy.traffic_routing is not None:
        return
    bounds = replicas.bounds(
        desired=summary.desired(rollout),
        max_surge=strategy.max_surge or DEFAULT_MAX_SURGE,
        max_unavailable=strategy.max_unavailable or DEFAULT_MAX_UNAVAILABLE,
    )
    for number, step in enumerate(strategy.steps, start=1):
        if not isinstance(step, SetWeight):
            continue
        counts = replicas.split(bounds, weight=step.weight, weight_max=100)
        total = counts.canary + counts.stable
        share = 100.0 * counts.canary / total if total else float(step.weight)
        if abs(share - step.weight) >= SHARE_OFF_MIN:
            pods = f"{counts.canary} of {total} pods, {share:.0f} %"
            yield f"step {number} (setWeight: {step.weight}): the nearest share with so few pods is {pods}"


def _unborne(rollout: Rollout, result: Forecast) -> Iterator[str]:
    """Weights that a router gives to fewer canary pods than they are meant for."""
    desired, most = summary.desired(rollout), summary.weight_max(rollout)
    for row in result.rows:
        needed = -(-(row.weight or 0) * desired // most)
        if row.number and row.new < needed:
            pods = f"{row.new} {'pod takes' if row.new == 1 else 'pods take'} the traffic of {needed}"
            yield f"step {row.number} ({row.what}): at weight {row.weight} of {most}, {pods}"


def _pauses(strategy: CanaryStrategy) -> Iterator[str]:
    for number, step in enumerate(strategy.steps, start=1):
        if isinstance(step, Pause) and step.duration is None:
            yield f"step {number} (pause) has no duration: it waits until a person promotes or resumes it"


def _taken(strategy: CanaryStrategy) -> Iterator[str]:
    """Steps whose outcome nobody can foretell."""
    for number, step in enumerate(strategy.steps, start=1):
        if isinstance(step, PluginStep):
            yield f"step {number} ({describe(step)}) is taken to be done at once"
        elif isinstance(step, ExperimentStep) and step.analyses:
            yield f"step {number} ({describe(step)}): its analyses are taken to pass"


def _room(rollout: Rollout, result: Forecast) -> Iterator[str]:
    """Pods beyond the desired ones, where both versions run side by side."""
    strategy, desired = rollout.spec.strategy, summary.desired(rollout)
    is_side_by_side = isinstance(strategy, BlueGreenStrategy) or (
        isinstance(strategy, CanaryStrategy) and strategy.traffic_routing is not None
    )
    if is_side_by_side and result.pods_max > desired:
        more = result.pods_max - desired
        yield f"both versions run side by side: there must be room for {result.pods_max} pods, {more} more than now"


def _deadline(rollout: Rollout, available_after: int) -> Iterator[str]:
    seconds = rollout.spec.progress_deadline_seconds
    seconds = DEFAULT_PROGRESS_DEADLINE_SECONDS if seconds is None else seconds
    if seconds <= available_after:
        effect = "abort the update" if rollout.spec.progress_deadline_abort else "count as Degraded"
        yield (
            f"progressDeadlineSeconds ({seconds}) is no longer than a pod takes to be available ({available_after}s): "
            f"whatever adds pods would {effect}"
        )
