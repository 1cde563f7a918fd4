"""The one function that decides: `decide(seen, now=...) -> Plan`.

It looks at nothing but its arguments and chooses who plans: the strategy of a valid spec, or invalid.py when the spec
cannot be acted on. What either does is in its own module.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from rollouts.api.rollout import BlueGreenStrategy, CanaryStrategy, Rollout
from rollouts.api.status import RolloutStatus
from rollouts.core import canary, invalid, references, restart, served
from rollouts.core.observed import Seen
from rollouts.core.plan import Plan


def decide(seen: Seen, *, now: datetime) -> Plan[RolloutStatus]:
    """What to do about one Rollout now, and what its status says."""
    rollout = seen.rollout
    if rollout.meta.deletion_timestamp is not None:
        return Plan(actions=(), status=rollout.status, requeue_at=None, notes=())
    problems = seen.problems or served.unserved(rollout.spec)
    if problems:
        return invalid.plan(seen, problems, now=now)
    match rollout.spec.strategy:
        case CanaryStrategy() as strategy:
            missing = references.problems(seen, strategy)
            if missing:
                return invalid.plan(seen, missing, now=now)
            return canary.plan(invalid.valid_again(seen), canary=strategy, now=now)
        case BlueGreenStrategy() | None:
            raise AssertionError("validation lets neither pass")
        case _:
            assert_never(rollout.spec.strategy)


def wants_pods(rollout: Rollout) -> bool:
    """Whether the next decision needs the Rollout's pods listed."""
    return restart.is_asked(rollout)
