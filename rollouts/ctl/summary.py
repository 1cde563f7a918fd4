"""A Rollout in the few words that every client shows: status, step, weights, counts.

The order of tests and the sources are those of the public kubectl plugin, so that both always say the same. Everything
is read from the object (and, for the weight in force, from its ReplicaSets); nothing is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollouts.api.rollout import DEFAULT_REPLICAS, BlueGreenStrategy, CanaryStrategy, Rollout, Step
from rollouts.core import weights

UNOBSERVED = "waiting for rollout spec update to be observed"
UNOBSERVED_WORKLOAD = "waiting for rollout spec update to be observed for the reference workload"
WORKLOAD_GENERATION = "rollout.argoproj.io/workload-generation"


@dataclass(frozen=True, slots=True)
class Said:
    """The status in a word, and a message, which may be empty."""

    phase: str
    message: str

    def __str__(self) -> str:
        return f"{self.phase} - {self.message}" if self.message else self.phase


def said(rollout: Rollout) -> Said:
    """The status that clients show: the stored one, unless it speaks of an earlier spec or a resume is under way."""
    status = rollout.status
    if not is_observed(rollout):
        return Said("Progressing", UNOBSERVED)
    if status.controller_pause and not status.pause_conditions:
        return Said("Progressing", "waiting for rollout to unpause")
    generation = rollout.meta.annotations.get(WORKLOAD_GENERATION, "")
    if rollout.spec.workload_ref is not None and generation != status.workload_observed_generation:
        return Said("Progressing", UNOBSERVED_WORKLOAD)
    return Said(status.phase, status.message) if status.phase else Said("Progressing", UNOBSERVED)


def is_observed(rollout: Rollout) -> bool:
    """Whether the status answers the present spec. What is no number, or lies ahead, counts as an answer."""
    text, generation = rollout.status.observed_generation, rollout.meta.generation or 0
    if not text:
        return False
    return not (text.isascii() and text.isdigit() and int(text) < generation)


def is_promoted(rollout: Rollout) -> bool:
    """Whether the version the status speaks of is the stable one."""
    return rollout.status.stable_rs != "" and rollout.status.stable_rs == rollout.status.current_pod_hash


def steps_of(rollout: Rollout) -> tuple[Step, ...]:
    """The steps of a canary; none for anything else."""
    strategy = rollout.spec.strategy
    return strategy.steps if isinstance(strategy, CanaryStrategy) else ()


def is_blue_green(rollout: Rollout) -> bool:
    """Whether it changes over at once."""
    return isinstance(rollout.spec.strategy, BlueGreenStrategy)


def strategy_of(rollout: Rollout) -> str:
    """The strategy's name."""
    return "BlueGreen" if is_blue_green(rollout) else "Canary"


def step_of(rollout: Rollout) -> str:
    """`2/5`; empty without steps."""
    index, steps = rollout.status.current_step_index, steps_of(rollout)
    return f"{index}/{len(steps)}" if index is not None and steps else ""


def weight_max(rollout: Rollout) -> int:
    """The weight that means all traffic."""
    strategy = rollout.spec.strategy
    routing = strategy.traffic_routing if isinstance(strategy, CanaryStrategy) else None
    return (routing.max_traffic_weight if routing else None) or 100


def set_weight(rollout: Rollout) -> int:
    """The weight that is asked for now."""
    if rollout.status.abort:
        return 0
    return weights.at_step(steps_of(rollout), rollout.status.current_step_index, weight_max=weight_max(rollout))


def actual_weight(rollout: Rollout, *, canary_available: int) -> int:
    """The weight in force: as the router reported it, or the canary's share of all available pods."""
    status, steps, most = rollout.status, steps_of(rollout), weight_max(rollout)
    if not steps or status.current_step_index is None or status.current_step_index >= len(steps):
        return most
    if status.available_replicas == 0:
        return 0
    strategy = rollout.spec.strategy
    if not isinstance(strategy, CanaryStrategy) or strategy.traffic_routing is None:
        return canary_available * most // status.available_replicas
    return status.canary.weights.canary.weight if status.canary.weights else set_weight(rollout)


def desired(rollout: Rollout) -> int:
    """Pods the user wants."""
    return DEFAULT_REPLICAS if rollout.spec.replicas is None else rollout.spec.replicas
