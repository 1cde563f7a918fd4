"""A Rollout whose spec cannot be acted on: it says why, and holds what there is.

The version acted on last stays where it is, whatever the template says by now, and nothing new begins. An update under
way can still be given up, by people and by a verdict that fails, because a bad version does not wait for a correction;
and `spec.replicas` is followed wherever it is certain who serves: where pods alone decide it, the one active Service of
blue-green, or routers that can all be read. Where it is not certain nothing moves, and verbs are answered with the
reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from rollouts.api import conditions as c
from rollouts.api import validate
from rollouts.api.findings import Finding
from rollouts.api.rollout import BlueGreenStrategy, CanaryStrategy
from rollouts.api.status import RolloutPhase, RolloutStatus
from rollouts.core import (
    abort,
    conditions,
    experiment_step,
    gates,
    plugin_step,
    progress,
    promote,
    scale,
    services,
    steps,
    tally,
    traffic,
    verbs,
    waiting,
)
from rollouts.core import status as report
from rollouts.core.conditions import RECONCILING, STALLED
from rollouts.core.observed import Seen
from rollouts.core.plan import WARNING, Change, Note, Plan, fold
from rollouts.core.turn import Turn, last_turn

ABORT_ONLY = frozenset({"abort"})
NONE: frozenset[str] = frozenset()
COUNTED_BY = ("spec.replicas", "spec.selector", "spec.strategy.blueGreen.activeService")
ROUTED_BY = ("spec.strategy.canary.trafficRouting", "spec.strategy.canary.pingPong")


def plan(seen: Seen, problems: Sequence[Finding], *, now: datetime) -> Plan[RolloutStatus]:
    """Decide one turn under these findings, the one to show first in front."""
    rollout = seen.rollout
    turn = last_turn(seen, strategy=rollout.spec.strategy or CanaryStrategy(), now=now)
    why = f"the spec is invalid: {problems[0].text}"
    if _is_certain(turn, problems):
        hold = (
            verbs.heeding(ABORT_ONLY, why),
            _settle,
            gates.watch,
            experiment_step.watch,
            plugin_step.watch,
            _lead_back,
            _follow,
        )
        held = fold(turn, rollout.status, hold, closing=(tally.count, report.availability))
        return _said(turn, held, problems[0], outlook=_outlook(turn, held.status))
    refused = fold(turn, rollout.status, (verbs.heeding(NONE, why),))
    return _said(turn, refused, problems[0], outlook="nothing is carried out until that is corrected")


def valid_again(seen: Seen) -> Seen:
    """A spec that validates takes its InvalidSpec condition away; what was observed under it was not acted on."""
    status = seen.rollout.status
    if conditions.get(status.conditions, c.INVALID_SPEC) is None:
        return seen
    told = conditions.without(status.conditions, c.INVALID_SPEC)
    cleared = dataclasses.replace(status, conditions=told, observed_generation="")
    return dataclasses.replace(seen, rollout=dataclasses.replace(seen.rollout, status=cleared))


def _settle(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """What is void is cleaned up, and an abort carried out; a wish to promote or to retry waits for the correction."""
    if status.stable_rs == turn.pod_hash:
        return promote.settle(turn, status)
    return abort.settle(turn, status) if status.abort else Change(status=status)


def _lead_back(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """The Services and the weight of what was given up turn to stable."""
    if not status.abort:
        return Change(status=status)
    pointed = services.point(turn, status)
    if not isinstance(turn.strategy, CanaryStrategy):
        return pointed
    routed = traffic.route(turn, pointed.status)
    return dataclasses.replace(
        routed, actions=(*pointed.actions, *routed.actions), notes=(*pointed.notes, *routed.notes)
    )


def _follow(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Keep sizes right wherever the weight is known: not under steps, a promotion or a retry that have not begun."""
    is_settled = status.abort or status.stable_rs == turn.pod_hash
    is_way_left = isinstance(turn.strategy, BlueGreenStrategy) or steps.current(turn, status) is not None
    is_promoted = status.promote_full and is_way_left
    is_retried = conditions.has(status.conditions, c.PROGRESSING, reason=c.ROLLOUT_ABORTED)
    is_ahead = turn.is_beginning(status) or is_promoted or is_retried
    return scale.scale(turn, status) if is_settled or not is_ahead else Change(status=status)


def _is_certain(turn: Turn, problems: Sequence[Finding]) -> bool:
    """Whether something was acted on before, it is known who serves, and how many is readable."""
    is_counted = not any(problem.path.startswith(COUNTED_BY) for problem in problems)
    return is_counted and turn.rollout.status.current_pod_hash != "" and _is_told(turn, problems)


def _is_told(turn: Turn, problems: Sequence[Finding]) -> bool:
    """Whether the strategy is of the kind acted on before, and what it leads traffic by can be read."""
    status = turn.rollout.status
    match turn.rollout.spec.strategy:
        case CanaryStrategy(traffic_routing=None):
            return status.canary.weights is None
        case CanaryStrategy():
            is_readable = not any(problem.path.startswith(ROUTED_BY) for problem in problems)
            return is_readable and isinstance(traffic.split(turn, status), traffic.Split)
        case BlueGreenStrategy():
            return status.current_step_hash == ""
        case None:
            return False
        case _:
            assert_never(turn.rollout.spec.strategy)


def _outlook(turn: Turn, status: RolloutStatus) -> str:
    """What people can expect meanwhile."""
    if status.abort:
        return waiting.explain(turn, status)
    is_under_way = status.stable_rs not in ("", turn.pod_hash)
    return "nothing new begins until that is corrected" + (", abort goes back to stable" if is_under_way else "")


def _said(turn: Turn, plan: Plan[RolloutStatus], finding: Finding, *, outlook: str) -> Plan[RolloutStatus]:
    """The plan with what is wrong in its status. A message that changed is a new condition, so that clients notice."""
    message = validate.invalid_spec_message(turn.rollout.meta.name, finding)
    old = conditions.get(plan.status.conditions, c.INVALID_SPEC)
    is_news = old is None or old.message != message
    said = conditions.without(plan.status.conditions, c.INVALID_SPEC) if is_news else plan.status.conditions
    said = conditions.with_condition(
        said, type=c.INVALID_SPEC, status=c.TRUE, reason=c.INVALID_SPEC, message=message, now=turn.now
    )
    said = progress.suspended(said, now=turn.now)
    if conditions.get(said, c.HEALTHY) is not None:
        said = conditions.with_condition(
            said, type=c.HEALTHY, status=c.FALSE, reason=c.ROLLOUT_HEALTHY, message=report.NOT_HEALTHY, now=turn.now
        )
    for kind, holds in ((c.READY, c.FALSE), (RECONCILING, c.FALSE), (STALLED, c.TRUE)):
        said = conditions.with_words(
            said, type=kind, status=holds, reason=c.INVALID_SPEC, message=f"{message}; {outlook}", now=turn.now
        )
    status = dataclasses.replace(
        plan.status,
        conditions=said,
        observed_generation=str(turn.rollout.meta.generation or 0),
        workload_observed_generation=tally.workload_generation(turn),
        phase=RolloutPhase.DEGRADED,
        message=f"{c.INVALID_SPEC}: {message}",
    )
    note = Note(reason=c.INVALID_SPEC, message=message, type=WARNING, key=message, is_event=is_news)
    return dataclasses.replace(plan, status=status, notes=(*plan.notes, note) if is_news else plan.notes)
