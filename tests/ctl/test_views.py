"""What `get` and `explain` show, in the states people look at."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from rich.console import Console

from rollouts.core.observed import Unreadable
from rollouts.ctl import account as reasons
from rollouts.ctl import explain, get, listing
from rollouts.ctl.drawing import UNICODE
from rollouts.ctl.family import Family
from rollouts.ports import StepAnswer, StepPhase
from tests.builders import a_deployment, a_rollout, an_analysis, canary, pause, referring
from tests.cluster import Settings
from tests.ctl.families import (
    LATER,
    ROUTERS,
    WORDS,
    a_blue_green_world,
    a_ping_pong_world,
    a_routed_world,
    a_world,
    an_experimenting_world,
    an_update,
    at_the_analysis,
    drawn,
    family_of,
    with_experiment,
)
from tests.world import World

Golden = Callable[[str], None]


def picture(world: World, *, width: int = 120) -> str:
    """`rollouts get`, five seconds later."""
    return picture_of(family_of(world), world, width=width)


def picture_of(seen: Family, world: World, *, width: int = 120) -> str:
    """The same of a family that differs from the world's."""
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    console.print(get.view(seen, now=world.now + LATER, console=console))
    return out.getvalue()


def account(world: World, *, words: str = WORDS, **changes: Any) -> str:
    """`rollouts explain -n shop`, five seconds later."""
    seen: Family = dataclasses.replace(family_of(world, words=words), **changes)
    now = world.now + LATER
    told = reasons.account(seen, ROUTERS, now)
    return drawn(explain.view(seen, told, now=now, signs=UNICODE, command=lambda words: f"rollouts {words} -n shop"))


def undone_in(world: World) -> str:
    """What the controller has left undone."""
    return reasons.undone(family_of(world), ROUTERS, world.now)


def test_get_of_a_pause(golden: Golden) -> None:
    """Both versions, their tags, their pods, and what is waited for."""
    golden(picture(an_update(a_world())))


def test_get_of_an_analysis(golden: Golden) -> None:
    """The current run shows its measurements."""
    golden(picture(at_the_analysis(a_world())))


def test_get_of_a_ping_pong_that_was_promoted(golden: Golden) -> None:
    """The version before keeps its pods for its delay; with ping-pong each version has its Service."""
    world = a_ping_pong_world(20, pause("1m"), scaleDownDelaySeconds=120)
    world.set_image("v2")
    world.run(90)
    golden(picture(world))


def test_get_of_blue_green_before_its_switch(golden: Golden) -> None:
    """Who is active and who in preview; no weight."""
    world = a_blue_green_world(autoPromotionEnabled=False)
    world.set_image("v2")
    world.run(60)
    golden(picture(world))


def test_get_with_a_deployment() -> None:
    """The pods that it still has; that it is gone, or cannot be read, is two things."""
    world = World(referring(a_rollout(canary(50), replicas=2), scale_down="never"), workload=a_deployment(replicas=3))
    world.run(10)
    seen = family_of(world)
    console = Console(file=io.StringIO(), width=120)

    def shown(workload: Mapping[str, Any] | Unreadable | None) -> str:
        return drawn(get.view(dataclasses.replace(seen, workload=workload), now=world.now, console=console))

    assert "workload  Deployment web, desired 3, ready 3" in shown(seen.workload)
    assert "Deployment web does not exist" in shown(None)
    assert "Deployment web could not be read: no" in shown(Unreadable(why="no"))


def test_get_of_an_experiment(golden: Golden) -> None:
    """Its versions are known by their templates, in the tree and among the images."""
    world = an_update(a_world())
    golden(picture_of(with_experiment(family_of(world)), world))


def test_get_on_a_narrow_terminal(golden: Golden) -> None:
    """80 columns are enough: no line is wrapped."""
    golden(picture(at_the_analysis(a_world()), width=80))


def test_get_when_something_cannot_be_read() -> None:
    """It is said, and the rest is shown."""
    import dataclasses

    world = a_world()
    seen = dataclasses.replace(family_of(world), unread={"pods": "pods is forbidden"})
    console = Console(file=io.StringIO(), width=120)
    assert "pods: pods is forbidden" in drawn(get.view(seen, now=world.now, console=console))


def test_explain_of_a_pause(golden: Golden) -> None:
    """Since when, what a person can type, what comes next."""
    golden(account(an_update(a_world())))


def test_explain_of_an_analysis(golden: Golden) -> None:
    """Measurements with the rule; the next one; what would abort it."""
    golden(account(at_the_analysis(a_world())))


def test_explain_of_an_abort(golden: Golden) -> None:
    """Why, on what evidence, and the ways out."""
    golden(account(at_the_analysis(a_world(reading=0.5), seconds=300)))


def test_explain_of_what_is_healthy(golden: Golden) -> None:
    """Nothing is waited for, and nothing is offered that means nothing."""
    golden(account(a_world()))


def test_explain_of_a_routed_canary(golden: Golden) -> None:
    """Where the Services lead and what the router has in force are evidence."""
    world = a_routed_world(20, pause("10m"), 60)
    world.set_image("v2")
    world.run(120)
    golden(account(world, words=""))


def test_explain_of_a_routed_abort(golden: Golden) -> None:
    """The canary stays up for its delay, without traffic."""
    world = a_routed_world(20, pause(), 60, abortScaleDownDelaySeconds=300)
    world.set_image("v2")
    world.run(60)
    world.patch_status({"abort": True})
    world.run(10)
    golden(account(world, words=""))


def test_explain_of_a_blue_green_pause(golden: Golden) -> None:
    """When it switches by itself, and what is left after that."""
    world = a_blue_green_world(autoPromotionSeconds=600, postPromotionAnalysis=an_analysis("success-rate"))
    world.set_image("v2")
    world.run(120)
    golden(account(world, words=""))


def test_explain_after_a_promotion() -> None:
    """Until when there is a way back without new pods."""
    world = a_blue_green_world(scaleDownDelaySeconds=300)
    world.set_image("v2")
    world.run(30)
    told = account(world)
    assert "revision 1 keeps its pods until 2026-01-01T12:06:05Z (in 4m)" in told
    assert "You can type" not in told


def test_explain_of_an_analysis_after_the_switch(golden: Golden) -> None:
    """Users reach the new version; a failure leads them back."""
    world = a_blue_green_world(postPromotionAnalysis=an_analysis("success-rate"))
    world.set_image("v2")
    world.run(70)
    golden(account(world, words=""))


def test_explain_with_a_deployment_that_still_has_pods() -> None:
    """They are evidence of how far the Rollout has taken its place."""
    rollout = referring(a_rollout(canary(50), replicas=4), scale_down="never")
    world = World(rollout, workload=a_deployment(replicas=4))
    world.run(2)
    told = account(world)
    assert "Deployment web has 4 pods of its own, 4 of them ready" in told
    assert "Deployment web keeps its pods until somebody scales it down" in told


def test_explain_of_an_experiment(golden: Golden) -> None:
    """How far its versions and its analyses are."""
    world = an_experimenting_world()
    (experiment,) = world.experiments.values()
    up = {"replicas": 1, "availableReplicas": 1, "status": "Running"}
    experiment["status"] |= {
        "templateStatuses": [{"name": "baseline", **up}, {"name": "candidate", **up, "availableReplicas": 0}],
        "analysisRuns": [{"name": "rate", "phase": "Running"}],
    }
    golden(account(world, words=""))


def test_explain_when_the_roads_cannot_be_read() -> None:
    """Nothing is taken for absent: neither Services, nor Ingresses, nor the workload."""
    world = a_routed_world(20, pause())
    world.set_image("v2")
    world.run(60)
    told = account(world, unread={"services": "services is forbidden", "ingresses": "ingresses is forbidden"})
    assert "Service web-canary could not be read: services is forbidden" in told
    assert "nginx: the weight in force is unknown: ingresses is forbidden" in told
    assert "does not exist" not in told
    hidden = World(referring(a_rollout(canary(50), replicas=4)), workload=a_deployment(replicas=4))
    hidden.settle()
    told = account(hidden, workload=Unreadable(why="deployments is forbidden"))
    assert "the workload of spec.workloadRef could not be read: deployments is forbidden" in told


def test_what_routes_still_lack_is_left_undone() -> None:
    """A canary Ingress that somebody changed is something to write; one that is right is not."""
    world = a_routed_world(20, pause())
    world.set_image("v2")
    world.run(60)
    assert undone_in(world) == ""
    world.routes["nginx"]["spec"]["split"]["web-canary"]["weight"] = 90
    assert undone_in(world) != ""


def test_a_step_plugin_that_runs_is_not_left_undone() -> None:
    """What it answered its controller is not to be seen by others."""
    running = StepAnswer(phase=StepPhase.RUNNING, again_seconds=60)
    steps = canary({"plugin": {"name": "change"}}, 50)
    world = World(a_rollout(steps, replicas=2), settings=Settings(plugin=lambda call, asked: running))
    world.run(60)
    world.set_image("v2")
    world.run(10)
    told = account(world, words="")
    assert "plugin change" in told
    assert "a failure that plugin change reports" in told
    assert undone_in(world) == ""


def test_what_only_the_controller_can_know_is_not_left_undone() -> None:
    """It has no such step plugin, and says so; nothing that a command can read does."""
    world = a_world()
    world.edit({"spec": {"strategy": canary({"plugin": {"name": "nobody/has-it"}}, 50)}})
    world.set_image("v2")
    world.run(10)
    assert "nobody/has-it" in account(world, words="")
    assert undone_in(world) == ""


def test_explain_without_a_controller() -> None:
    """The status speaks of an earlier spec: said first, and the rules are played on what is there."""
    world = a_world()
    world.set_image("v2")
    told = account(world)
    assert "has not answered the present spec (generation 2; it answered 1)" in told
    assert "By its rules: step 1 of 5 (index 0, setWeight: 20)" in told
    assert "You can type" not in told


def test_explain_with_the_status_of_another_controller() -> None:
    """Without a Ready condition the words are the core's, played on the live objects."""
    world = an_update(a_world())
    status = world.rollout["status"]
    status["conditions"] = [each for each in status["conditions"] if each["type"] != "Ready"]
    assert "Step 2 of 5 (index 1, pause)" in account(world)


def test_explain_names_pods_that_are_not_ready() -> None:
    """By what they say."""
    world = a_world()
    world.set_image("v2")
    world.settle()
    assert "1 of 1 pods of web-" in account(world)
    assert "are not ready: 1 ContainerCreating" in account(world)


def test_a_verb_left_on_the_rollout_is_not_played_again() -> None:
    """An applied abort that was answered long ago is nothing the controller has left undone."""
    world = an_update(a_world())
    world.rollout["metadata"]["annotations"]["rollouts.io/abort"] = "abort"
    assert undone_in(world) == ""


def test_what_the_controller_has_left_undone_is_named() -> None:
    """A new version that nobody began; a step that is over."""
    world = a_world()
    world.set_image("v2")
    assert undone_in(world) == "begin the update"
    paused = an_update(a_world())
    paused.patch_status({"pauseConditions": None})
    assert undone_in(paused) == "go on to another step"


@pytest.mark.parametrize(("encoding", "width"), [("utf-8", 120), ("ascii", 80)])
def test_list_of(encoding: str, width: int, golden: Golden) -> None:
    """One line each, with the columns of the public plugin; less of them on a narrow terminal."""
    world = an_update(a_world())
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    console = Console(file=out, width=width, highlight=False)
    console.print(listing.table([world.rollout], console, now=world.now))
    out.seek(0)
    golden(out.read())
