"""Combinations of options that once came to no end, as claims: one short play each."""

from __future__ import annotations

from typing import Any

import pytest

from tests import junctions, roads
from tests.builders import Json, a_deployment, a_metric, a_rollout, a_template, an_analysis, canary, pause, referring
from tests.world import World

PAIR: Json = {"canaryService": "web-canary", "stableService": "web-stable"}
ROUTED: Json = {**PAIR, "trafficRouting": {"nginx": {"stableIngress": "web"}}}
PINNED: Json = {"trafficRouting": {"plugins": {"some": {}}}}
CHECK: Json = {"analysis": an_analysis("smoke")}


def a_world(*steps: Any, replicas: int = 4, has_ingresses: bool = False, **options: Any) -> World:
    """A world 60 seconds after v2 was asked for on top of v1."""
    rollout = a_rollout(canary(*steps, **options), replicas=replicas)
    world = World(rollout, templates=[a_template("smoke", a_metric("smoke"))], has_ingresses=has_ingresses)
    world.run(60)
    world.set_image("v2")
    world.run(60)
    return world


def shares(world: World) -> dict[str, int]:
    """The percentage of traffic that reaches each image."""
    (route,) = world.routes.values()
    images = {
        raw["metadata"]["labels"]["rollouts-pod-template-hash"]: raw["spec"]["template"]["spec"]["containers"][0]
        for raw in world.replica_sets.values()
    }
    sent = roads.shares(world.services, route)
    return {images[version]["image"]: int(100 * share) for version, share in sent.items() if share}


def test_more_pods_than_a_step_has_are_not_waited_for() -> None:
    """replicaProgressThreshold: two pods of the one that 20 % of four need."""
    world = a_world(20, 50, **ROUTED, replicaProgressThreshold={"type": "Pods", "value": 2})
    assert world.status["phase"] == "Healthy"


@pytest.mark.parametrize("options", [ROUTED, PAIR], ids=["routed", "pods alone"])
def test_an_analysis_before_any_canary_pod_is_run(options: Json) -> None:
    """A check of the surroundings comes first, and needs no canary to be measured."""
    assert a_world(CHECK, 50, **options).status["phase"] == "Healthy"


def test_a_weight_that_goes_back_to_none_takes_the_last_pod_away() -> None:
    """The canary Service leads to stable first; at the next weight it leads to the canary again."""
    world = a_world(50, 0, pause(), 50, pause(), **ROUTED, scaleDownDelaySeconds=0)
    assert world.status["currentStepIndex"] == 2
    assert (world.sizes(), shares(world)) == ({"v1": 4, "v2": 0}, {"v1": 100})
    world.patch_status({"pauseConditions": None})
    world.run(60)
    assert (world.sizes(), shares(world)) == ({"v1": 4, "v2": 2}, {"v1": 50, "v2": 50})


def test_a_retry_at_a_step_without_pods_leads_nobody_to_pods_that_go() -> None:
    """Law 9: what was given up is still up when it is retried, and its first step wants none of it."""
    world = a_world(0, pause(), **ROUTED)
    world.patch_status({"currentStepIndex": 2, "pauseConditions": None})
    world.run(3)
    assert world.sizes() == {"v1": 4, "v2": 4}
    world.patch_status({"abort": True})
    world.run(3)
    world.patch_status({"abort": False})
    world.run(60)
    stable = world.status["stableRS"]
    assert all(roads.hash_of(world.services, name) == stable for name in world.services)
    assert world.sizes() == {"v1": 4, "v2": 0}


@pytest.mark.parametrize("options", [ROUTED, PINNED], ids=["services", "pinned"])
@pytest.mark.parametrize("step", [{"setWeight": 50}, {"setCanaryScale": {"weight": 50}}], ids=["weight", "scale"])
def test_no_replicas_are_updated_like_any_other_number(options: Json, step: Json) -> None:
    """With nobody to serve every step is over at once, whatever the routers name versions by."""
    assert a_world(step, 50, replicas=0, **options).status["phase"] == "Healthy"


def test_nothing_wanted_any_more_ends_a_step_with_a_scale_of_its_own() -> None:
    """Scaled to none in mid-canary: no pod is kept for the weight, and the way goes on."""
    world = a_world(50, {"setCanaryScale": {"weight": 50}}, pause(), **ROUTED)
    world.edit({"spec": {"replicas": 0}})
    world.run(60)
    assert world.sizes() == {"v1": 0, "v2": 0}
    world.patch_status({"pauseConditions": None})
    world.run(60)
    assert world.status["phase"] == "Healthy"


@pytest.mark.parametrize("spec", [{}, {"minReadySeconds": 900}], ids=["valid", "invalid"])
def test_what_is_no_weight_is_no_bar_to_an_abort(spec: Json) -> None:
    """Law 19: somebody wrote junk over the weight of the canary Ingress; an abort writes 0 over it."""
    world = a_world(50, pause(), has_ingresses=True, **ROUTED)
    assert shares(world) == {"v1": 50, "v2": 50}
    annotations = {f"{junctions.PREFIX}canary-weight": "a half"}
    world.edit({"spec": spec})
    world.alter(world.routes["nginx"], {"ingresses": {"web-web-canary": {"metadata": {"annotations": annotations}}}})
    world.annotate("abort", "abort")
    world.run(10)
    written = world.routes["nginx"]["spec"]["ingresses"]["web-web-canary"]["metadata"]["annotations"]
    assert written[f"{junctions.PREFIX}canary-weight"] == "0"


def test_a_template_from_elsewhere_is_no_bar_to_an_abort_under_an_invalid_spec() -> None:
    """Law 19: who took the template from a Deployment can give an update up like anybody else."""
    rollout = referring(a_rollout(canary(50, pause(), **ROUTED), replicas=4))
    world = World(rollout, workload=a_deployment(replicas=0))
    world.run(60)
    world.set_image("v2")
    world.run(60)
    world.edit({"spec": {"minReadySeconds": 900}})
    world.annotate("abort", "abort")
    world.run(60)
    assert (world.sizes(), shares(world)) == ({"v1": 4, "v2": 0}, {"v1": 100})


def test_every_turn_of_a_service_is_told() -> None:
    """Law 37: to the canary, back with an abort, and to it again with a retry."""
    world = a_world(20, pause(), **ROUTED)
    for abort in (True, False):
        world.patch_status({"abort": abort})
        world.run(10)
    told = [note for _, note in world.story if note.reason == "SwitchService" and "web-canary" in note.message]
    assert len(told) == len({note.key for note in told}) == 4
    weights = [note for _, note in world.story if note.reason == "TrafficWeightUpdated"]
    assert len(weights) == len({note.key for note in weights}) == 4
