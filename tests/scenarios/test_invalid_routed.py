"""What still happens to a routed update whose spec cannot be acted on any more, as claims: one short play each."""

from __future__ import annotations

import pytest

from rollouts.core import naming
from tests.builders import Json, canary, pause
from tests.scenarios.test_invalid import STEPS, broken_by
from tests.world import World

ROUTED: Json = {
    "canaryService": "web-canary",
    "stableService": "web-stable",
    "trafficRouting": {"nginx": {"stableIngress": "web"}},
}
BROKEN: dict[str, Json] = {
    "deadline": {"progressDeadlineSeconds": 5, "minReadySeconds": 10},
    "template": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": "v3"}]}}},
    "weight": {"strategy": canary(500, pause(), **ROUTED)},
    "no surge": {"strategy": canary(*STEPS, maxSurge=0, maxUnavailable=0, **ROUTED)},
}
UNCERTAIN: dict[str, Json] = {
    "no routers any more": {"strategy": {"canary": {"trafficRouting": None}}},
    "another strategy": {"strategy": {"canary": None, "blueGreen": {"activeService": "web-stable"}}},
    "roles of Services that the router does not know": {
        "strategy": canary(*STEPS, **ROUTED, pingPong={"pingService": "web-ping", "pongService": "web-pong"})
    },
}
by_case = pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())


@by_case
def test_a_broken_spec_moves_no_traffic(broken: Json) -> None:
    """The weight stays what it is, and so does every pod."""
    world = broken_by(broken, **ROUTED)
    assert (weight(world), world.sizes()) == (20, {"v1": 10, "v2": 2})


@by_case
def test_a_broken_spec_is_no_bar_to_an_abort(broken: Json) -> None:
    """Law 19: all traffic goes back, then the Service, and the canary's pods after their delay."""
    world = broken_by(broken, **ROUTED)
    world.annotate("abort", "abort 5xx on /pay")
    world.run(10)
    assert (weight(world), world.sizes()) == (0, {"v1": 10, "v2": 2})
    assert led_to(world, "web-canary") == led_to(world, "web-stable")
    world.run(60)
    assert world.sizes() == {"v1": 10, "v2": 0}
    assert "stable serves everything" in words(world)


def test_a_canary_service_that_is_gone_is_no_bar_to_an_abort() -> None:
    """The share that leads nowhere goes back to stable: nothing else helps those users."""
    world = broken_by(BROKEN["deadline"], **ROUTED)
    del world.services["web-canary"]
    world.annotate("abort", "abort")
    world.run(10)
    assert weight(world) == 0


@pytest.mark.parametrize("broken", UNCERTAIN.values(), ids=UNCERTAIN.keys())
def test_where_nobody_can_read_the_weight_nothing_moves(broken: Json) -> None:
    """Law 2: pods of a version that an unread router may still lead to are not taken away."""
    world = broken_by(broken, **ROUTED)
    world.annotate("abort", "abort")
    world.run(60)
    assert (weight(world), world.sizes()) == (20, {"v1": 10, "v2": 2})
    assert world.status["verbs"][0]["outcome"] == "Refused"


def test_routers_may_be_left_once_they_send_nothing_to_the_canary() -> None:
    """What is taken away is put back, aborted, and taken away again: no user is left with pods that go."""
    world = broken_by(UNCERTAIN["no routers any more"], **ROUTED)
    assert world.status["message"].endswith(
        "spec.strategy.canary.trafficRouting: Required value: routers were last seen to send 20 of the traffic to the "
        "canary: put it back and abort or promote first, or clear status.canary.weights if the routers are gone"
    )
    world.edit({"spec": {"strategy": canary(*STEPS, **ROUTED)}})
    world.annotate("abort", "abort")
    world.run(60)
    world.edit({"spec": {"strategy": {"canary": {"trafficRouting": None}}}})
    world.run(60)
    assert "weights" not in world.status.get("canary", {})
    assert (weight(world), world.sizes()) == (0, {"v1": 10, "v2": 0})


def weight(world: World) -> int:
    """What the played router was given for the canary."""
    (route,) = world.routes.values()
    return int(route["spec"]["split"]["web-canary"]["weight"])


def led_to(world: World, service: str) -> str:
    """The version a Service leads to."""
    return str(world.services[service]["spec"]["selector"][naming.POD_HASH_LABEL])


def words(world: World) -> str:
    """What people read of why it stands."""
    return str(next(each for each in world.status["conditions"] if each["type"] == "Stalled")["message"])
