"""The kubectl plugin's commands, sent to a Rollout of every strategy in every phase, and what comes of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.builders import Json
from tests.clients import plugin, reactions
from tests.clients.phases import REPLICAS, STEPS, UNDER_WAY, a_world, every_phase, every_steerable
from tests.clients.wire import Ready, Request, Served, Wire, main
from tests.world import World


def steer(served: Served, command: Callable[[Json], list[Request]]) -> list[Request]:
    """What the plugin sends, and the controller at rest after it."""
    sent = command(served.rollout)
    served.send(sent)
    served.world.settle()
    return sent


@every_phase
def test_abort(ready: Ready, strategy: str, phase: str) -> None:
    """An update that is under way is given up from wherever it is; otherwise the wish is void."""
    served = ready(strategy, phase)
    world, before = served.world, copy.deepcopy(served.world.status)
    assert [sent.body for sent in steer(served, plugin.abort)] == [{"status": {"abort": True}}]
    if phase in UNDER_WAY:
        reactions.is_given_up(world, new=reactions.new_image(world))
    else:
        assert world.status == before


@every_steerable
def test_retry(ready: Ready, strategy: str, phase: str) -> None:
    """What was aborted starts again from the first step, with nothing left of the abort; otherwise the wish is void."""
    served = ready(strategy, phase)
    world, before = served.world, copy.deepcopy(served.world.status)
    told = len(world.story)
    steer(served, plugin.retry)
    if phase != "aborted":
        assert (world.status, len(world.story)) == (before, told)
        return
    assert not {"abort", "abortedAt"} & set(world.status)
    assert reactions.condition(world, "Progressing")["reason"] in ("RolloutRetry", "ReplicaSetUpdated")
    assert world.status["phase"] == "Progressing"
    world.run(60)
    if reactions.is_canary(world):
        assert world.status["currentStepIndex"] == 1
        reactions.is_held(world, "CanaryPauseStep")
    else:
        assert len(world.runs) == 2, "the attempt has a run of its own"
        reactions.is_held(world, "BlueGreenPause")


@every_steerable
def test_pause_and_promote_after_it(ready: Ready, strategy: str, phase: str) -> None:
    """Nothing moves on for as long as it lasts, and what was on its way arrives when it is over."""
    served = ready(strategy, phase)
    world, before = served.world, copy.deepcopy(served.world.status)
    steer(served, plugin.pause)
    assert world.rollout["spec"]["paused"] is True
    if phase == "aborted":
        assert world.status["phase"] == "Degraded"
    else:
        reactions.is_held(world, "manually paused")
        assert reactions.condition(world, "Paused")["status"] == "True"
    world.run(900)
    assert world.status.get("currentStepIndex") == before.get("currentStepIndex")
    assert world.status["stableRS"] == before["stableRS"]
    steer(served, plugin.promote)
    assert not world.rollout["spec"].get("paused")
    world.run(60)
    assert world.status.get("message") != "manually paused"


CANARY_PROMOTED = {
    "first deploy": (5, ""),
    "healthy": (5, ""),
    "moving": (1, "CanaryPauseStep"),
    "paused": (4, "CanaryPauseStep"),
    "measured": (4, "CanaryPauseStep"),
    "inconclusive": (4, "CanaryPauseStep"),
    "paused by hand": (4, "CanaryPauseStep"),
    "late": (5, ""),
    "stuck": (1, "CanaryPauseStep"),
    "aborted": (0, "RolloutAborted: Rollout aborted update to revision 2"),
    "retrying": (1, "CanaryPauseStep"),
    "finished": (5, ""),
}
"""The step at which a canary rests a minute after `promote`, and what it then says."""


@every_phase
def test_promote(ready: Ready, strategy: str, phase: str) -> None:
    """One step on, from wherever it is: a pause ends, an analysis is left, an inconclusive one is not made again."""
    served = ready(strategy, phase)
    world, runs = served.world, len(served.world.runs)
    sent = steer(served, plugin.promote)
    assert [request.subresource for request in sent] in ([], ["status"], [""], ["status", ""]), "status first"
    if phase == "inconclusive" and reactions.is_canary(world):
        assert sent[0].body["status"] == {"pauseConditions": None, "controllerPause": False, "currentStepIndex": 3}
        assert len(world.runs) == runs
    if phase == "measured" and reactions.is_canary(world):
        assert reactions.phases(world) == ["Successful"], "the run of the step that was left is ended"
        assert all(run["spec"]["terminate"] for run in world.runs.values())
    world.run(60)
    if reactions.is_canary(world):
        assert (world.status["currentStepIndex"], world.status.get("message", "")) == CANARY_PROMOTED[phase]
    else:
        assert world.status.get("message", "") == reactions.BLUE_GREEN_PROMOTED[phase]


@every_phase
def test_promote_full(ready: Ready, strategy: str, phase: str) -> None:
    """Whatever is left is skipped, an abort is taken back, and pods still have to come up."""
    served = ready(strategy, phase)
    world = served.world
    sent = steer(served, plugin.promote_full)
    assert bool(sent) == (phase not in ("first deploy", "healthy", "finished"))
    measured = len(world.runs)
    world.run(120)
    assert len(world.runs) == measured, "nothing more is measured"
    if phase == "stuck":
        assert world.status["stableRS"] != world.status["currentPodHash"]
        assert reactions.served(world) in ({}, {"v1": 1})
    else:
        reactions.is_done(world, reactions.new_image(world))


@every_steerable
def test_skipping_by_index(ready: Ready, strategy: str, phase: str) -> None:
    """The two forms that only set an index: of one step, and of all. Blue-green has none to set."""
    served = ready(strategy, phase)
    if not reactions.is_canary(served.world):
        return
    world, before = served.world, copy.deepcopy(served.world.status)
    steer(served, plugin.skip_all)
    world.run(120)
    if phase in ("first deploy", "healthy", "finished", "late"):
        reactions.is_done(world, reactions.new_image(world))
    elif phase == "aborted":
        assert (world.status["phase"], world.status["currentStepIndex"]) == ("Degraded", 0)
    elif phase == "paused by hand":
        assert (world.status["currentStepIndex"], world.status["message"]) == (len(STEPS), "manually paused")
        assert world.status["stableRS"] == before["stableRS"]
    elif phase == "inconclusive":
        reactions.is_held(world, "InconclusiveAnalysisRun")
    elif phase == "stuck":
        assert world.status["stableRS"] != world.status["currentPodHash"]
    else:
        reactions.is_done(world, reactions.new_image(world))


@every_steerable
def test_restart(ready: Ready, strategy: str, phase: str) -> None:
    """Every pod that there was is another one, within the budget, under the same revisions; nothing else moves."""
    served = ready(strategy, phase)
    world = served.world
    world.now += timedelta(seconds=1)
    old = {pod.name for pods in world.pods.values() for pod in pods.each}
    fewest: list[int] = [REPLICAS]
    world.before_write = lambda what: fewest.append(_available(world)) if what.startswith("evict") else None
    at = world.now.replace(microsecond=0)
    (sent,) = plugin.restart(served.rollout, at=at)
    assert sent.body == {"spec": {"restartAt": at.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    served.send([sent])
    sets = set(world.replica_sets)
    world.run(1)
    if phase in ("healthy", "finished"):
        assert (world.status["phase"], world.status["message"]) == ("Progressing", "rollout is restarting")
    world.run(600)
    assert set(world.replica_sets) == sets
    if phase == "stuck":
        assert "restartedAt" not in world.status, "pods that are missing count against the budget"
        world.set_image("v3")
        world.run(600)
    assert world.status["restartedAt"] == world.rollout["spec"]["restartAt"]
    assert not old & {pod.name for pods in world.pods.values() for pod in pods.each}
    assert min(fewest) >= REPLICAS - 1


def _available(world: World) -> int:
    return sum(world.is_ready(raw, made) for name, raw in world.replica_sets.items() for made in world.pods_of(name))


@pytest.mark.parametrize("strategy", ["canary", "routed", "blue-green"])
@pytest.mark.parametrize(
    ("command", "phase"),
    [("abort", "paused"), ("retry", "aborted"), ("promote", "paused"), ("promote --full", "paused")],
)
def test_without_the_subresource_the_object_is_patched(
    plain_wire: Wire, strategy: str, command: str, phase: str
) -> None:
    """A client that is answered 404 sends the same body to the object, and the controller does the same."""
    outcomes = []
    for is_plain in (True, False):
        world = a_world(strategy, phase)
        served = Served(world, plain_wire)
        sent = plugin.COMMANDS[command](served.rollout)
        assert [plain_wire.send(each).code for each in sent if each.subresource] == [404] * len(sent)
        served.send([main(each.body) for each in sent]) if is_plain else world.patch_status(sent[0].body["status"])
        world.run(120)
        outcomes.append((world.status, world.sizes()))
    assert outcomes[0] == outcomes[1]
