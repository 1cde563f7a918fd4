"""Deleting: preconditions, finalizers, grace, propagation, namespaces, evictions."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.sandbox.rest import Api, Json


def config_map(name: str = "a", **meta: object) -> Json:
    return {"metadata": {"name": name, **meta}}


def pod(name: str = "p", node: str = "", **meta: object) -> Json:
    spec: Json = {"containers": [{"name": "c", "image": "demo:v1"}]}
    return {"metadata": {"name": name, **meta}, "spec": spec | ({"nodeName": node} if node else {})}


def budget() -> Json:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": spec}


def test_a_deleted_object_is_gone(api: Api) -> None:
    """The answer is a Status that says what it was."""
    uid = api.created("v1/configmaps", config_map())["metadata"]["uid"]
    answer = api.delete("v1/configmaps/a")
    assert (answer.code, answer["status"]) == (200, "Success")
    assert answer["details"] == {"name": "a", "kind": "configmaps", "uid": uid}
    assert api.get("v1/configmaps/a").code == 404
    assert api.delete("v1/configmaps/a").code == 404


def test_preconditions(api: Api) -> None:
    """Only this very object, only in this state."""
    meta = api.created("v1/configmaps", config_map())["metadata"]
    other = api.delete("v1/configmaps/a", {"preconditions": {"uid": "other"}})
    assert other.code == 409
    assert f"the UID in the precondition (other) does not match the UID in record ({meta['uid']})" in other.message
    stale = api.delete("v1/configmaps/a", {"preconditions": {"resourceVersion": "1"}})
    assert stale.code == 409
    exact = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    assert api.delete("v1/configmaps/a", {"preconditions": exact}).code == 200


def test_a_finalizer_holds_the_object(api: Api) -> None:
    """It is marked; no finalizer can be added; it goes with the last one, and the watch tells."""
    start = api.created("v1/configmaps", config_map(finalizers=["example.com/a"]))["metadata"]["resourceVersion"]
    with api.watch(f"v1/configmaps?resourceVersion={start}") as events:
        marked = api.delete("v1/configmaps/a").body
        assert marked["metadata"]["deletionTimestamp"]
        assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
        assert api.delete("v1/configmaps/a").body == marked
        added = api.patch("v1/configmaps/a", {"metadata": {"finalizers": ["example.com/a", "example.com/b"]}})
        assert added.code == 422
        assert "no new finalizers can be added if the object is being deleted" in added.message
        labelled = api.patch("v1/configmaps/a", {"metadata": {"labels": {"still": "here"}}})
        assert labelled.code == 200
        assert api.patch("v1/configmaps/a", {"metadata": {"finalizers": None}}).code == 200
        assert api.get("v1/configmaps/a").code == 404
        assert [event["type"] for event in islice(events, 3)] == ["MODIFIED", "MODIFIED", "DELETED"]


@pytest.mark.parametrize(
    ("propagation", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan"), ("Background", None)]
)
def test_propagation_is_a_finalizer(api: Api, propagation: str, finalizer: str | None) -> None:
    """For the garbage collector, which takes it away when its work is done."""
    api.created("v1/configmaps", config_map())
    answer = api.delete("v1/configmaps/a", {"propagationPolicy": propagation})
    assert answer.code == 200
    assert answer.body.get("metadata", {}).get("finalizers") == ([finalizer] if finalizer else None)
    odd = api.delete("v1/configmaps/a", {"propagationPolicy": "Sideways"})
    assert (odd.code, odd.reason) == (422, "Invalid")
    api.patch("v1/configmaps/a", {"metadata": {"finalizers": None}})


def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    """The answer lists what was deleted."""
    for name, tier in (("a", "web"), ("b", "db"), ("c", "web")):
        api.created("v1/configmaps", config_map(name, labels={"tier": tier}))
    answer = api.delete("v1/configmaps?labelSelector=tier=web")
    assert [item["metadata"]["name"] for item in answer["items"]] == ["a", "c"]
    assert api.get("v1/configmaps/a").code == 404
    assert api.get("v1/configmaps/b").code == 200


def test_a_pod_without_a_node_goes_at_once(api: Api) -> None:
    """There is nobody to stop it."""
    api.created("v1/pods", pod())
    answer = api.delete("v1/pods/p")
    assert (answer["kind"], answer["metadata"]["deletionGracePeriodSeconds"]) == ("Pod", 0)
    assert api.get("v1/pods/p").code == 404


def test_a_pod_on_a_node_is_given_time(api: Api) -> None:
    """It is marked until the node deletes it with no grace; the time can only get shorter."""
    api.created("v1/pods", pod(node="n1"))
    start = api.get("v1/pods/p")["metadata"]["resourceVersion"]
    marked = api.delete("v1/pods/p")["metadata"]
    assert (marked["deletionGracePeriodSeconds"], marked["generation"]) == (30, 2)
    assert marked["deletionTimestamp"] > marked["creationTimestamp"]
    assert api.delete("v1/pods/p?gracePeriodSeconds=60")["metadata"]["deletionGracePeriodSeconds"] == 30
    assert api.delete("v1/pods/p", {"gracePeriodSeconds": 5})["metadata"]["deletionGracePeriodSeconds"] == 5
    assert api.delete("v1/pods/p", {"gracePeriodSeconds": 0}).code == 200
    assert api.get("v1/pods/p").code == 404
    with api.watch(f"v1/pods?resourceVersion={start}") as events:
        seen = [
            (event["type"], event["object"]["metadata"]["deletionGracePeriodSeconds"]) for event in islice(events, 4)
        ]
    assert seen == [("MODIFIED", 30), ("MODIFIED", 5), ("MODIFIED", 0), ("DELETED", 0)]


def test_a_namespace_waits_for_its_finalizer(api: Api) -> None:
    """It is terminating, takes nothing new, and goes when it is finalized."""
    answer = api.delete(f"/api/v1/namespaces/{api.namespace}").body
    assert answer["status"]["phase"] == "Terminating"
    assert answer["spec"]["finalizers"] == ["kubernetes"]
    assert api.delete(f"/api/v1/namespaces/{api.namespace}").code == 200
    refused = api.post("v1/configmaps", config_map())
    assert (refused.code, refused.reason) == (403, "Forbidden")
    assert refused.message == (
        f'configmaps "a" is forbidden: unable to create new content in namespace {api.namespace} '
        "because it is being terminated"
    )
    path = f"/api/v1/namespaces/{api.namespace}"
    emptied = {**api.get(path).body, "spec": {"finalizers": []}}
    assert api.put(f"{path}/finalize", emptied).code == 200
    assert api.get(path).code == 404


def test_default_namespaces_stay(api: Api) -> None:
    """They may not be deleted."""
    answer = api.delete("/api/v1/namespaces/kube-system")
    assert (answer.code, answer.reason) == (403, "Forbidden")
    assert answer.message == 'namespaces "kube-system" is forbidden: this namespace may not be deleted'


def test_jobs_keep_their_pods_unless_told(api: Api) -> None:
    """For compatibility; the client is warned."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "demo:v1"}]}}
    api.created("batch/v1/jobs", {"metadata": {"name": "j"}, "spec": {"template": template}})
    answer = api.delete("batch/v1/jobs/j")
    assert answer["metadata"]["finalizers"] == ["orphan"]
    assert "child pods are preserved by default when jobs are deleted" in answer.warnings
    api.patch("batch/v1/jobs/j", {"metadata": {"finalizers": None}})


def test_an_eviction_is_a_deletion_that_asks(api: Api) -> None:
    """A budget refuses it while it has no disruption to spare, and spends one when it has."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    api.created("v1/pods", pod(labels={"app": "x"}))
    api.patch("v1/pods/p/status", {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
    api.created("policy/v1/poddisruptionbudgets", budget())
    status = {"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1}
    api.patch("policy/v1/poddisruptionbudgets/b/status", {"status": status | {"expectedPods": 1}})
    refused = api.post("v1/pods/p/eviction", eviction)
    assert (refused.code, refused.reason) == (429, "TooManyRequests")
    assert refused.message == "Cannot evict pod as it would violate the pod's disruption budget."
    assert refused["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget b needs 1 healthy pods and has 1 currently",
        }
    ]
    api.patch("policy/v1/poddisruptionbudgets/b/status", {"status": {"disruptionsAllowed": 1}})
    assert api.post("v1/pods/p/eviction", eviction).code == 201
    assert api.get("v1/pods/p").code == 404
    left = api.get("policy/v1/poddisruptionbudgets/b")["status"]
    assert (left["disruptionsAllowed"], list(left["disruptedPods"])) == (0, ["p"])


def test_an_evicted_pod_says_so(api: Api) -> None:
    """Its condition tells whoever replaces it that it did not fail by itself."""
    body = pod("kept")
    body["metadata"]["finalizers"] = ["claims.example.com/kept"]
    api.created("v1/pods", body)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "kept"}}
    assert api.post("v1/pods/kept/eviction", eviction).code == 201
    seen = api.get("v1/pods/kept")
    assert seen["metadata"]["deletionTimestamp"]
    condition = next(each for each in seen["status"]["conditions"] if each["type"] == "DisruptionTarget")
    assert (condition["status"], condition["reason"]) == ("True", "EvictionByEvictionAPI")
    api.patch("v1/pods/kept", {"metadata": {"finalizers": None}})


def test_a_pod_of_two_budgets_cannot_be_evicted(api: Api) -> None:
    """Nobody could say which of them to spend."""
    api.created("v1/pods", pod(labels={"app": "x"}))
    api.patch("v1/pods/p/status", {"status": {"phase": "Running"}})
    for name in ("b", "c"):
        api.created("policy/v1/poddisruptionbudgets", budget() | {"metadata": {"name": name}})
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    refused = api.post("v1/pods/p/eviction", eviction)
    why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    assert (refused.code, refused.message, refused.body.get("reason")) == (500, why, None)


def a_definition(group: str) -> Json:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def test_deletion_of_a_definition_takes_its_objects(api: Api) -> None:
    """It waits for those that have finalizers, then its paths are no longer served."""
    group = f"{api.namespace}.example.com"
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    thing = {"apiVersion": f"{group}/v1", "kind": "Thing"}
    with api.watch(f"{path}?fieldSelector=metadata.name=things.{group}") as events:
        api.created(path, a_definition(group))
        assert any(is_established(event["object"]) for event in events)
        api.eventually_served(f"{group}/v1/things")
        api.created(f"{group}/v1/things", thing | {"metadata": {"name": "free"}})
        api.created(f"{group}/v1/things", thing | {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
        with api.watch(f"{group}/v1/things?fieldSelector=metadata.name=free") as things:
            assert api.delete(f"{path}/things.{group}").code == 200
            assert any(event["type"] == "DELETED" for event in things)
        waiting = api.get(f"{path}/things.{group}")["metadata"]
        assert waiting["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
        assert api.get(f"{group}/v1/things/held")["metadata"]["deletionTimestamp"]
        api.patch(f"{group}/v1/things/held", {"metadata": {"finalizers": None}})
        assert any(event["type"] == "DELETED" for event in events)
    assert api.get(f"{path}/things.{group}").code == 404


def is_established(definition: Json) -> bool:
    conditions = definition.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def test_an_eviction_names_its_pod_and_may_be_a_rehearsal(api: Api) -> None:
    """A dry run spends no budget; a pod that is not ready needs none while the others suffice."""
    eviction: Json = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    for name, ready in (("p", "True"), ("q", "False")):
        api.created("v1/pods", pod(name, labels={"app": "x"}))
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}
        api.patch(f"v1/pods/{name}/status", {"status": status})
    api.created("policy/v1/poddisruptionbudgets", budget())
    counts = {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 1, "desiredHealthy": 1}
    api.patch("policy/v1/poddisruptionbudgets/b/status", {"status": counts | {"expectedPods": 1}})
    other = api.post("v1/pods/q/eviction", eviction)
    assert (other.code, other.message) == (400, "name in URL does not match name in Eviction object")
    assert api.post("v1/pods/p/eviction?dryRun=All", eviction).code == 201
    assert api.get("v1/pods/p").code == 200
    assert api.post("v1/pods/q/eviction", eviction | {"metadata": {"name": "q"}}).code == 201
    assert api.get("policy/v1/poddisruptionbudgets/b")["status"]["disruptionsAllowed"] == 1
