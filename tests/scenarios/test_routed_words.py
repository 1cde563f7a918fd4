"""What a routed canary says it waits for, as claims: one short play each."""

from __future__ import annotations

from tests.builders import Json, a_rollout, canary, pause
from tests.world import World

ROUTED: Json = {
    "canaryService": "web-canary",
    "stableService": "web-stable",
    "trafficRouting": {"nginx": {"stableIngress": "web"}},
}


def at_half(**strategy: object) -> World:
    """A world in which v2 waits for a person with half of the traffic."""
    world = World(a_rollout(canary(50, pause(), **ROUTED, **strategy)))
    world.run(60)
    world.set_image("v2")
    world.run(60)
    return world


def words(world: World) -> str:
    """What people read."""
    kinds = ("Ready", "Reconciling", "Stalled")
    (said,) = (each for each in world.status["conditions"] if each["type"] in kinds and each["status"] == "True")
    return str(said["message"])


def test_a_step_waits_for_pods_and_for_its_weight() -> None:
    """Both are named, with what there is now."""
    world = World(a_rollout(canary(50, pause(), **ROUTED)))
    world.run(60)
    world.set_image("v2")
    world.run(1)
    assert "waits for 5 canary pods to be available (0 of 5 now)" in words(world)
    assert "the weight to be 50 (0 now)" in words(world)


def test_a_pause_says_when_the_weight_cannot_be_read() -> None:
    """Nobody goes on from a pause without knowing."""
    world = at_half()
    world.hide_route("nginx", "the Ingress could not be read")
    world.run(10)
    assert words(world).endswith(
        "not in force yet: the weight in force to be known (nginx: the Ingress could not be read)"
    )


def test_an_abort_says_what_the_canary_still_gets() -> None:
    """With a stable version that has to grow first the way back takes a moment."""
    world = at_half(dynamicStableScale=True)
    world.annotate("abort", "abort")
    world.run(1)
    assert "; the canary still gets 38 of 100, stable has 5 of 10 pods available" in words(world)


def test_an_aborted_canary_says_until_when_its_pods_stay() -> None:
    """No traffic is sent to them; they are kept for a while."""
    world = at_half()
    world.annotate("abort", "abort")
    world.run(10)
    assert (
        "no traffic is sent to the canary, stable has 10 of 10 pods available, 5 canary pods are still there until "
        in (words(world))
    )


def test_a_promotion_says_until_when_earlier_pods_stay() -> None:
    """A way back is short as long as they are there."""
    world = at_half()
    world.annotate("promote", "step")
    world.run(20)
    assert words(world).startswith("10 pods of earlier versions kept until 2026-01-01T12:02:")
    assert words(world).endswith(", for a way back")


def test_earlier_pods_stay_while_nobody_knows_what_leads_to_them() -> None:
    """Law 2: what cannot be read may lead anywhere."""
    world = at_half()
    world.annotate("promote", "step")
    world.run(6)
    world.hide_route("nginx", "forbidden")
    world.run(120)
    assert words(world) == "10 pods of earlier versions kept while traffic may lead there (nginx: forbidden)"
