"""The actions of Argo CD, clicked on a Rollout of every strategy in every phase, and what comes of them."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from tests.builders import Json, a_rollout, canary, pause
from tests.clients import argocd, reactions
from tests.clients.phases import STEPS, a_world, begun, every_phase, every_steerable
from tests.clients.wire import Ready, Request, Served, Wire, main, status
from tests.world import World


def click(served: Served, action: str) -> list[Request]:
    """What an action sends, and the controller at rest after it."""
    sent = argocd.clicked(action, served.rollout, now=served.world.now)
    served.send(sent)
    served.world.settle()
    return sent


@every_phase
def test_what_is_offered_fits_the_phase(strategy: str, phase: str) -> None:
    """The status says what can be done: nothing but a restart and a resume of a Rollout that is at its end."""
    world = a_world(strategy, phase)
    offered = argocd.offered(world.rollout) - {"restart"}
    canary = {"skip-current-step"} if reactions.is_canary(world) else set()
    if phase in ("first deploy", "healthy", "finished"):
        assert offered == set()
    elif phase == "aborted":
        assert offered == {"retry", "promote-full"} | canary
    elif phase == "paused by hand":
        assert offered == {"resume", "abort", "promote-full"} | canary
    else:
        resumable = {"resume"} if world.status.get("pauseConditions") else set()
        assert offered == {"abort", "pause", "promote-full"} | resumable | canary


@every_steerable
def test_resume(ready: Ready, strategy: str, phase: str) -> None:
    """A pause is over, by hand or not, and the update goes on; an inconclusive analysis is made again."""
    served = ready(strategy, phase)
    world, runs = served.world, len(served.world.runs)
    if "resume" not in argocd.offered(world.rollout):
        return
    sent = click(served, "resume")
    assert {"status": {"pauseConditions": None}} in [each.body for each in sent]
    assert ({"spec": {"paused": False}} in [each.body for each in sent]) == (phase == "paused by hand")
    world.run(2)
    if phase == "inconclusive":
        assert len(world.runs) == runs + 1
    world.run(60)
    assert not world.rollout["spec"].get("paused")
    if not reactions.is_canary(world):
        assert world.status.get("message", "") == reactions.BLUE_GREEN_PROMOTED[phase]
    elif phase == "late":
        reactions.is_done(world, "v2")
    else:
        assert (world.status["currentStepIndex"], world.status["message"]) == (4, "CanaryPauseStep")


@every_steerable
def test_abort_and_retry(ready: Ready, strategy: str, phase: str) -> None:
    """All traffic goes back to stable, whatever was waited for; the retry begins at the first step."""
    served = ready(strategy, phase)
    world = served.world
    if "abort" not in argocd.offered(world.rollout):
        return
    (sent,) = click(served, "abort")
    assert (sent.body, sent.subresource) == ({"status": {"abort": True}}, "status")
    reactions.is_given_up(world, new=reactions.new_image(world))
    if phase in ("stuck", "paused by hand"):
        return
    (sent,) = click(served, "retry")
    assert sent.body == {"status": {"abort": None}}
    assert not {"abort", "abortedAt"} & set(world.status)
    world.run(60)
    reactions.is_held(world, "CanaryPauseStep" if reactions.is_canary(world) else "BlueGreenPause")


@every_steerable
def test_pause(ready: Ready, strategy: str, phase: str) -> None:
    """Nothing goes on, and the phase says why."""
    served = ready(strategy, phase)
    if "pause" not in argocd.offered(served.world.rollout):
        return
    (sent,) = click(served, "pause")
    assert (sent.body, sent.subresource) == ({"spec": {"paused": True}}, "")
    reactions.is_held(served.world, "manually paused")


@every_steerable
def test_promote_full(ready: Ready, strategy: str, phase: str) -> None:
    """All that is left is skipped, but not the pods."""
    served = ready(strategy, phase)
    world = served.world
    if "promote-full" not in argocd.offered(world.rollout) or phase in ("stuck", "paused by hand"):
        return
    (sent,) = click(served, "promote-full")
    assert (sent.body, sent.subresource) == ({"status": {"promoteFull": True}}, "status")
    world.run(120)
    reactions.is_done(world, "v2")


def test_a_promotion_in_full_waits_for_a_pause_by_hand_to_end(ready: Ready) -> None:
    """Unlike the plugin, Argo CD leaves spec.paused as it is: the wish is kept until it is over."""
    for strategy in ("canary", "routed", "blue-green"):
        served = ready(strategy, "paused by hand")
        click(served, "promote-full")
        served.world.run(60)
        reactions.is_held(served.world, "manually paused")
        click(served, "resume")
        served.world.run(120)
        reactions.is_done(served.world, "v2")


@every_steerable
def test_skip_current_step(ready: Ready, strategy: str, phase: str) -> None:
    """The next step begins, without what the one before waited for."""
    served = ready(strategy, phase)
    world = served.world
    if "skip-current-step" not in argocd.offered(world.rollout):
        return
    index, is_held = world.status["currentStepIndex"], "pauseConditions" in world.status
    (sent,) = click(served, "skip-current-step")
    assert sent.body == {"status": {"currentStepIndex": index + 1} | ({"pauseConditions": None} if is_held else {})}
    if phase == "measured":
        assert reactions.phases(world) == ["Successful"]
    world.run(60)
    if phase == "aborted":
        assert (world.status["phase"], world.status["currentStepIndex"]) == ("Degraded", 0)
    elif phase == "paused by hand":
        assert (world.status["currentStepIndex"], world.status["message"]) == (2, "manually paused")
    elif phase == "late":
        reactions.is_done(world, "v2")
    else:
        expected = 1 if index == 0 else 4
        assert (world.status["currentStepIndex"], world.status["message"]) == (expected, "CanaryPauseStep")


@every_steerable
def test_a_double_click_is_one_click(ready: Ready, strategy: str, phase: str) -> None:
    """Law 18: the same requests again, at once and after the reaction, change nothing and tell nothing."""
    if phase in ("first deploy", "moving", "stuck", "retrying", "finished"):
        return
    for action in sorted(argocd.offered(a_world(strategy, phase).rollout)):
        outcomes = []
        for times in (1, 2):
            served = ready(strategy, phase)
            served.world.now += timedelta(seconds=1)
            sent = argocd.clicked(action, served.rollout, now=served.world.now)
            served.send(sent * times)
            served.world.settle()
            if times == 2:
                served.send(sent)
                served.world.settle()
            outcomes.append((served.world.status, served.world.sizes(), served.world.reasons()))
        once, twice = (dict(outcome[0], observedGeneration="") for outcome in outcomes)
        assert once == twice, action
        assert outcomes[0][1:] == outcomes[1][1:], action


@pytest.mark.parametrize("strategy", ["canary", "routed", "blue-green"])
@pytest.mark.parametrize("is_status_first", [True, False])
def test_a_turn_between_the_two_writes_of_a_resume(ready: Ready, strategy: str, *, is_status_first: bool) -> None:
    """Whichever is seen first, the rollout goes on when both are there, and by one step only."""
    served = ready(strategy, "paused by hand")
    first, second = argocd.clicked("resume", served.rollout)
    assert (first.subresource, second.subresource) == ("status", "")
    for request in (first, second) if is_status_first else (second, first):
        served.send([request])
        served.world.run(2)
    served.world.run(60)
    if strategy == "blue-green":
        reactions.is_done(served.world, "v2")
    else:
        assert (served.world.status["currentStepIndex"], served.world.status["message"]) == (4, "CanaryPauseStep")


@every_steerable
def test_abort_and_promote_full_together(ready: Ready, strategy: str, phase: str) -> None:
    """Both wishes before the next turn: it ends promoted."""
    if phase in ("stuck", "paused by hand"):
        return
    served = ready(strategy, phase)
    served.send([status({"abort": True}), status({"promoteFull": True})])
    served.world.run(120)
    reactions.is_done(served.world, reactions.new_image(served.world))


@pytest.mark.parametrize("strategy", ["canary", "routed", "blue-green"])
def test_an_abort_is_about_the_version_that_was_under_way(ready: Ready, strategy: str) -> None:
    """A new template after it starts anew; what was retried then finds no stale abort, and neither does the next."""
    served = ready(strategy, "aborted")
    world = served.world
    retried = argocd.clicked("retry", served.rollout)
    world.set_image("v3")
    served.send(retried)
    seen: list[Json] = []
    world.after_turn = lambda world: seen.append(copy.deepcopy(world.status)) if not world.is_edited() else None
    world.run(60)
    assert not any("abort" in each or each["phase"] == "Degraded" for each in seen)
    reactions.is_held(world, "CanaryPauseStep" if reactions.is_canary(world) else "BlueGreenPause")


@pytest.mark.parametrize("strategy", ["canary", "routed", "dynamic", "blue-green"])
@pytest.mark.parametrize("when", ["before the first turn", "before the first pods"])
def test_actions_in_the_first_second_of_life(wire: Wire, strategy: str, when: str) -> None:
    """Nothing to steer yet: whatever is clicked, the first version comes up, and nothing of it is left."""
    for action in sorted(argocd.ACTIONS.keys() - ({"skip-current-step"} if strategy == "blue-green" else set())):
        world = begun(strategy)
        if when == "before the first turn":
            world.rollout["status"] = {"phase": "Progressing", "currentStepIndex": 0}
        else:
            world.settle()
        served = Served(world, wire)
        served.send(argocd.clicked(action, served.rollout, now=world.now + timedelta(seconds=1)))
        world.run(60)
        if action == "pause":
            reactions.is_held(world, "manually paused")
            served.send([main({"spec": {"paused": None}})])
            world.run(60)
        reactions.is_done(world, "v1")


def test_a_status_is_there_at_once_for_the_list_of_actions() -> None:
    """The first write of a status has the phase, both hashes' names and the index that scripts compare."""
    for strategy in ("canary", "routed", "blue-green"):
        world = begun(strategy)
        writes: list[Json] = []
        world.after_turn = lambda world, writes=writes: writes.append(copy.deepcopy(world.status))  # type: ignore[misc]
        world.settle()
        first = writes[0]
        assert first["phase"] in ("Progressing", "Healthy", "Degraded", "Paused")
        assert first["currentPodHash"]
        assert first["observedGeneration"] in ("", "1")
        assert reactions.is_canary(world) == ("currentStepIndex" in first)
        argocd.offered(world.rollout)


@pytest.mark.parametrize("strategy", ["canary", "routed", "blue-green"])
def test_what_people_invent_in_a_status_harms_nothing(ready: Ready, strategy: str) -> None:
    """Unknown members are dropped, malformed ones refused by the API server; the verb beside them counts."""
    served = ready(strategy, "paused")
    served.send([status({"bogus": {"deep": [1, None]}, "abort": True})])
    served.world.settle()
    assert "bogus" not in served.world.status
    reactions.is_given_up(served.world, new="v2")
    for malformed in ({"abort": "yes"}, {"currentStepIndex": "two"}, {"pauseConditions": {"reason": "x"}}):
        assert served.wire.send(status(malformed)).code == 422


@pytest.mark.parametrize("index", [-1, 99])
def test_an_index_that_no_step_has_is_brought_inside(wire: Wire, index: int) -> None:
    """A typo of a person moves to the first step or past the last one, never crashes."""
    served = Served(a_world("canary", "paused"), wire)
    served.send([status({"pauseConditions": None, "currentStepIndex": index})])
    served.world.run(60)
    assert served.world.status["currentStepIndex"] == (1 if index < 0 else len(STEPS))


@every_steerable
def test_a_status_that_was_emptied_steers_nothing(ready: Ready, strategy: str, phase: str) -> None:
    """`status: null` from a person is no verb: users keep what serves them, and nothing is promoted by it."""
    served = ready(strategy, phase)
    world, before = served.world, reactions.served(served.world)
    served.send([Request(body={"status": None}, subresource="status")])
    assert world.status == {}
    world.settle()
    for image in ("v2", "broken"):
        assert reactions.served(world).get(image, 0) <= before.get(image, 0)
    assert "v1" in {image for image, size in world.sizes().items() if size} or phase == "finished"


@pytest.mark.parametrize("strategy", ["canary", "routed", "blue-green"])
def test_git_takes_back_what_a_click_put_into_the_spec(ready: Ready, strategy: str) -> None:
    """A sync with self-heal removes `paused` and `restartAt`: what the spec says then holds, and no version is new."""
    served = ready(strategy, "paused")
    world = served.world
    world.now += timedelta(seconds=1)
    for action in ("pause", "restart"):
        click(served, action)
    reactions.is_held(world, "manually paused")
    sets = set(world.replica_sets)
    served.send([main({"spec": {"paused": None, "restartAt": None}})])
    world.run(60)
    reactions.is_held(world, "CanaryPauseStep" if reactions.is_canary(world) else "BlueGreenPause")
    served.send([main({"spec": {"restartAt": "2026-01-01T12:00:00Z"}})])  # older than every pod: nothing to do
    world.run(60)
    assert world.status["restartedAt"] == "2026-01-01T12:00:00Z"
    assert set(world.replica_sets) == sets


def test_skipping_one_of_two_pauses_in_a_row_ends_both() -> None:
    """What the guide warns of: the patch of a skip looks like a resume of the pause that it leads to."""
    world = World(a_rollout(canary(50, pause(), pause(), 75, pause())))
    world.run(60)
    world.set_image("v2")
    world.run(60)
    (sent,) = argocd.clicked("skip-current-step", world.rollout)
    world.patch_status(sent.body["status"])
    world.run(60)
    assert world.status["currentStepIndex"] == 4
