"""The one function that decides: `decide(seen, now=...) -> Plan`.

It looks at nothing but its arguments and chooses who plans: the strategy of a valid spec, or nobody when the spec is
invalid. What a strategy does is in its own module.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import assert_never

from rollouts.api import conditions as c
from rollouts.api import validate
from rollouts.api.findings import Finding, Place, at
from rollouts.api.rollout import (
    AnalysisStep,
    BlueGreenStrategy,
    CanaryStrategy,
    Pause,
    Rollout,
    RolloutSpec,
    SetWeight,
)
from rollouts.api.status import RolloutPhase, RolloutStatus
from rollouts.core import canary, conditions, references, restart, steps
from rollouts.core.conditions import RECONCILING, STALLED
from rollouts.core.observed import Seen
from rollouts.core.plan import WARNING, Note, Plan

SPEC = at("spec")


def decide(seen: Seen, *, now: datetime) -> Plan[RolloutStatus]:
    """What to do about one Rollout now, and what its status says."""
    rollout = seen.rollout
    if rollout.meta.deletion_timestamp is not None:
        return Plan(actions=(), status=rollout.status, requeue_at=None, notes=())
    problems = seen.problems or _unserved(rollout.spec)
    if problems:
        return _invalid(Plan(actions=(), status=rollout.status, requeue_at=None, notes=()), seen, problems[0], now=now)
    valid = _valid_again(seen)
    match rollout.spec.strategy:
        case CanaryStrategy() as strategy:
            missing = references.problems(seen, strategy)
            if missing:
                return _invalid(canary.hold(seen, canary=strategy, now=now), seen, missing[0], now=now)
            return canary.plan(valid, canary=strategy, now=now)
        case BlueGreenStrategy() | None:
            raise AssertionError("validation lets neither pass")
        case _:
            assert_never(rollout.spec.strategy)


def wants_pods(rollout: Rollout) -> bool:
    """Whether the next decision needs the Rollout's pods listed."""
    return restart.is_asked(rollout)


def _valid_again(seen: Seen) -> Seen:
    """A spec that validates takes its InvalidSpec condition away; what was observed under it was not acted on."""
    status = seen.rollout.status
    if conditions.get(status.conditions, c.INVALID_SPEC) is None:
        return seen
    told = conditions.without(status.conditions, c.INVALID_SPEC)
    cleared = dataclasses.replace(status, conditions=told, observed_generation="")
    return dataclasses.replace(seen, rollout=dataclasses.replace(seen.rollout, status=cleared))


def _invalid(plan: Plan[RolloutStatus], seen: Seen, finding: Finding, *, now: datetime) -> Plan[RolloutStatus]:
    """Say what is wrong. A message that changed is a new condition, so that clients notice."""
    message = validate.invalid_spec_message(seen.rollout.meta.name, finding)
    old = conditions.get(plan.status.conditions, c.INVALID_SPEC)
    is_news = old is None or old.message != message
    said = conditions.without(plan.status.conditions, c.INVALID_SPEC) if is_news else plan.status.conditions
    said = conditions.with_condition(
        said, type=c.INVALID_SPEC, status=c.TRUE, reason=c.INVALID_SPEC, message=message, now=now
    )
    for kind, holds in ((c.READY, c.FALSE), (RECONCILING, c.FALSE), (STALLED, c.TRUE)):
        said = conditions.with_words(said, type=kind, status=holds, reason=c.INVALID_SPEC, message=message, now=now)
    status = dataclasses.replace(
        plan.status,
        conditions=said,
        observed_generation=str(seen.rollout.meta.generation or 0),
        phase=RolloutPhase.DEGRADED,
        message=f"{c.INVALID_SPEC}: {message}",
    )
    note = Note(reason=c.INVALID_SPEC, message=message, type=WARNING, key=message, is_event=is_news)
    return dataclasses.replace(plan, status=status, notes=(*plan.notes, note) if is_news else plan.notes)


def _unserved(spec: RolloutSpec) -> tuple[Finding, ...]:
    """What is valid but not carried out by this version: refused before any pod is made, never ignored in silence."""
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
