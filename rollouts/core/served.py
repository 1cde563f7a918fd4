"""What of the API this version of the controller carries out, and what it refuses before any pod is made.

A strategy that is carried out by half is worse than one that is refused: each member that would be ignored is a finding
with its path. Whether a spec makes sense is a question for api/validate.py.
"""

from __future__ import annotations

from typing import assert_never

from rollouts.api.findings import Finding, Place, at
from rollouts.api.rollout import (
    AnalysisStep,
    BlueGreenStrategy,
    CanaryStrategy,
    Pause,
    RolloutSpec,
    SetWeight,
)
from rollouts.core import steps

SPEC = at("spec")


def unserved(spec: RolloutSpec) -> tuple[Finding, ...]:
    """What a spec asks for that is not carried out, in the order of the spec."""
    if spec.workload_ref is not None:
        return (_not_served(SPEC / "workloadRef"),)
    match spec.strategy:
        case BlueGreenStrategy():
            return (_not_served(SPEC / "strategy" / "blueGreen"),)
        case CanaryStrategy() as strategy:
            return _unserved_of(strategy, SPEC / "strategy" / "canary")
        case None:
            return ()
        case _:
            assert_never(spec.strategy)


def _unserved_of(strategy: CanaryStrategy, place: Place) -> tuple[Finding, ...]:
    asked = {
        "trafficRouting": strategy.traffic_routing,
        "canaryService": strategy.canary_service,
        "stableService": strategy.stable_service,
        "pingPong": strategy.ping_pong,
        "canaryMetadata": strategy.canary_metadata,
        "stableMetadata": strategy.stable_metadata,
        "antiAffinity": strategy.anti_affinity,
    }
    members = tuple(_not_served(place / name) for name, value in asked.items() if value)
    return members + tuple(
        _not_served((place / "steps")[index], steps.describe(step))
        for index, step in enumerate(strategy.steps)
        if not isinstance(step, SetWeight | Pause | AnalysisStep)
    )


def _not_served(place: Place, what: str = "") -> Finding:
    return place.forbidden(f"not carried out by this version of the controller{f' ({what})' if what else ''}")
