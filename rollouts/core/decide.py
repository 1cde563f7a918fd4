"""The one function that decides: `decide(seen, now=...) -> Plan`.

It looks at nothing but its arguments and chooses who plans: the strategy of a valid spec, or invalid.py when the spec
cannot be acted on. What either does is in its own module.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import assert_never

from rollouts.api.rollout import BlueGreenStrategy, CanaryStrategy, Rollout, Strategy
from rollouts.api.status import RolloutStatus
from rollouts.core import bluegreen, canary, invalid, metadata, references, restart, served
from rollouts.core.actions import PatchRollout
from rollouts.core.naming import WORKLOAD_GENERATION
from rollouts.core.observed import ReplicaSet, Seen
from rollouts.core.plan import Plan


def decide(seen: Seen, *, now: datetime) -> Plan[RolloutStatus]:
    """What to do about one Rollout now, and what its status says."""
    rollout = seen.rollout
    if rollout.meta.deletion_timestamp is not None:
        return Plan(actions=(), status=rollout.status, requeue_at=None, notes=())
    plan = _decided(seen, now=now)
    return dataclasses.replace(plan, actions=(*_noted(seen), *plan.actions))


def _noted(seen: Seen) -> Iterator[PatchRollout]:
    """The generation of the workload whose pod template is used: clients compare it with what the status answers."""
    meta, workload = seen.rollout.meta, seen.workload
    if workload is None or meta.annotations.get(WORKLOAD_GENERATION) == str(workload.generation):
        return
    patch = {"metadata": {"annotations": {WORKLOAD_GENERATION: str(workload.generation)}}}
    yield PatchRollout(patch=patch, seen_version=meta.resource_version)


def _decided(seen: Seen, *, now: datetime) -> Plan[RolloutStatus]:
    """Who plans: the strategy of a valid spec, or nobody."""
    rollout = seen.rollout
    refused = served.unserved(rollout.spec, routers_unserved=seen.routers_unserved, step_plugins=seen.step_plugins)
    problems = seen.problems or refused or seen.route_problems
    if problems:
        return invalid.plan(seen, problems, now=now)
    match rollout.spec.strategy:
        case None:
            raise AssertionError("validation lets it not pass")
        case strategy:
            missing = references.problems(seen, strategy)
            return invalid.plan(seen, missing, now=now) if missing else _valid(seen, strategy, now=now)


def _valid(seen: Seen, strategy: Strategy, *, now: datetime) -> Plan[RolloutStatus]:
    seen = invalid.valid_again(seen)
    match strategy:
        case CanaryStrategy():
            return canary.plan(seen, canary=strategy, now=now)
        case BlueGreenStrategy():
            return bluegreen.plan(seen, blue_green=strategy, now=now)
        case _:
            assert_never(strategy)


def wants_pods(rollout: Rollout, replica_sets: Iterable[ReplicaSet]) -> bool:
    """Whether the next decision needs the Rollout's pods listed; `replica_sets` are those it owns."""
    return restart.is_asked(rollout) or metadata.awaits_pods(replica_sets)
