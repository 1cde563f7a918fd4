"""The two rules of core/order.py, proven: traffic moves only onto pods that carry it, pods leave what is not reached.

`Carrying` judges every write before it is made, from the objects alone. Here it watches the stories in which both rules
are hardest to keep, cut off after each of their writes, or turned at each of their moments.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests import roads
from tests.builders import Json, a_rollout, canary, pause
from tests.laws.plays import Play, begin
from tests.laws.watch import HASH
from tests.world import World

PAIR: Json = {"canaryService": "web-canary", "stableService": "web-stable"}
ROADS: dict[str, Json] = {
    "services": {**PAIR, "trafficRouting": {"nginx": {"some": {}}}},
    "two routers": {**PAIR, "trafficRouting": {"nginx": {"some": {}}, "smi": {"some": {}}}},
    "ping-pong": {
        "pingPong": {"pingService": "web-ping", "pongService": "web-pong"},
        "trafficRouting": {"istio": {"some": {}}},
    },
    "pinned": {"trafficRouting": {"plugins": {"some": {}}}},
    "ingresses": {**PAIR, "trafficRouting": {"nginx": {"stableIngresses": ["web", "shop"]}}},
}
DYNAMIC: Json = {"dynamicStableScale": True}
STEPS = (25, 75, pause(5), 40, pause(5))
by_road = pytest.mark.parametrize("road", ROADS)


def a_play(road: str, *steps: Any, replicas: int = 4, **options: Any) -> Play:
    """A play of v1, all of it there, under every watcher of a canary."""
    rollout = a_rollout(canary(*steps, **ROADS[road], **options), replicas=replicas, progressDeadlineSeconds=60)
    play = begin(rollout, lambda metric, now: [1.0], is_real=road == "ingresses")
    play.wait(10)
    return play


def weight(world: World, version: str) -> Fraction:
    """The greatest share of traffic that reaches a version."""
    return max(roads.shares(world.services, route).get(version, Fraction(0)) for route in world.routes.values())


def ready(world: World, version: str) -> int:
    """Pods of a version that answer."""
    return sum(
        sum(1 for made in world.pods_of(name) if world.is_ready(raw, made))
        for name, raw in world.replica_sets.items()
        if raw["metadata"]["labels"][HASH] == version
    )


def _story(play: Play) -> None:
    """An update, a third version in the middle of it, and that one given up with part of the traffic on it."""
    play.world.set_image("v2")
    play.wait(7)
    play.world.set_image("v3")
    play.wait(7)
    play.world.patch_status({"abort": True})
    play.wait(30)


@pytest.mark.parametrize("road", ["pinned", "ingresses"])
def test_both_rules_hold_at_every_prefix_of_every_list_of_writes(road: str) -> None:
    """The controller dies after each write of the story, once; what it comes to is the same, and no rule is broken."""
    whole = a_play(road, 50, pause(), **DYNAMIC)
    begun = whole.world.writes
    _story(whole)
    assert whole.world.status["phase"] == "Degraded"
    for written in range(whole.world.writes - begun):
        play = a_play(road, 50, pause(), **DYNAMIC)
        play.troubles = [""] * written + ["done, then crash"]
        _story(play)
        assert play.world.sizes() == whole.world.sizes() == {"v1": 4, "v2": 0, "v3": 0}, f"after {written} writes"
        assert weight(play.world, play.world.status["stableRS"]) == 1, f"after {written} writes"


@by_road
@pytest.mark.parametrize("options", [{}, DYNAMIC], ids=["stable stays", "stable follows"])
def test_a_third_version_in_mid_canary_keeps_both_rules(road: str, options: Json) -> None:
    """Whenever the third one comes: the second keeps its pods until nothing reaches it, and the third begins anew."""
    for moment in range(1, 22, 5):
        play = a_play(road, *STEPS, **options)
        play.world.set_image("v2")
        play.wait(moment)
        play.world.set_image("v3")
        play.wait(200)
        assert play.world.status["phase"] == "Healthy", f"{moment} s after the second"
        assert {image for image, size in play.world.sizes().items() if size} == {"v3"}


@by_road
@pytest.mark.parametrize("stable", ["v1", "slow"])
def test_the_way_back_takes_no_more_to_stable_than_its_pods_carry(road: str, stable: str) -> None:
    """Aborted with few stable pods left: the weight only falls, and as fast as stable's pods come back."""
    play = a_play(road, 90, pause(), replicas=10, maxUnavailable=0, **DYNAMIC)
    world = play.world
    if stable == "slow":
        world.set_image("slow")
        play.wait(10)
        world.patch_status({"promoteFull": True})
        play.proof.waive()
        play.wait(200)
    old = world.status["stableRS"]
    world.set_image("v2")
    play.wait(20)
    new = world.status["currentPodHash"]
    assert weight(world, new) == Fraction(9, 10)
    world.patch_status({"abort": True})
    seen = [weight(world, new)]
    for _ in range(40):
        play.wait(3)
        seen.append(weight(world, new))
        assert seen[-1] <= seen[-2], "law 19: the weight rose on the way back"
        assert 10 * weight(world, old) <= ready(world, old), "more than stable carries"
        assert 10 * seen[-1] <= ready(world, new), "pods left before their traffic"
    assert seen[-1] == 0
    assert world.sizes()["v2"] == 0


@by_road
def test_an_abort_asks_for_no_weight_within_two_turns(road: str) -> None:
    """Law 19: where stable has all its pods, whatever the update waits for and whoever holds it."""
    for moment in range(1, 20, 4):
        play = a_play(road, *STEPS)
        world = play.world
        world.set_image("v2")
        play.wait(moment)
        world.edit({"spec": {"paused": True}})
        world.patch_status({"abort": True})
        for _ in range(2):
            world.fill()
            world.sight.deliver()
            world.turn()
        assert weight(world, world.status["currentPodHash"]) == 0, f"{moment} s after the update began"
