"""What can come between a blue-green rollout and its switch, as claims: one short play each."""

from __future__ import annotations

import pytest

from tests import roads
from tests.builders import Json, a_metric, a_rollout, a_template, an_analysis, blue_green, canary, pause
from tests.cluster import Crash, Settings, Unreachable
from tests.world import World

PERSON: Json = {"autoPromotionEnabled": False}
PRE: Json = {"prePromotionAnalysis": an_analysis("smoke")}
POST: Json = {"postPromotionAnalysis": an_analysis("live")}
TEMPLATES = [
    a_template("smoke", a_metric("smoke", failureCondition="result[0] < 0.5")),
    a_template("live", a_metric("live", count=9, interval="10s")),
]


def a_world(image: str = "v2", *, replicas: int = 3, **options: object) -> World:
    """A world 60 seconds after `image` was asked for on top of v1."""
    settings = Settings(ready_after=lambda image: None if image == "broken" else 5)
    world = World(a_rollout(blue_green(**options), replicas=replicas), templates=TEMPLATES, settings=settings)
    world.run(60)
    world.set_image(image)
    world.run(60)
    return world


def active(world: World) -> str:
    """The image that users reach."""
    found = roads.hash_of(world.services, "web-active")
    images = {
        raw["metadata"]["labels"]["rollouts-pod-template-hash"]: raw["spec"]["template"]["spec"]["containers"][0][
            "image"
        ]
        for raw in world.replica_sets.values()
    }
    return str(images.get(found, found))


def fail_once(world: World, what: str, trouble: type[Exception]) -> None:
    """The next write of this kind does not come about."""

    def before_write(written: str) -> None:
        if written == what:
            world.before_write = lambda what: None
            raise trouble(written)

    world.before_write = before_write


@pytest.mark.parametrize("trouble", [Unreachable, Crash])
@pytest.mark.parametrize("what", ["patch web-active", "status"])
def test_a_lost_switch_is_made_again_without_another_pause(what: str, trouble: type[Exception]) -> None:
    """Laws 13 and 14: a person says it once, whatever is lost on the way."""
    world = a_world(**PERSON)
    assert world.status["message"] == "BlueGreenPause"
    world.patch_status({"pauseConditions": None})
    fail_once(world, what, trouble)
    try:
        world.run(60)
    except Crash:
        world.forget_memory()
        world.run(60)
    assert active(world) == "v2"
    assert world.status["phase"] == "Healthy"
    assert world.reasons().count("RolloutPaused") == 1


def test_a_resume_outlasts_pods_that_die_before_the_switch() -> None:
    """The switch waits for pods, not for a second word."""
    world = a_world(**PERSON)
    world.lose_pods(next(name for name, raw in world.replica_sets.items() if "v2" in str(raw["spec"]["template"])))
    world.patch_status({"pauseConditions": None})
    world.settle()
    assert active(world) == "v1"
    world.run(10)
    assert active(world) == "v2"


def test_a_resume_after_no_verdict_is_no_resume_of_the_pause() -> None:
    """What a person said about the analysis is not taken for the switch."""
    world = a_world(**PERSON, **PRE)
    world.settings = Settings(reading=lambda metric, now: [0.7])
    world.set_image("v3")
    world.run(60)
    assert world.status["message"] == "InconclusiveAnalysisRun"
    world.settings = Settings()
    world.patch_status({"pauseConditions": None})
    world.run(60)
    assert world.status["message"] == "BlueGreenPause"
    assert active(world) == "v1"


def test_a_way_back_that_failed_is_no_short_way_when_tried_again() -> None:
    """Law 24: an older version was given up in its pause; the delay of that abort does not let it skip the way."""
    world = a_world(**PERSON)
    world.patch_status({"pauseConditions": None})
    world.run(60)
    world.set_image("v1")
    world.run(10)
    world.patch_status({"abort": True})
    world.run(10)
    assert "scale-down-deadline" in str(world.replica_sets)
    world.patch_status({"abort": False})
    world.run(20)
    assert world.status["message"] == "BlueGreenPause"
    assert active(world) == "v2"


def test_a_superseded_preview_is_no_version_to_go_back_to() -> None:
    """Law 28: it is still up and older than stable, but it has proven nothing."""
    world = a_world(**PERSON)
    world.set_image("v3")
    world.run(10)
    world.patch_status({"pauseConditions": None})
    world.run(6)
    assert active(world) == "v3"
    assert world.sizes()["v2"] == 3
    world.set_image("v2")
    world.run(60)
    assert active(world) == "v3"
    assert world.status["message"] == "BlueGreenPause"


def test_a_short_way_back_outlasts_a_restart() -> None:
    """Law 13: that the old version was still up is on record when its delay is over."""
    world = a_world(**PERSON)
    world.patch_status({"pauseConditions": None})
    world.run(10)
    name = next(name for name, raw in world.replica_sets.items() if "v1" in str(raw["spec"]["template"]))
    world.lose_pods(name)
    world.set_image("v1")
    world.settle()
    world.forget_memory()
    world.run(60)
    assert active(world) == "v1"
    assert world.status["phase"] == "Healthy"


def test_what_was_measured_of_another_version_proves_nothing() -> None:
    """Law 28: somebody led users away in mid-verification; it begins again when they are back."""
    world = a_world(**POST)
    (run,) = world.runs
    world.apply_service("web-active", world.status["stableRS"])
    world.run(10)
    assert active(world) == "v2"
    assert world.runs[run]["spec"]["terminate"]
    assert world.status["stableRS"] != world.status["currentPodHash"]
    world.run(120)
    assert set(world.runs) == {run, f"{run}.1"}
    assert world.status["phase"] == "Healthy"


def test_an_invalid_spec_is_no_bar_to_an_abort() -> None:
    """Law 19: users are led back while the spec waits for its correction."""
    world = a_world(**POST)
    assert active(world) == "v2"
    world.edit({"spec": {"minReadySeconds": 10, "progressDeadlineSeconds": 5}})
    world.run(5)
    assert active(world) == "v2"
    world.patch_status({"abort": True})
    world.run(60)
    assert active(world) == "v1"
    assert world.status["message"].startswith("InvalidSpec: ")
    world.edit({"spec": {"minReadySeconds": 0, "progressDeadlineSeconds": 600}})
    world.run(60)
    assert active(world) == "v1"
    assert world.status["message"].startswith("RolloutAborted: ")


def test_an_invalid_spec_switches_nothing() -> None:
    """A person's resume waits for the correction."""
    world = a_world(**PERSON)
    world.edit({"spec": {"minReadySeconds": 10, "progressDeadlineSeconds": 5}})
    world.run(5)
    world.patch_status({"pauseConditions": None})
    world.run(60)
    assert active(world) == "v1"
    world.edit({"spec": {"minReadySeconds": 0, "progressDeadlineSeconds": 600}})
    world.run(60)
    assert active(world) == "v2"


def test_from_a_canary_to_blue_green() -> None:
    """The same template is no new version: users are led to it, and nothing is rolled out."""
    world = World(a_rollout(canary(20, pause()), replicas=3))
    world.run(60)
    world.new_service("web-active")
    world.edit({"spec": {"strategy": {"canary": None, "blueGreen": {"activeService": "web-active"}}}})
    world.run(60)
    assert active(world) == "v1"
    assert world.status["phase"] == "Healthy"
    assert "currentStepIndex" not in world.status
    assert len(world.replica_sets) == 1
    world.set_image("v2")
    world.run(60)
    assert active(world) == "v2"


def test_from_blue_green_to_a_canary() -> None:
    """Likewise; what blue-green had on record goes."""
    world = a_world()
    world.edit({"spec": {"strategy": {"blueGreen": None, "canary": {"steps": [{"setWeight": 34}, {"pause": {}}]}}}})
    world.run(60)
    assert world.status["phase"] == "Healthy"
    assert "blueGreen" not in world.status
    world.set_image("v3")
    world.run(60)
    assert world.sizes() == {"v1": 0, "v2": 2, "v3": 1}


def test_a_rollout_that_was_left_in_its_pause_goes_on() -> None:
    """Taken over as another controller left it: no pod is restarted, and its pause has the start it had."""
    world = a_world(autoPromotionSeconds=300)
    (condition,) = world.status["pauseConditions"]
    theirs = dict(world.status)
    for ours in ("verbs", "duration", "conditions"):
        theirs.pop(ours, None)
    for raw in world.replica_sets.values():
        raw["metadata"]["annotations"].pop("rollouts.io/promoted", None)
    world.rollout["status"] = theirs
    world.patch_status({})
    names = set(world.replica_sets)
    world.forget_memory()
    world.run(60)
    assert world.status["pauseConditions"] == [condition]
    world.run(300)
    assert active(world) == "v2"
    assert set(world.replica_sets) == names


def test_users_stay_where_they_are_while_a_version_never_comes_up() -> None:
    """A broken version costs them nothing, for as long as it takes."""
    world = a_world("broken")
    world.run(3600)
    assert active(world) == "v1"
    assert world.sizes() == {"v1": 3, "broken": 3}
    assert world.status["phase"] == "Degraded"


def test_a_promotion_in_full_counts_that_comes_with_an_abort() -> None:
    """Both wishes before one turn: users reach the new version, as existing clients expect."""
    world = a_world(**PERSON)
    world.patch_status({"abort": True, "promoteFull": True})
    world.run(60)
    assert (active(world), world.status["phase"]) == ("v2", "Healthy")


def test_a_promotion_in_full_that_is_taken_back_leaves_the_pause() -> None:
    """Users are not led to a version that nobody wants promoted any more, however late its pods come."""
    world = a_world("broken", **PERSON)
    world.patch_status({"promoteFull": True})
    world.run(30)
    world.patch_status({"promoteFull": None})
    world.settings = Settings(ready_after=lambda image: 5)
    world.run(60)
    assert (active(world), world.status["message"]) == ("v1", "BlueGreenPause")


def test_an_abort_ends_a_promotion_in_full_that_is_under_way() -> None:
    """Law 19: what skips pauses and analyses can be given up like anything else."""
    world = a_world("broken", **PERSON)
    world.patch_status({"promoteFull": True})
    world.run(60)
    world.patch_status({"abort": True})
    world.run(60)
    assert (active(world), world.status["phase"]) == ("v1", "Degraded")
    assert "promoteFull" not in world.status
