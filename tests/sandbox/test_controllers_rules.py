"""The rules of the controllers, value in, value out: which pods go first, how updates roll, who is garbage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.sandbox.clock import stamp
from rollouts.sandbox.controllers import job, progress, replicaset, revisions
from rollouts.sandbox.controllers.endpoint_slices import wanted_slices, wanted_subsets
from rollouts.sandbox.controllers.ownership import FOREGROUND, Owned, Ownership
from rollouts.sandbox.controllers.pods import first_to_delete
from rollouts.sandbox.controllers.rolling import Bounds, Member, absolute, bounds, grown, shrunk, spread
from rollouts.sandbox.controllers.selection import matches
from rollouts.sandbox.kinds import PODS, REPLICA_SETS
from tests.sandbox.a_pod import NOON, Json, a_pod, at, terminating


def names(pods: list[Json]) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods]


def test_pods_that_serve_least_are_deleted_first() -> None:
    """Unassigned, pending, not ready, cheap, crowded, young: each weighs less than what stands before it."""
    unassigned = a_pod("unassigned")
    unassigned["spec"]["nodeName"] = ""
    cheap = a_pod("cheap")
    cheap["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": "-5"}
    restarted = a_pod("restarted")
    restarted["status"]["containerStatuses"] = [{"restartCount": 3}]
    pods = [
        a_pod("old", age=500),
        a_pod("young", age=100),
        restarted,
        a_pod("ready for a short time", ready_for=5),
        cheap,
        a_pod("not ready", ready_for=None),
        a_pod("pending", phase="Pending", ready_for=None),
        unassigned,
    ]
    assert names(first_to_delete(pods, related=pods)) == [
        "unassigned",
        "pending",
        "not ready",
        "cheap",
        "ready for a short time",
        "restarted",
        "young",
        "old",
    ]


def test_a_crowded_node_gives_up_pods_first() -> None:
    """Of equal pods those go that share their node with more siblings."""
    pods = [a_pod("a"), a_pod("b"), a_pod("alone", age=50)]
    pods[2]["spec"]["nodeName"] = "other"
    assert names(first_to_delete(pods, related=pods))[-1] == "alone"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"key": "app", "operator": "In", "values": ["web", "api"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["web"]}, False),
        ({"key": "tier", "operator": "NotIn", "values": ["web"]}, True),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "app", "operator": "DoesNotExist"}, False),
    ],
)
def test_selectors_choose_by_expressions(expression: Json, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """Every operator of a label selector."""
    assert matches({"matchExpressions": [expression]}, {"app": "web"}) is expected


def test_no_selector_chooses_nothing_and_an_empty_one_all() -> None:
    """The two are not the same."""
    assert not matches(None, {"app": "web"})
    assert matches({}, {"app": "web"})


def test_a_replica_set_counts_available_pods_after_min_ready_seconds() -> None:
    """Ready for 50 s is available with 50, not with 51, and the next look is due when that changes."""
    owner: Json = {"metadata": {"generation": 3}, "spec": {"minReadySeconds": 51, "template": {}}}
    pods = [a_pod(), terminating(a_pod("b")), a_pod("c", phase="Failed", ready_for=None)]
    status = replicaset.status_of(owner, pods, None, now=NOON)
    assert status == {"replicas": 1, "fullyLabeledReplicas": 1, "readyReplicas": 1, "observedGeneration": 3}
    assert replicaset.seconds_to_next_available(owner, pods, now=NOON) == pytest.approx(1.001)
    assert replicaset.status_of(owner, pods, None, now=at(1))["availableReplicas"] == 1


@pytest.mark.parametrize(
    ("value", "round_up", "expected"), [(3, True, 3), ("25%", True, 3), ("25%", False, 2), ("0%", True, 0)]
)
def test_percentages_round_as_the_strategy_says(value: int | str, round_up: bool, expected: int) -> None:  # noqa: FBT001
    """Surge rounds up and unavailable rounds down, of ten pods."""
    assert absolute(value, of=10, round_up=round_up) == expected


def test_bounds_never_stop_an_update() -> None:
    """Neither surge nor unavailable would mean that nothing can ever move."""
    assert bounds({"maxSurge": 0, "maxUnavailable": "1%"}, desired=5) == Bounds(surge=0, unavailable=1)


def member(name: str, wanted: int, available: int, created: str = "0") -> Member:
    return Member(name=name, wanted=wanted, available=available, created=created)


sizes = st.integers(min_value=0, max_value=20)


def members(name: str) -> st.SearchStrategy[Member]:
    return st.builds(lambda wanted, up: member(name, wanted, min(wanted, up)), sizes, sizes)


@settings(max_examples=100)
@given(desired=sizes, limits=st.builds(Bounds, surge=sizes, unavailable=sizes), new=members("new"), old=members("old"))
def test_a_rolling_step_keeps_its_bounds(desired: int, limits: Bounds, new: Member, old: Member) -> None:
    """Growing never exceeds desired + surge, shrinking never takes an available pod below desired - unavailable."""
    grown_to = grown(new, [old], desired=desired, limits=limits)
    assert grown_to <= max(desired + limits.surge - old.wanted, new.wanted) or grown_to == desired <= new.wanted
    shrunk_to = shrunk(new, [old], desired=desired, limits=limits).get("old", old.wanted)
    assert 0 <= shrunk_to <= old.wanted
    if shrunk_to < old.available:
        assert new.available + shrunk_to >= desired - limits.unavailable


@settings(max_examples=100)
@given(desired=sizes, first=st.integers(1, 20), second=st.integers(1, 20))
def test_a_change_of_scale_is_shared_out_completely(desired: int, first: int, second: int) -> None:
    """The sizes of two ReplicaSets after scaling add up to what is allowed, whatever they were."""
    members = [member("a", first, first), member("b", second, second, created="1")]
    after = spread(members, desired=desired, limits=Bounds(surge=1, unavailable=0))
    assert all(size >= 0 for size in after.values())
    assert sum(after.values()) == (desired + 1 if desired else 0)


def test_unhealthy_old_pods_go_before_healthy_ones() -> None:
    """A broken version in between does not hold up the next one."""
    broken, good = member("broken", 2, 0, created="1"), member("good", 4, 4)
    after = shrunk(member("new", 1, 0), [good, broken], desired=5, limits=Bounds(surge=2, unavailable=1))
    assert after == {"broken": 0}


def a_deployment(**spec: Any) -> Json:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web"}]}}
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "d", "generation": 1},
        "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


def test_a_deployment_finds_its_replica_set_again() -> None:
    """The set made for a template is the current one, whatever label was added; another template has none."""
    deployment = a_deployment()
    made = revisions.new_replica_set(deployment, revision=1, replicas=4, limits=Bounds(surge=1, unavailable=1))
    assert revisions.current(deployment, [made]) is made
    assert made["spec"]["selector"]["matchLabels"]["pod-template-hash"] in made["metadata"]["name"]
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    assert revisions.current(deployment, [made]) is None


def test_history_keeps_the_newest_revisions() -> None:
    """Only idle sets beyond the limit go, lowest revision first."""
    sets = []
    for number in range(4):
        annotations = {revisions.REVISION: str(number)}
        metadata = {"name": f"web-{number}", "annotations": annotations, "generation": 1}
        sets.append({"metadata": metadata, "spec": {"replicas": 0}, "status": {"observedGeneration": 1}})
    gone = revisions.to_clean_up(a_deployment(revisionHistoryLimit=2), sets)
    assert names(gone) == ["web-0", "web-1"]


def test_a_deployment_without_progress_is_late_after_its_deadline() -> None:
    """The clock runs from the last progress, and not once the update is complete."""
    deployment = a_deployment(progressDeadlineSeconds=10)
    first = progress.status_of(deployment, None, [], now=NOON)
    deployment["status"] = first
    assert progress.seconds_to_deadline(deployment, first, now=NOON) == pytest.approx(10.01)
    late = progress.status_of(deployment, None, [], now=at(10))
    condition = progress.condition_of({"status": late}, "Progressing")
    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("False", "ProgressDeadlineExceeded")


def test_a_complete_deployment_says_so() -> None:
    """All replicas of the present template and available: the new ReplicaSet is available."""
    owned = {"metadata": {"name": "web-a"}, "spec": {"replicas": 4}, "status": {"replicas": 4, "availableReplicas": 4}}
    status = progress.status_of(a_deployment(), owned, [owned], now=NOON)
    reasons = [condition["reason"] for condition in status["conditions"]]
    assert reasons == ["MinimumReplicasAvailable", "NewReplicaSetAvailable"]


def a_service(**spec: Any) -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]
    metadata = {"name": "web", "namespace": "default", "uid": "s"}
    return {"metadata": metadata, "spec": {"selector": {"app": "web"}, "ports": ports, **spec}}


def test_a_terminating_pod_is_listed_but_not_ready() -> None:
    """It serves still, and no new connection may go there."""
    (content,) = wanted_slices(a_service(), [terminating(a_pod())])
    assert content["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
    assert content["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}
    assert wanted_subsets(a_service(), [terminating(a_pod())]) == []


def test_endpoints_tell_ready_from_waiting() -> None:
    """A pod that is not ready is among notReadyAddresses, unless the Service publishes it all the same."""
    waiting = a_pod(ready_for=None)
    assert "notReadyAddresses" in wanted_subsets(a_service(), [waiting])[0]
    assert "addresses" in wanted_subsets(a_service(publishNotReadyAddresses=True), [waiting])[0]


def test_slices_are_bounded() -> None:
    """More endpoints than one slice takes go into the next one."""
    pods = [a_pod(f"web-{number}") for number in range(201)]
    assert [len(content["endpoints"]) for content in wanted_slices(a_service(), pods)] == [100, 100, 1]


def a_job(**spec: Any) -> Json:
    return {"metadata": {"name": "check", "uid": "j"}, "spec": {"completions": 1, "parallelism": 1, **spec}}


def a_tally(*, succeeded: int = 0, failed: int = 0, active: int = 0) -> job.Tally:
    return job.Tally(active=active, ready=0, succeeded=succeeded, failed=failed, last_failure=NOON if failed else None)


@pytest.mark.parametrize(
    ("spec", "seen", "reason"),
    [
        ({}, a_tally(), None),
        ({}, a_tally(succeeded=1), "CompletionsReached"),
        ({"backoffLimit": 1}, a_tally(failed=1), None),
        ({"backoffLimit": 1}, a_tally(failed=2), "BackoffLimitExceeded"),
        ({"completions": None}, a_tally(succeeded=1, active=1), None),
        ({"completions": None}, a_tally(succeeded=1), "CompletionsReached"),
    ],
)
def test_a_job_ends_when_it_should(spec: Json, seen: job.Tally, reason: str | None) -> None:
    """Enough successes, or one failure more than the limit."""
    ended = job.verdict(a_job(**spec), seen, now=NOON)
    assert (ended.reason if ended else None) == reason


def test_a_job_out_of_time_has_failed() -> None:
    """The deadline counts from the start."""
    late = a_job(activeDeadlineSeconds=5) | {"status": {"startTime": stamp(NOON)}}
    assert job.verdict(late, a_tally(active=1), now=at(4)) is None
    assert (ended := job.verdict(late, a_tally(active=1), now=at(5))) and ended.reason == "DeadlineExceeded"


def test_a_failed_pod_is_replaced_after_a_growing_wait() -> None:
    """10 s after the first failure, 20 s after the second."""
    assert job.backoff_left(a_tally(failed=1), now=at(1)) == 9
    assert job.backoff_left(a_tally(failed=2), now=at(1)) == 19


def an_object(uid: str, *owners: str, deleting: str = "") -> Json:
    references = [{"uid": owner, "name": owner, "blockOwnerDeletion": True} for owner in owners]
    metadata: Json = {"name": uid, "namespace": "default", "uid": uid, "resourceVersion": "1"}
    metadata |= {"ownerReferences": references}
    if deleting:
        metadata |= {"deletionTimestamp": stamp(NOON), "finalizers": [deleting]}
    return {"metadata": metadata}


def test_dependents_are_looked_at_when_their_owner_goes() -> None:
    """And nothing is looked at while all owners are there."""
    graph = Ownership()
    assert list(graph.put(Owned.of(REPLICA_SETS, an_object("set")))) == []
    assert list(graph.put(Owned.of(PODS, an_object("pod", "set")))) == []
    assert list(graph.remove("set")) == ["pod"]
    assert graph.is_gone("set")


def test_an_object_with_an_unknown_owner_is_looked_at() -> None:
    """Whether the owner is really missing is for the API server to say."""
    assert list(Ownership().put(Owned.of(PODS, an_object("pod", "set")))) == ["pod"]


def test_the_last_blocking_dependent_frees_its_owner() -> None:
    """A foreground deletion is looked at again when a dependent has gone."""
    graph = Ownership()
    graph.put(Owned.of(REPLICA_SETS, an_object("set", deleting=FOREGROUND)))
    assert set(graph.put(Owned.of(PODS, an_object("pod", "set")))) == {"pod", "set"}
    assert list(graph.remove("pod")) == ["set"]


def test_conditions_without_times_are_understood() -> None:
    """A client may leave them out: such a pod is ready, but nobody knows since when, so no wait is over for it."""
    timeless = a_pod()
    timeless["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    failed = a_pod("failed", phase="Failed", ready_for=None)
    failed["status"]["containerStatuses"] = [{"state": {"terminated": {"exitCode": 1}}}]
    owner: Json = {"metadata": {"generation": 1}, "spec": {"template": {}}}
    counted = replicaset.status_of(owner, [timeless, failed], None, now=NOON)
    assert (counted["readyReplicas"], counted["availableReplicas"]) == (1, 1)
    owner["spec"]["minReadySeconds"] = 1
    counted = replicaset.status_of(owner, [timeless], None, now=NOON)
    assert (counted["readyReplicas"], counted.get("availableReplicas", 0)) == (1, 0)
    assert replicaset.seconds_to_next_available(owner, [timeless], now=NOON) is None
    assert names(first_to_delete([a_pod("known"), timeless], related=[])) == ["known", "web-1"]
    assert job.tally({"metadata": {}, "spec": {}}, [failed]).failed == 1
