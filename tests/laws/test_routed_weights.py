"""The next weight of a canary with routers against a dumb twin that tries every weight there is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.core import traffic
from rollouts.core.turn import Turn
from rollouts.ports import TrafficSeen
from tests.builders import canary, pause
from tests.core.turns import V1, V2, a_replica_set, a_turn

PODS = st.tuples(st.integers(0, 12), st.integers(0, 12))
"""Asked for, and available: the latter may lag behind either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A routed update at its first step, both Services leading where they should."""

    desired: int
    unavailable: int
    most: int
    step: int
    now: int
    canary: tuple[int, int]
    stable: tuple[int, int]
    is_aborted: bool

    def turn(self) -> Turn:
        """As a decision sees it."""
        routing = {"trafficRouting": {"nginx": {"stableIngress": "web"}, "maxTrafficWeight": self.most}}
        services = {"canaryService": "web-canary", "stableService": "web-stable"}
        strategy = canary(self.step, pause(), **services, **routing, maxUnavailable=self.unavailable)
        made = a_turn(
            a_replica_set("v1", *self.stable, age=60),
            a_replica_set("v2", *self.canary),
            strategy=strategy,
            services={"web-canary": V2, "web-stable": V1},
            replicas=self.desired,
            status={"abort": self.is_aborted},
        )
        seen = {"nginx": TrafficSeen(canary=self.now, stable=self.most - self.now)}
        return dataclasses.replace(made, seen=dataclasses.replace(made.seen, routes=seen))


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    """Any of them."""
    most = draw(st.sampled_from([100, 10, 3]))
    weights = st.integers(0, most)
    return Moment(
        desired=draw(st.integers(0, 12)),
        unavailable=draw(st.integers(0, 4)),
        most=most,
        step=draw(weights),
        now=draw(weights),
        canary=draw(PODS),
        stable=draw(PODS),
        is_aborted=draw(st.booleans()),
    )


@settings(max_examples=400)
@given(moments())
def test_the_next_weight_is_the_one_a_search_finds(moment: Moment) -> None:
    """Up in one stretch when the step's pods are there; down to the first weight whose rest stable carries."""
    turn = moment.turn()
    seen = traffic.split(turn, turn.rollout.status)
    assert isinstance(seen, traffic.Split)
    assert traffic.next_weight(turn, turn.rollout.status, seen) == twin(moment)


def twin(moment: Moment) -> int:
    """Each rule a line."""
    canary_pods, stable_pods = min(moment.canary), min(moment.stable)
    is_empty = moment.canary[1] == 0 and moment.desired > 0
    wanted = 0 if moment.is_aborted or is_empty else moment.step
    if wanted > moment.now:
        needed = -(-moment.desired * moment.step // moment.most)
        is_ready = moment.canary == (needed, needed) if needed else moment.canary[0] <= 1  # one may still be leaving
        return wanted if is_ready else moment.now
    if wanted == moment.now or canary_pods == 0:
        return wanted
    for weight in range(wanted, moment.now):
        if _carries(moment, stable_pods, moment.most - weight):
            return weight
    return moment.now


def _carries(moment: Moment, pods: int, share: int) -> bool:
    """Every pod meets at most what it would if all traffic met as few pods as may be."""
    fewest = max(1, moment.desired - min(moment.unavailable, moment.desired))
    return moment.desired == 0 or (pods > 0 and share * fewest <= pods * moment.most)
