"""People and Git steer a Rollout with kubectl; what came of it stands in its status, its conditions and its Events."""

from __future__ import annotations

import json

import pytest

from rollouts.demo.sight import ROLLOUTS
from rollouts.sandbox.kinds import Json
from tests.e2e.apps import a_rollout, annotated, pause, weight
from tests.e2e.stage import NAME, Place, condition_of, phase, status, step_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("e2e-steering")]

STEPS = (weight(25), pause(), weight(50), pause())
"""Two places where a person is waited for."""


async def with_canary(place: Place, *steps: Json) -> str:
    """Deploy web:1, update to web:2, and wait for the pause at step 1; the canary's hash."""
    await place.apply(a_rollout(*(steps or STEPS)))
    await place.until_stable("web:1")
    await place.apply(a_rollout(*(steps or STEPS), image="web:2"))
    return str(status(await place.until_at(1))["currentPodHash"])


async def is_by_hand_and_gone(place: Place, verb: str) -> None:
    """An unguarded annotation was removed."""
    key = f"rollouts.io/{verb}"
    await place.until(f"{key} to be gone", lambda seen: key not in seen["metadata"].get("annotations", {}))


async def test_promote_by_hand_goes_on_by_one_step(place: Place) -> None:
    """Carried out once: from the first pause to the second, and not past it; then fully."""
    await with_canary(place)
    await place.until_pods({"web:1": 3, "web:2": 1})
    await place.annotate("promote", "step looks good")
    record = await place.until_verb("promote", "step looks good")
    assert (record["outcome"], record["requestedBy"]) == ("Done", "kubectl-annotate")
    await place.until_at(3)
    await is_by_hand_and_gone(place, "promote")
    await place.until_pods({"web:1": 2, "web:2": 2})
    await place.annotate("promote", "full")
    await place.until_stable("web:2")
    await place.until_pods({"web:2": 4})


async def test_abort_by_hand_goes_back_and_retry_starts_again(place: Place) -> None:
    """Stable serves everything; the reason given stands in the record; the retry begins at the first step."""
    await with_canary(place)
    await place.annotate("abort", "abort error budget")
    seen = await place.until("the abort", lambda seen: phase(seen) == "Degraded" and step_of(seen) == 0)
    assert status(seen)["abort"] is True
    assert "RolloutAborted: Rollout aborted update to revision 2" in status(seen)["message"]
    await place.until_pods({"web:1": 4})
    event = await place.until_event("VerbDone", "error budget")
    assert "kubectl-annotate" in event["message"]
    await place.annotate("retry", "retry")
    await place.until_at(1)
    await place.until_pods({"web:1": 3, "web:2": 1})


async def test_a_verb_that_means_nothing_is_refused_with_the_reason(place: Place) -> None:
    """Nothing is aborted, so there is nothing to retry; the record and a Warning say so."""
    await place.apply(a_rollout())
    await place.until_stable("web:1")
    await place.annotate("retry", "retry")
    record = await place.until_verb("retry", "retry")
    assert (record["outcome"], record["message"]) == ("Refused", "nothing to retry: the update is not aborted")
    event = await place.until_event("VerbRefused")
    assert event["type"] == "Warning"
    await is_by_hand_and_gone(place, "retry")


async def test_pause_holds_and_resume_goes_on(place: Place) -> None:
    """Also in the middle of weights: while paused no step is done, and a change of scale is followed."""
    await place.apply(a_rollout(weight(50)))
    await place.until_stable("web:1")
    await place.annotate("pause", "pause")
    await place.until_verb("pause", "pause")
    await place.apply(a_rollout(weight(50), image="web:2"))
    await place.wait_for("Paused")
    await place.until("the pause to be told", lambda seen: phase(seen) == "Paused" and seen["spec"]["paused"])
    await place.kubectl("scale", "rollout", NAME, "--replicas=6")
    await place.until("six pods", lambda seen: status(seen)["availableReplicas"] >= 6)
    assert step_of(await place.rollout()) == 0
    await place.annotate("resume", "resume")
    seen = await place.until_stable("web:2")
    assert not seen["spec"].get("paused")
    await place.until_pods({"web:2": 6})


async def test_restart_replaces_every_pod(place: Place) -> None:
    """Each is evicted within the budget; the template and the revision stay."""
    rollout = a_rollout(replicas=2)
    # API times are whole seconds: only pods of an earlier second than the request are surely older than it
    rollout["spec"]["template"]["metadata"]["annotations"] = {"sandbox.rollouts.io/ready-after": "1s"}
    await place.apply(rollout)
    await place.until_stable("web:1")
    before = {pod["metadata"]["uid"] for pod in await place.pod_objects()}
    await place.annotate("restart", "restart")
    record = await place.until_verb("restart", "restart")
    assert record["outcome"] == "Done"

    def is_restarted(seen: Json) -> bool:
        return bool(status(seen).get("restartedAt")) and status(seen)["restartedAt"] == seen["spec"]["restartAt"]

    await place.until("the restart", is_restarted)
    await place.until_stable("web:1")
    after = {pod["metadata"]["uid"] for pod in await place.pod_objects()}
    assert not before & after
    assert len(await place.replica_sets()) == 1


@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["client-side", "server-side"])
async def test_a_verb_in_an_applied_manifest_needs_a_guard_and_acts_once(
    place: Place, options: tuple[str, ...]
) -> None:
    """Applied over and over it neither acts without saying what it means, nor twice."""
    first, second = a_rollout(*STEPS), a_rollout(*STEPS, image="web:2")
    await place.apply(first, options=options)
    await place.until_stable("web:1")
    await place.apply(second, options=options)
    await place.until_at(1)
    await place.apply(annotated(second, "promote", "step"), options=options)
    record = await place.until_verb("promote", "step")
    assert record["outcome"] == "Refused"
    assert "'step@1'" in record["message"]
    assert step_of(await place.rollout()) == 1
    guarded = annotated(second, "promote", "step@1 checked by the team")
    await place.apply(guarded, options=options)
    await place.until_at(3)
    await place.apply(guarded, options=options)
    seen = await place.until_at(3)
    assert seen["metadata"]["annotations"]["rollouts.io/promote"] == "step@1 checked by the team"
    assert [each["outcome"] for each in status(seen)["verbs"]] == ["Refused", "Done"]
    canary = status(seen)["currentPodHash"]
    await place.apply(annotated(second, "promote", f"full@{canary}"), options=options)
    await place.until_stable("web:2")
    third = annotated(a_rollout(*STEPS, image="web:3"), "promote", f"full@{canary}")
    await place.apply(third, options=options)
    await place.until_at(1)


async def test_a_guard_waits_for_its_moment(place: Place) -> None:
    """A manifest that already says `step@3` does nothing at step 1, and acts when step 3 is there."""
    await with_canary(place)
    await place.apply(annotated(a_rollout(*STEPS, image="web:2"), "promote", "step@3"))
    await place.annotate("promote", "step@1")
    await place.until_at(3)
    await place.apply(annotated(a_rollout(*STEPS, image="web:2"), "promote", "step@3"))
    await place.until_stable("web:2")


async def test_the_public_plugins_abort_and_retry(place: Place) -> None:
    """Patches of the status: `abort` true, then false."""
    await with_canary(place)
    await place.patch({"status": {"abort": True}}, subresource="status")
    await place.until("the abort", lambda seen: phase(seen) == "Degraded")
    await place.until_pods({"web:1": 4})
    await place.patch({"status": {"abort": False}}, subresource="status")
    seen = await place.until_at(1)
    assert not status(seen).get("abort")


async def test_the_public_plugins_promote(place: Place) -> None:
    """The pause taken out of the status and the next index put in; then `promoteFull`."""
    await with_canary(place)
    await place.patch({"status": {"pauseConditions": None, "currentStepIndex": 2}}, subresource="status")
    await place.until_at(3)
    await place.patch({"status": {"promoteFull": True}}, subresource="status")
    seen = await place.until_stable("web:2")
    assert not status(seen).get("promoteFull")


async def test_the_public_plugins_resume_of_a_pause_step(place: Place) -> None:
    """Only the pause taken out: the step is over."""
    await with_canary(place)
    await place.patch({"status": {"pauseConditions": None}}, subresource="status")
    await place.until_at(3)


async def test_the_public_plugins_pause_and_restart(place: Place) -> None:
    """Patches of the spec."""
    await with_canary(place)
    await place.patch({"spec": {"paused": True}})
    await place.until("the pause", lambda seen: status(seen).get("message") == "manually paused")
    await place.patch({"spec": {"paused": False}})
    await place.until("its end", lambda seen: status(seen).get("message") == "CanaryPauseStep")
    before = {pod["metadata"]["uid"] for pod in await place.pod_objects()}
    await place.patch({"spec": {"restartAt": "2020-01-01T00:00:00Z"}})
    await place.until("nothing to restart", lambda seen: status(seen).get("restartedAt") == "2020-01-01T00:00:00Z")
    assert {pod["metadata"]["uid"] for pod in await place.pod_objects()} == before, "all are younger"


async def test_the_public_plugins_undo(place: Place) -> None:
    """A JSON patch puts the template of the former ReplicaSet back; stable again, without steps."""
    await with_canary(place)
    former = (await place.replica_sets())[0]["spec"]["template"]
    del former["metadata"]["labels"]["rollouts-pod-template-hash"]
    operation = [{"op": "replace", "path": "/spec/template", "value": former}]
    await place.kubectl("patch", "rollout", NAME, "--type=json", "-p", json.dumps(operation))
    await place.until_stable("web:1")
    await place.until_event("SkipSteps", "Rollback to stable ReplicaSets")
    await place.until_pods({"web:1": 4})


async def test_kubectl_wait_understands_every_condition(place: Place) -> None:
    """As CI pipelines use it."""
    await place.apply(a_rollout(*STEPS))
    for kind in ("Available", "Healthy", "Completed", "Ready"):
        await place.wait_for(kind)
    await place.apply(a_rollout(*STEPS, image="web:2"))
    await place.wait_for("Paused")
    for kind in ("Completed", "Healthy", "Ready"):
        await place.wait_for(kind, status="False")
    seen = await place.rollout()
    assert condition_of(seen, "Ready")["message"]
    await place.annotate("promote", "full")
    for kind in ("Healthy", "Completed", "Ready"):
        await place.wait_for(kind)


async def test_scaling_mid_canary_moves_pods_and_nothing_else(place: Place) -> None:
    """`kubectl scale`, and an autoscaler's write of the scale subresource: same step, same revision, weight kept."""
    canary = await with_canary(place)
    await place.kubectl("scale", "rollout", NAME, "--replicas=8")
    await place.until_pods({"web:1": 6, "web:2": 2})
    scale = json.loads(await place.kubectl("get", "rollout", NAME, "--subresource=scale", "-o", "json"))
    assert scale["spec"]["replicas"] == 8
    assert scale["status"]["selector"] == "app=web"
    path = ROLLOUTS.item((place.namespace, NAME), "scale")
    await place.api.request("PUT", path, body=scale | {"spec": {"replicas": 4}})
    await place.until_pods({"web:1": 3, "web:2": 1})
    seen = await place.until_at(1)
    assert status(seen)["currentPodHash"] == canary
    assert seen["spec"]["replicas"] == 4


async def test_events_tell_the_story_in_order(place: Place) -> None:
    """First deployment and update, as the public clients' tests know it."""
    await place.apply(a_rollout(weight(50)))
    await place.until_stable("web:1")
    completed = await place.until_event("RolloutCompleted", "revision 1")
    assert completed["source"]["component"] == "rollouts-controller"
    assert first_reasons(await place.events()) == [
        "RolloutAddedToInformer",
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "RolloutNotCompleted",
        "ScalingReplicaSet",
        "RolloutCompleted",
    ]
    told = {event["metadata"]["uid"] for event in await place.events()}
    await place.apply(a_rollout(weight(50), image="web:2"))
    await place.until_stable("web:2")
    await place.until_event("RolloutCompleted", "revision 2")
    update = [event for event in await place.events() if event["metadata"]["uid"] not in told]
    assert first_reasons(update) == [
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "RolloutNotCompleted",
        "ScalingReplicaSet",
        "RolloutStepCompleted",
        "RolloutCompleted",
    ]


def first_reasons(events: list[Json]) -> list[str]:
    """The reasons in the order of their first appearance."""
    return list(dict.fromkeys(str(event["reason"]) for event in events))
