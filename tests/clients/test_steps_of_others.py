"""Requests while an experiment or a step plugin is waited for: what was begun is ended, and the way goes on."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rollouts.ports import StepAnswer, StepPhase
from tests.builders import Json, a_rollout, canary, pause
from tests.clients import argocd, plugin, reactions, readers
from tests.clients.phases import REPLICAS
from tests.clients.wire import Request
from tests.cluster import Settings
from tests.world import World

STEPS: Mapping[str, Json] = {
    "experiment": {"experiment": {"templates": [{"name": "new", "specRef": "canary"}]}},
    "plugin": {"plugin": {"name": "change", "config": {"ticket": 1}}},
}
every_step = pytest.mark.parametrize("step", STEPS)


def a_world(step: str, *, experiment: str = "Running") -> World:
    """v2 on top of v1, at a step that somebody else carries out and that takes its time."""
    settings = Settings(
        experiment={5: "Running", 30: experiment},
        plugin=lambda call, asked: StepAnswer(
            phase=StepPhase.RUNNING if call.operation == "Run" else StepPhase.SUCCESSFUL
        ),
    )
    world = World(a_rollout(canary(25, STEPS[step], 50, pause()), replicas=REPLICAS), settings=settings)
    world.run(60)
    world.set_image("v2")
    world.run(60)
    assert world.status["currentStepIndex"] == 1
    return world


def receive(world: World, sent: list[Request]) -> None:
    """Requests, and the controller at rest after them."""
    for request in sent:
        (world.patch_status(request.body["status"]) if request.subresource else world.edit(request.body))
    world.settle()


def is_ended(world: World, step: str, operation: str) -> None:
    """The experiment was asked to end, or the plugin was told to."""
    if step == "experiment":
        assert all(each["spec"]["terminate"] for each in world.experiments.values())
        assert "currentExperiment" not in world.status.get("canary", {})
    else:
        told = [each["operation"] for each in world.status["canary"]["stepPluginStatuses"]]
        assert operation in told


@every_step
def test_abort_and_retry(step: str) -> None:
    """It is taken back, and another attempt begins it anew."""
    world = a_world(step)
    receive(world, plugin.abort(world.rollout))
    is_ended(world, step, "Abort")
    reactions.is_given_up(world, new="v2")
    receive(world, plugin.retry(world.rollout))
    world.run(60)
    assert world.status["currentStepIndex"] == 1
    if step == "experiment":
        assert len(world.experiments) == 2
    else:
        assert [each["phase"] for each in world.status["canary"]["stepPluginStatuses"]] == ["Running"]


@every_step
@pytest.mark.parametrize("client", ["plugin", "argocd"])
def test_the_step_is_left(step: str, client: str) -> None:
    """`promote`, and Argo CD's skip: by the index."""
    world = a_world(step)
    found = world.rollout
    sent = plugin.promote(found) if client == "plugin" else argocd.clicked("skip-current-step", found)
    assert sent[0].body["status"]["currentStepIndex"] == 2
    receive(world, sent)
    is_ended(world, step, "Terminate")
    world.run(60)
    assert (world.status["currentStepIndex"], world.status["message"]) == (3, "CanaryPauseStep")


@every_step
def test_promote_full(step: str) -> None:
    """Nobody else is waited for."""
    world = a_world(step)
    receive(world, plugin.promote_full(world.rollout))
    is_ended(world, step, "Terminate")
    world.run(120)
    reactions.is_done(world, "v2")


@every_step
def test_a_pause_by_hand_is_no_end(step: str) -> None:
    """What runs goes on running, and nothing is left or begun until the pause is over."""
    world = a_world(step)
    receive(world, plugin.pause(world.rollout))
    world.run(300)
    reactions.is_held(world, "manually paused")
    assert world.status["currentStepIndex"] == 1
    assert not any(each["spec"].get("terminate") for each in world.experiments.values())
    assert len(world.experiments) == (1 if step == "experiment" else 0)


@pytest.mark.parametrize("client", ["plugin", "argocd"])
def test_an_inconclusive_experiment_is_resumed_by_another_one(client: str) -> None:
    """The plugin's promote only ends the pause here, as a resume does: the step is still to be proven."""
    world = a_world("experiment", experiment="Inconclusive: too few requests")
    reactions.is_held(world, "InconclusiveExperiment")
    sent = plugin.promote(world.rollout) if client == "plugin" else argocd.clicked("resume", world.rollout)
    assert [request.body for request in sent] == [{"status": {"pauseConditions": None}}]
    receive(world, sent)
    assert len(world.experiments) == 2
    assert world.status["currentStepIndex"] == 1


def test_an_experiment_without_an_end_is_ended_by_a_person() -> None:
    """`terminate experiment`: its pods were up, and nothing else was to be proven, so the step is over."""
    world = a_world("experiment")
    (name,) = world.experiments
    assert plugin.terminate(name, plural="experiments").body == {"spec": {"terminate": True}}
    world.terminate_experiment(name)
    world.run(60)
    assert len(world.experiments) == 1
    assert (world.status["currentStepIndex"], world.status["message"]) == (3, "CanaryPauseStep")


@every_step
def test_every_client_reads_it(step: str) -> None:
    """While it is waited for the rollout is on its way, for everybody."""
    world = a_world(step)
    assert readers.plugin_status(world.rollout).word == readers.argocd_health(world.rollout).word == "Progressing"
    assert readers.picture(world.rollout, world.replica_sets.values(), ()).step == "1/4"
    assert all(readers.argocd_experiment_health(each).word == "Progressing" for each in world.experiments.values())
