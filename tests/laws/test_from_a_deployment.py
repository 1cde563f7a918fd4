"""From a Deployment to a Rollout and back: at no write, late copy, crash or edit are there too few pods to answer."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests import roads
from tests.builders import Json, a_deployment, a_rollout, canary, pause, referring
from tests.cluster import Settings
from tests.laws.plays import Play
from tests.laws.watch import HASH
from tests.world import World

TROUBLE = st.lists(st.sampled_from(["", "", "lost", "crash", "done, then lost", "done, then crash"]), max_size=20)
LATE = st.lists(
    st.sampled_from(
        [(), (), ("rollout",), ("replica_sets",), ("workloads",), ("services",), ("replica_sets", "workloads")]
    ),
    max_size=20,
)
PAIR = {"canaryService": "web-canary", "stableService": "web-stable"}
STRATEGIES: tuple[Json, ...] = (
    canary(50, pause()),
    canary(),
    canary(50, pause(), **PAIR),
    canary(50, pause(), **PAIR, trafficRouting={"nginx": {"stableIngress": "web"}}),
)


@dataclass
class Answering:
    """Before every write that takes the Deployment's pods: those that stay answer as many requests as are wanted.

    Whoever is led to is told from the Services alone: one without a version's mark reaches every pod, and so does the
    user's own, which the Rollout does not know.
    """

    world: World
    least: int

    def before_workload(self, name: str, replicas: int) -> None:
        """Before the Deployment is scaled."""
        world = self.world
        now = world.workloads[name]["spec"]["replicas"]
        assert replicas < now, f"{name} is scaled from {now} to {replicas} by the controller"
        ours = {raw["metadata"]["labels"][HASH]: _ready(world, each) for each, raw in world.replica_sets.items()}
        left = min(_ready(world, name), replicas)
        desired = world.sight.rollout.raw["spec"]["replicas"]
        needed = min(self.least, desired)
        assert sum(ours.values()) + left >= needed, f"{left} of {name} and {ours} are to answer for {needed}"
        assert desired > 0, f"{name} loses pods to a Rollout that wants none"
        for service in world.services:
            version = roads.hash_of(world.services, service)
            assert not version or ours.get(version, 0) >= needed or replicas > 0, (
                f"{service} leads to {version}: {ours}"
            )

    def before_traffic(self, services: Any, routes: Any) -> None:
        """Before a Service turns: away from the Deployment only towards enough pods."""
        for service in services:
            version = roads.hash_of(services, service)
            if version and not roads.hash_of(self.world.services, service):
                ready = sum(
                    _ready(self.world, each)
                    for each, raw in self.world.replica_sets.items()
                    if raw["metadata"]["labels"][HASH] == version
                )
                assert ready >= min(self.least, self.world.sight.rollout.raw["spec"]["replicas"])


def _ready(world: World, name: str) -> int:
    raw = world.replica_sets.get(name) or world.workloads[name]
    return sum(1 for made in world.pods_of(name) if world.is_ready(raw, made))


def begun(strategy: Json, *, scale_down: str, pods: int, replicas: int, pace: int | None = 2) -> tuple[Play, Answering]:
    """A Deployment in service, and the Rollout that is to take its place."""
    settings = Settings(ready_after=lambda image: {"slow": 40}.get(image, 5), pods_per_second=pace)
    rollout = referring(a_rollout(copy.deepcopy(strategy), replicas=replicas), scale_down=scale_down)
    world = World(rollout, settings=settings, workload=a_deployment(replicas=pods))
    play = Play(world)
    play.capacity.check = lambda name, replicas: None  # type: ignore[method-assign]
    answering = Answering(world, least=pods)
    world.before_workload = answering.before_workload
    world.before_traffic = answering.before_traffic
    return play, answering


@given(st.data())
def test_the_deployment_goes_as_the_rollout_comes(data: st.DataObject) -> None:
    """Whatever is lost or late, and whoever scales either of the two meanwhile."""
    scale_down = data.draw(st.sampled_from(["progressively", "onsuccess", "never", ""]), label="scaleDown")
    pods, replicas = data.draw(st.integers(1, 6), label="pods"), data.draw(st.integers(0, 6), label="replicas")
    strategy = data.draw(st.sampled_from(STRATEGIES), label="strategy")
    play, answering = begun(strategy, scale_down=scale_down, pods=pods, replicas=replicas)
    for _ in range(data.draw(st.integers(0, 4), label="events")):
        play.troubles += data.draw(TROUBLE, label="troubles")
        play.laggards += data.draw(LATE, label="late")
        play.wait(data.draw(st.sampled_from([0, 1, 2, 5, 6, 7]), label="seconds"))
        match data.draw(st.sampled_from(["replicas", "pods", "nothing"]), label="event"):
            case "replicas":
                play.world.edit({"spec": {"replicas": data.draw(st.integers(0, 6), label="replicas")}})
            case "pods":
                count = data.draw(st.integers(0, 6), label="pods")
                answering.least = min(answering.least, count)
                play.world.edit_workload("web", {"replicas": count})
            case _:
                pass
    play.wait(120)
    note(play.world.told())
    is_left = play.world.workloads["web"]["spec"]["replicas"] > 0
    if scale_down in ("never", ""):
        assert all(each.reason != "ScalingWorkload" for _, each in play.world.story)
    elif play.world.rollout["spec"]["replicas"] and is_left:
        marks = [raw["metadata"]["annotations"] for raw in play.world.replica_sets.values()]
        assert any("rollouts.io/workload-retired" in each for each in marks), "the Deployment was never retired"


@pytest.mark.parametrize("scale_down", ["progressively", "onsuccess"])
@pytest.mark.parametrize("trouble", ["crash", "done, then crash", "done, then lost"])
def test_no_write_that_fails_costs_an_answer(trouble: str, scale_down: str) -> None:
    """One trouble at each write in turn: the Deployment ends without pods, the Rollout with all."""
    play, _ = begun(STRATEGIES[2], scale_down=scale_down, pods=3, replicas=3, pace=1)
    play.wait(60)
    writes = play.world.writes
    for at in range(writes):
        play, _ = begun(STRATEGIES[2], scale_down=scale_down, pods=3, replicas=3, pace=1)
        play.troubles += [""] * at + [trouble]
        play.wait(60)
        assert play.world.workloads["web"]["spec"]["replicas"] == 0
        assert [raw["spec"]["replicas"] for raw in play.world.replica_sets.values()] == [3]


@pytest.mark.parametrize("scale_down", ["progressively", "onsuccess"])
def test_who_goes_back_is_not_hindered(scale_down: str) -> None:
    """Scaled up by its owner the Deployment stays so, through updates and new controllers; Services are let go."""
    play, _ = begun(STRATEGIES[2], scale_down=scale_down, pods=3, replicas=3)
    play.wait(60)
    play.world.edit_workload("web", {"replicas": 3})
    play.wait(60)
    play.world.forget_memory()
    play.wait(60)
    play.world.set_image("slow")
    play.wait(120)
    assert play.world.workloads["web"]["spec"]["replicas"] == 3
    play.world.edit({"spec": {"strategy": {"canary": dict.fromkeys(PAIR)}}})
    for service in play.world.services.values():
        service["spec"]["selector"].pop(HASH)
    play.wait(60)
    assert not any(roads.hash_of(play.world.services, service) for service in play.world.services)
    assert play.world.workloads["web"]["spec"]["replicas"] == 3
