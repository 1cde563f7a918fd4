"""Requests that carry more than a wish: templates, images, runs that are ended; and writes that race."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import Json, a_deployment, a_rollout, referring
from tests.clients import plugin, reactions
from tests.clients.phases import SMOKE, STRATEGIES, a_world
from tests.clients.wire import PLAIN, Request, Served, Wire, main, status
from tests.world import World

every_strategy = pytest.mark.parametrize("strategy", sorted(STRATEGIES))
CONFLICT, RETRIES = 409, 5
EXPERIMENT: Json = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Experiment",
    "spec": {
        "templates": [
            {
                "name": "baseline",
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "web", "image": "v1"}]},
                },
            }
        ]
    },
    "status": {"phase": "Failed", "message": "no pods"},
}


def set_image(served: Served, meanwhile: Callable[[], None] = lambda: None, *, container: str = "web") -> list[int]:
    """The plugin's loop: read, change, put; once more on a conflict. The codes it was answered."""
    codes: list[int] = []
    for _ in range(1 + RETRIES):
        found = served.rollout
        meanwhile()
        codes.append(served.wire.send(plugin.set_image(found, container, "v9")).code)
        if codes[-1] != CONFLICT:
            break
    served.take_back()
    return codes


@every_strategy
def test_set_image_puts_the_object_back_whole(wire: Wire, strategy: str) -> None:
    """A new version like any other, and what the controller had written to the object is still there."""
    served = Served(a_world(strategy, "healthy"), wire)
    before = copy.deepcopy(served.world.rollout)
    assert set_image(served) == [200]
    assert served.world.status == before["status"]
    assert served.world.rollout["metadata"]["annotations"] == before["metadata"]["annotations"]
    served.world.run(60)
    assert set(served.world.sizes()) == {"v1", "v9"}


def test_set_image_of_all_containers(wire: Wire) -> None:
    """`*=image`; containers that start before the others count too."""
    world = a_world("canary", "healthy")
    world.edit({"spec": {"template": {"spec": {"initContainers": [{"name": "prepare", "image": "v1"}]}}}})
    served = Served(world, wire)
    assert set_image(served, container="*") == [200]
    pods = world.rollout["spec"]["template"]["spec"]
    assert [each["image"] for each in (*pods["containers"], *pods["initContainers"])] == ["v9", "v9"]


def test_set_image_tries_again_when_the_controller_was_faster(wire: Wire) -> None:
    """The answer is a conflict, never a status or a field that is lost; the next attempt has both."""
    served = Served(a_world("canary", "moving"), wire)
    races = [lambda: served.wire.send(status({"availableReplicas": 1})), lambda: served.wire.send(main(MARK))]

    def meanwhile() -> None:
        if races:
            races.pop(0)()

    stored: list[Any] = []
    codes = []
    found = served.rollout
    for _ in range(3):
        meanwhile()
        codes.append(wire.send(plugin.set_image(found, "web", "v9")).code)
        found = wire.read("rollouts", "web")
        stored.append(found)
    assert codes == [CONFLICT, CONFLICT, 200]
    assert stored[-1]["status"]["availableReplicas"] == 1
    assert stored[-1]["metadata"]["annotations"]["team"] == "shop"


MARK: Json = {"metadata": {"annotations": {"team": "shop"}}}


@every_strategy
@pytest.mark.parametrize("phase", ["paused", "aborted", "finished"])
def test_undo(wire: Wire, strategy: str, phase: str) -> None:
    """A JSON patch puts the template of the version before back; it is that version again, under a new number."""
    served = Served(a_world(strategy, phase), wire)
    world, sets = served.world, set(served.world.replica_sets)
    sent = plugin.undo(world.rollout, world.replica_sets)
    assert [each.media_type for each in sent] == ["application/json-patch+json"]
    served.send(sent)
    world.settle()
    assert set(world.replica_sets) == sets
    numbers = {
        reactions.image(raw): raw["metadata"]["annotations"][plugin.REVISION] for raw in world.replica_sets.values()
    }
    assert numbers == {"v1": "3", "v2": "2"}
    for _ in range(3):
        world.patch_status({"pauseConditions": None})
        world.run(120)
    reactions.is_done(world, "v1")


@every_strategy
def test_undo_of_an_update_takes_no_steps(wire: Wire, strategy: str) -> None:
    """What is stable need not prove itself again: no pause, no analysis."""
    served = Served(a_world(strategy, "paused"), wire)
    served.send(plugin.undo(served.world.rollout, served.world.replica_sets))
    measured = len(served.world.runs)
    served.world.run(60)
    assert served.world.status["phase"] == "Healthy"
    assert len(served.world.runs) == measured
    assert "SkipSteps" in served.world.reasons() or strategy == "blue-green"


def test_undo_to_what_is_there_already_sends_nothing() -> None:
    """The template of the ReplicaSet, less the label of its version, is the author's to the letter."""
    for strategy in STRATEGIES:
        world = a_world(strategy, "paused")
        assert plugin.undo(world.rollout, world.replica_sets, revision=2) == []


@every_strategy
def test_terminate(wire: Wire, strategy: str) -> None:
    """A run that is ended early ends at once, and as what it has measured so far."""
    served = Served(a_world(strategy, "measured"), wire)
    (name,) = served.world.runs
    served.send([plugin.terminate(name)])
    served.world.settle()
    ended = served.world.runs[name]["status"]
    assert (ended["phase"], ended["message"]) == ("Successful", "Run Terminated")
    assert ended["metricResults"][0]["phase"] == "Successful"


def test_an_experiment_is_ended_and_tried_again(wire: Wire) -> None:
    """Both on the object itself: an Experiment has no status subresource, so that a status of null removes it."""
    meta = {"name": "trial", "namespace": wire.namespace}
    wire.must("POST", wire.path("experiments"), {**EXPERIMENT, "metadata": meta})
    assert wire.send(plugin.terminate("trial", plural="experiments")).code == 200
    assert wire.read("experiments", "trial")["spec"]["terminate"] is True
    assert wire.send(plugin.retry_experiment("trial")).code == 200
    assert "status" not in wire.read("experiments", "trial")
    assert wire.send(Request(body={"status": {}}, subresource="status", plural="experiments", name="trial")).code == 404


ENDED: Json = {"pauseConditions": None}
RACES: dict[str, tuple[str, Json, Callable[[World], bool]]] = {
    "a pause that is ended": ("paused", ENDED, lambda world: "CanaryPauseStep" not in reasons(world)),
    "a pause and its sign": ("paused", ENDED | {"controllerPause": False}, lambda world: True),
    "the next step": ("paused", ENDED | {"currentStepIndex": 2}, lambda world: world.status["currentStepIndex"] >= 2),
    "an abort": ("moving", {"abort": True}, lambda world: world.status["phase"] == "Degraded"),
    "a retry": ("aborted", {"abort": False}, lambda world: "abort" not in world.status),
    "a promotion in full": ("moving", {"promoteFull": True}, lambda world: world.status["currentStepIndex"] == 5),
}


def reasons(world: World) -> list[str]:
    """What it is held for."""
    return [each["reason"] for each in world.status.get("pauseConditions", [])]


@pytest.mark.parametrize("race", RACES)
@pytest.mark.parametrize("strategy", ["canary", "routed"])
def test_nothing_that_people_write_is_undone_by_a_turn_that_had_not_seen_it(strategy: str, race: str) -> None:
    """The controller decides on an older status and writes after them: refused, and decided anew on theirs."""
    phase, change, is_heard = RACES[race]
    world = a_world(strategy, phase)
    world.edit({"spec": {"minReadySeconds": 1}})  # something that a turn has to write about
    world.sight.deliver()
    world.patch_status(change)
    world.settle(late=[("rollout",), ("rollout",)])
    assert is_heard(world), world.status
    if change.get("controllerPause") is False:
        world.run(1)
        assert world.status["currentStepIndex"] == 1, "no resume: the controller holds again"


@every_strategy
def test_people_at_the_same_time(wire: Wire, strategy: str) -> None:
    """One resumes, one sets an image, one restarts, one scales, before the controller looks: each is heard."""
    served = Served(a_world(strategy, "paused"), wire)
    world = served.world
    body = {"spec": {"replicas": 6}}
    restart = plugin.restart(world.rollout, at=world.now.replace(microsecond=0))
    served.send([status(ENDED), main(body), *restart])
    assert set_image(served) == [200]
    for _ in range(4):
        world.run(300)
        world.patch_status(ENDED)
    world.run(300)
    assert {image: size for image, size in world.sizes().items() if size} == {"v9": 6}
    assert world.status["restartedAt"] == world.rollout["spec"]["restartAt"]
    assert world.status["phase"] == "Healthy"


def test_a_put_of_a_stale_status_is_refused(wire: Wire) -> None:
    """Also of clients that replace whole objects: nothing older is ever put back."""
    served = Served(a_world("canary", "paused"), wire)
    found = served.rollout
    assert wire.send(status({"abort": True})).code == 200
    stale = Request(method="PUT", media_type=PLAIN, body=found, subresource="status")
    assert wire.send(stale).code == CONFLICT


def test_images_and_undo_of_a_referenced_deployment() -> None:
    """Both are sent to the Deployment, whose template is the Rollout's: a new version, and the one before again."""
    rollout = referring(a_rollout(STRATEGIES["canary"], replicas=4))
    world = World(rollout, templates=[SMOKE], workload=a_deployment(replicas=4))
    world.run(60)
    (deployment,) = world.workloads.values()
    changed = plugin.set_image(deployment, "*", "v2").body
    world.edit_workload("web", changed["spec"])
    world.run(60)
    assert (world.status["message"], set(world.sizes())) == ("CanaryPauseStep", {"v1", "v2"})
    former = copy.deepcopy(next(iter(world.replica_sets.values()))["spec"]["template"])
    del former["metadata"]["labels"][plugin.HASH]
    world.edit_workload("web", {"template": former})
    world.run(60)
    reactions.is_done(world, "v1")
    assert world.status["workloadObservedGeneration"] == "3"
