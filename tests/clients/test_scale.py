"""The scale subresource, as autoscalers and `kubectl scale` use it, on a Rollout of every strategy in every phase."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping

import pytest

from rollouts.core.observed import Seen
from tests.builders import Json, a_rollout
from tests.clients import reactions
from tests.clients.phases import GOOD, PLAYS, SMOKE, STRATEGIES, every_phase
from tests.clients.wire import PLAIN, Ready, Request, Served
from tests.cluster import Settings
from tests.world import World

INSTANCE = "argo-rollouts.argoproj.io/controller-instance-id"


def scale_of(served: Served) -> Json:
    """What an autoscaler reads."""
    assert served.rollout
    return served.wire.must("GET", served.wire.path("rollouts", "web") + "/scale")


def counted(world: World, selector: str) -> int:
    """The pods that a selector of the form `key=value,...` finds."""
    wanted: Mapping[str, str] = dict(part.split("=", 1) for part in selector.split(","))
    marked = (
        raw["spec"]["template"]["metadata"]["labels"]
        for name, raw in world.replica_sets.items()
        for _ in world.pods_of(name)
    )
    return sum(wanted.items() <= labels.items() for labels in marked)


@every_phase
def test_an_autoscaler_finds_the_pods_that_it_counts(ready: Ready, strategy: str, phase: str) -> None:
    """The selector leads to exactly as many pods as the number beside it: of blue-green those that users reach."""
    served = ready(strategy, phase)
    world, scale = served.world, scale_of(served)
    assert scale["spec"]["replicas"] == world.rollout["spec"]["replicas"]
    assert scale["status"]["replicas"] == world.status.get("HPAReplicas", 0)
    if phase != "first deploy":
        assert scale["status"]["replicas"] == counted(world, scale["status"]["selector"])


@every_phase
@pytest.mark.parametrize("replicas", [9, 2])
def test_a_change_of_scale_changes_nothing_else(ready: Ready, strategy: str, phase: str, replicas: int) -> None:
    """Law 6: neither step, revision nor verdict; no given-up version comes back, and no pause ends."""
    served = ready(strategy, phase)
    world = served.world
    kept = ("currentPodHash", "stableRS", "currentStepIndex", "abort", "pauseConditions", "canary")
    before, measured = copy.deepcopy(world.status), len(world.runs)
    scale = scale_of(served)
    body = scale | {"spec": {"replicas": replicas}}
    served.send([Request(method="PUT", media_type=PLAIN, subresource="scale", body=body)])
    assert world.rollout["spec"]["replicas"] == replicas
    is_at_rest = phase in ("healthy", "paused", "inconclusive", "paused by hand", "late", "aborted", "finished")
    if is_at_rest and not (strategy == "blue-green" and phase == "late"):
        world.run(60)
        assert {name: world.status.get(name) for name in kept} == {name: before.get(name) for name in kept}
        assert len(world.runs) == measured
        _is_resized(world, phase, replicas)
    else:
        world.run(60)
        assert world.status["currentPodHash"] == before["currentPodHash"]


def _is_resized(world: World, phase: str, replicas: int) -> None:
    sizes = world.sizes()
    new, old = sizes[reactions.new_image(world)], sizes.get("v1", 0)
    if phase in ("healthy", "finished"):
        assert {size for size in sizes.values() if size} == {replicas}
    elif phase == "aborted":
        assert (old, new) == (replicas, 0)
    elif not reactions.is_canary(world):
        assert (old, new) == (replicas, replicas)
    else:
        weight = 50 if phase == "late" else 25
        share = replicas * weight / 100
        assert math.floor(share) <= new <= math.ceil(share)
        assert old + new >= replicas


class Instance(World):
    """A world whose controller has an instance id."""

    def seen(self) -> Seen:
        """The snapshot, in which the controller's id stands."""
        return dataclasses.replace(super().seen(), instance_id="blue")


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_what_a_controller_makes_bears_its_instance(strategy: str) -> None:
    """A run is seen by the controller that made it and by no other; ReplicaSets are told by their owner."""
    world = Instance(
        a_rollout(STRATEGIES[strategy], replicas=4),
        templates=[SMOKE],
        settings=Settings(reading=lambda *_: GOOD),
    )
    world.rollout["metadata"]["labels"] = {INSTANCE: "blue"}
    PLAYS["measured"](world)
    assert world.runs
    assert all(run["metadata"]["labels"][INSTANCE] == "blue" for run in world.runs.values())
    assert all(INSTANCE not in raw["spec"]["template"]["metadata"]["labels"] for raw in world.replica_sets.values())
