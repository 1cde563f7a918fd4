"""The canary as a list of phases.

The order is the argument. People are heard first. Then the turn makes sure whose ReplicaSets are whose and that a new
template starts from the first step. Verdicts come before sizes, so that a failed analysis takes pods away in the turn
that sees it. Sizes come before steps, and writing a size ends the turn: a step is left only when nothing had to be
moved for it, and the next step acts only once the status that names it is stored. The closing phases describe the
outcome.
"""

from __future__ import annotations

from datetime import datetime

from rollouts.api.rollout import CanaryStrategy
from rollouts.api.status import RolloutStatus
from rollouts.core import (
    experiment_step,
    gates,
    metadata,
    pause,
    phases,
    plugin_step,
    promote,
    scale,
    services,
    steps,
    traffic,
)
from rollouts.core.observed import Seen
from rollouts.core.plan import Plan, fold
from rollouts.core.turn import turn


def plan(seen: Seen, *, canary: CanaryStrategy, now: datetime) -> Plan[RolloutStatus]:
    """Decide one turn of a valid canary."""
    return fold(turn(seen, strategy=canary, now=now), seen.rollout.status, PHASES, closing=phases.CLOSING)


PHASES = (
    *phases.BEGINNING,
    gates.judge,
    experiment_step.judge,
    plugin_step.judge,
    services.point,
    traffic.route,
    metadata.prepare,
    scale.scale,
    steps.advance,
    promote.promote,
    pause.consume,
    *phases.TIDYING,
)
