"""What of the API this version of the controller carries out, and what it refuses before any pod is made.

A strategy that is carried out by half is worse than one that is refused: each member that would be ignored is a finding
with its path. Whether a spec makes sense is a question for api/validate.py.
"""

from __future__ import annotations

from functools import reduce
from operator import truediv
from typing import assert_never

from rollouts.api.findings import Finding, Place, at
from rollouts.api.rollout import (
    AnalysisStep,
    BlueGreenStrategy,
    CanaryStrategy,
    Pause,
    RolloutSpec,
    SetCanaryScale,
    SetHeaderRoute,
    SetMirrorRoute,
    SetWeight,
)
from rollouts.api.traffic import used_sections
from rollouts.core import steps

SPEC = at("spec")


def unserved(spec: RolloutSpec, *, routers_unserved: frozenset[str] = frozenset()) -> tuple[Finding, ...]:
    """What a spec asks for that is not carried out, in the order of the spec.

    `routers_unserved` are the routers it names that this controller has no code for.
    """
    reference = spec.workload_ref
    if reference is not None and not spec.template:
        return (_not_served(SPEC / "workloadRef", "its pod template was not read"),)
    match spec.strategy:
        case BlueGreenStrategy():
            return ()
        case CanaryStrategy() as strategy:
            place = SPEC / "strategy" / "canary"
            return _unserved_of(strategy, place) + _unserved_routers(
                strategy, routers_unserved, place / "trafficRouting"
            )
        case None:
            return ()
        case _:
            assert_never(spec.strategy)


def _unserved_of(strategy: CanaryStrategy, place: Place) -> tuple[Finding, ...]:
    return tuple(
        _not_served((place / "steps")[index], steps.describe(step))
        for index, step in enumerate(strategy.steps)
        if not isinstance(step, SetWeight | Pause | AnalysisStep | SetCanaryScale | SetHeaderRoute | SetMirrorRoute)
    )


def _unserved_routers(strategy: CanaryStrategy, unserved: frozenset[str], place: Place) -> tuple[Finding, ...]:
    sections = (section for section in used_sections(strategy.traffic_routing) if section.router in unserved)
    return tuple(_not_served(reduce(truediv, section.members, place)) for section in sections)


def _not_served(place: Place, what: str = "") -> Finding:
    return place.forbidden(f"not carried out by this version of the controller{f' ({what})' if what else ''}")
