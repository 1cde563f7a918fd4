"""What the core makes of a router whose weight is a range: the rest that may reach either version counts for both."""

from __future__ import annotations

import dataclasses
from typing import Any

from rollouts.core import naming, order, traffic
from rollouts.core.actions import SetTraffic
from rollouts.core.observed import Service
from rollouts.core.turn import Turn
from rollouts.ports import TrafficSeen
from tests.core.turns import V1, V2, a_replica_set, a_turn

STRATEGY: dict[str, Any] = {
    "canary": {
        "canaryService": "new",
        "stableService": "old",
        "trafficRouting": {"nginx": {"stableIngresses": ["public", "internal"]}},
        "steps": [{"setWeight": 30}, {"pause": {}}],
    }
}


def a_routed_turn(seen: TrafficSeen) -> Turn:
    """A turn of ten pods each, whose Services lead where they should and whose router says this."""
    turn = a_turn(a_replica_set("v1", 10), a_replica_set("v2", 10), strategy=STRATEGY)
    services = {"new": a_service("new", V2), "old": a_service("old", V1)}
    return dataclasses.replace(turn, seen=dataclasses.replace(turn.seen, services=services, routes={"nginx": seen}))


def a_service(name: str, pod_hash: str) -> Service:
    """A Service that leads to this version."""
    return Service(name=name, resource_version="1", selector={naming.POD_HASH_LABEL: pod_hash}, annotations={})


TORN = TrafficSeen(canary=10, stable=60, others={"": 30})
"""Two Ingresses: 10 for the canary on one of them, 40 on the other."""


def test_a_range_runs_from_the_least_weight_to_the_greatest() -> None:
    """Of 100, 10 reach the canary for certain and 60 stable."""
    turn = a_routed_turn(TORN)
    found = traffic.split(turn, turn.rollout.status)
    assert isinstance(found, traffic.Split)
    assert (found.low, found.high) == (10, 40)


def test_pods_stay_for_the_greatest_weight_of_either_version() -> None:
    """What may reach either keeps pods on both."""
    turn = a_routed_turn(TORN)
    reach = traffic.reach(turn, turn.rollout.status)
    assert (reach.weight(V2), reach.weight(V1)) == (40, 90)
    assert [order.least(turn, reach, rs) for rs in turn.owned] == [9, 4]


def test_a_range_is_neither_arrived_nor_the_end_of_a_step() -> None:
    """Some of the traffic may still be elsewhere; and the weights that were torn apart are written again."""
    turn = a_routed_turn(TORN)
    status = turn.rollout.status
    assert not traffic.is_arrived(turn, status)
    assert traffic.lacking(turn, status) == ("the weight to be 30 (10 to 40 now)",)
    (action,) = traffic.route(turn, status).actions
    assert isinstance(action, SetTraffic)
    assert action.intent.canary.weight + action.intent.stable.weight == 100
