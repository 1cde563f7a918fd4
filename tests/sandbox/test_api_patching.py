"""Patches of every type, and who is remembered to have written what."""

from __future__ import annotations

import json

import pytest

from tests.sandbox.bodies import config_map, deployment
from tests.sandbox.rest import APPLY, JSON_PATCH, MERGE, STRATEGIC, Api, Json


def test_the_three_patches(api: Api) -> None:
    """A merge patch replaces lists, a strategic one merges them by key, a JSON patch says what to do."""
    api.created("apps/v1/deployments", deployment())
    path, added = "apps/v1/deployments/web", {"name": "d", "image": "demo:v2"}
    patch = {"spec": {"template": {"spec": {"containers": [added]}}}}
    merged = api.patch(path, patch, STRATEGIC)["spec"]["template"]["spec"]["containers"]
    assert {each["name"] for each in merged} == {"c", "d"}
    replaced = api.patch(path, patch, MERGE)["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in replaced] == ["d"]
    operations = [
        {"op": "test", "path": "/spec/replicas", "value": 2},
        {"op": "replace", "path": "/spec/replicas", "value": 6},
    ]
    assert api.patch(path, operations, JSON_PATCH)["spec"]["replicas"] == 6
    again = api.patch(path, operations, JSON_PATCH)
    assert (again.code, again.reason) == (422, "Invalid")


def test_an_unknown_patch_is_an_unsupported_media_type(api: Api) -> None:
    """JSON alone does not say how it is to be merged."""
    api.created("v1/configmaps", config_map())
    answer = api.patch("v1/configmaps/a", {}, "application/json")
    assert (answer.code, answer.reason) == (415, "UnsupportedMediaType")


def test_a_patch_that_makes_an_object_unreadable_is_invalid(api: Api) -> None:
    """While the same mistake in a new object is a bad request."""
    api.created("apps/v1/deployments", deployment())
    patched = api.patch("apps/v1/deployments/web", {"spec": {"replicas": "many"}})
    assert (patched.code, patched.reason) == (422, "Invalid")
    assert patched["details"]["causes"][0]["field"] == "patch"
    created = api.post("apps/v1/deployments", deployment("other", replicas="many"))
    assert (created.code, created.reason) == (400, "BadRequest")


def test_identity_cannot_be_changed(api: Api) -> None:
    """Neither the uid nor that it is being deleted."""
    api.created("v1/configmaps", config_map())
    for change in ({"uid": "other"}, {"deletionTimestamp": "2001-01-01T00:00:00Z"}):
        refused = api.patch("v1/configmaps/a", {"metadata": change})
        assert (refused.code, refused.reason) == (422, "Invalid")
        assert refused["details"]["causes"][0]["message"].endswith("field is immutable")
    kept = api.patch("v1/configmaps/a", {"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 9}})
    assert not kept["metadata"]["creationTimestamp"].startswith("2001")


def test_apply_creates_owns_and_conflicts(api: Api) -> None:
    """An apply creates what is not there; another manager's field needs force; a field no longer stated goes."""
    path = "v1/configmaps/a"
    made = api.apply(path, config_map(x="1", y="1"), "one")
    assert (made.code, made["data"]) == (201, {"x": "1", "y": "1"})
    conflict = api.apply(path, config_map(x="2"), "two")
    assert (conflict.code, conflict.message) == (409, 'Apply failed with 1 conflict: conflict with "one": .data.x')
    assert api.apply(f"{path}?force=true", config_map(x="2"), "two")["data"] == {"x": "2", "y": "1"}
    assert api.apply(path, config_map(), "one")["data"] == {"x": "2"}
    nobody = api.patch(path, config_map(), APPLY)
    assert nobody.code == 422
    assert "fieldManager: Required value: is required for apply patch" in nobody.message


def test_apply_takes_yaml_and_repeats_for_nothing(api: Api) -> None:
    """The body may be YAML; applying the same again does not write."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  when: '2026-01-01'\n"
    first = api.call("PATCH", "v1/configmaps/a?fieldManager=m", text, headers={"Content-Type": APPLY})
    assert (first.code, first["data"]) == (201, {"when": "2026-01-01"})
    second = api.call("PATCH", "v1/configmaps/a?fieldManager=m", text, headers={"Content-Type": APPLY})
    assert second.body == first.body


def test_every_write_records_its_manager(api: Api) -> None:
    """By the user agent, or the manager named; with the subresource it went through."""
    api.created("apps/v1/deployments?fieldManager=maker", deployment())
    api.patch("apps/v1/deployments/web/status?fieldManager=reporter", {"status": {"observedGeneration": 1}})
    changed = api.patch("apps/v1/deployments/web", {"spec": {"replicas": 3}})
    owners = {(entry["manager"], entry.get("subresource", "")) for entry in changed["metadata"]["managedFields"]}
    assert owners == {("maker", ""), ("reporter", "status"), ("claims", "")}
    claims = next(entry for entry in changed["metadata"]["managedFields"] if entry["manager"] == "claims")
    assert claims["fieldsV1"] == {"f:spec": {"f:replicas": {}}}


def test_managers_can_be_reset(api: Api) -> None:
    """An empty list of managedFields forgets who wrote what."""
    api.created("v1/configmaps", config_map(k="v"))
    reset = api.patch("v1/configmaps/a", json.loads('{"metadata":{"managedFields":[{}]}}'))
    assert reset.code == 200
    assert not reset["metadata"].get("managedFields")


def test_replacing_what_an_object_lacks_adds_it(api: Api) -> None:
    """A real server is less strict than the RFC: a member that is not there can be replaced, and equals null."""
    api.created("v1/configmaps", config_map(x="1"))
    operations = [
        {"op": "test", "path": "/data/y", "value": None},
        {"op": "replace", "path": "/data/y", "value": "2"},
    ]
    assert api.patch("v1/configmaps/a", operations, JSON_PATCH)["data"] == {"x": "1", "y": "2"}
    for wrong in (
        {"op": "remove", "path": "/data/z"},
        {"op": "replace", "path": "/binaryData/z", "value": ""},
        {"op": "test", "path": "/data/y", "value": None},
    ):
        refused = api.patch("v1/configmaps/a", [wrong], JSON_PATCH)
        assert (refused.code, refused.reason, refused["details"]) == (422, "Invalid", {})


def test_a_budget_s_selector_is_replaced_as_a_whole(api: Api) -> None:
    """The schema says so: merged with what was there it would select other pods than the patch says."""
    path = "policy/v1/poddisruptionbudgets"
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    api.created(path, {"metadata": {"name": "b"}, "spec": spec})
    patched = api.patch(f"{path}/b", {"spec": {"selector": {"matchLabels": {"tier": "front"}}}}, STRATEGIC)
    assert patched["spec"] == {"minAvailable": 1, "selector": {"matchLabels": {"tier": "front"}}}


def test_a_directive_that_nobody_knows(api: Api) -> None:
    """It is told with the part of the patch that it is in."""
    api.created("v1/configmaps", config_map(x="1"))
    for directive in ("merge", "bogus"):
        refused = api.patch("v1/configmaps/a", {"data": {"$patch": directive, "x": "2"}}, STRATEGIC)
        assert refused.code == 500
        assert refused.message == f"unknown patch type: {directive} in map: map[$patch:{directive} x:2]"


def test_a_scale_can_be_applied(api: Api) -> None:
    """Its manager then owns the replicas of the workload itself, and conflicts over them like any other."""
    path = "apps/v1/deployments/web"
    api.apply(path, deployment(), "owner")
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 7}}
    refused = api.apply(f"{path}/scale", scale, "scaler")
    assert (refused.code, refused["details"]["causes"][0]["field"]) == (409, ".spec.replicas")
    applied = api.apply(f"{path}/scale?force=true", scale, "scaler")
    assert (applied.code, applied["kind"], applied["spec"]) == (200, "Scale", {"replicas": 7})
    owners = {entry["manager"]: entry for entry in api.get(path)["metadata"]["managedFields"]}
    assert owners["scaler"]["subresource"] == "scale"
    assert owners["scaler"]["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owners["owner"]["fieldsV1"]["f:spec"]


def test_a_scale_means_the_object_of_its_path(api: Api) -> None:
    """And has numbers of replicas, in a PUT as in a patch."""
    api.created("apps/v1/deployments", deployment())
    path = "apps/v1/deployments/web/scale"
    other = api.put(path, {"metadata": {"name": "other", "namespace": api.namespace}, "spec": {"replicas": 4}})
    assert other.message == "the name of the object (other) does not match the name on the URL (web)"
    patched = api.patch(path, {"spec": {"replicas": "x"}})
    assert (patched.code, patched["details"]["causes"][0]["field"]) == (422, "patch")
    assert patched.message.endswith(
        "json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32"
    )


@pytest.mark.parametrize(
    ("patch", "shown", "why"),
    [
        ({"spec": {"replicas": "x"}}, "map[spec:map[replicas:x]]", "unrecognized type: int32"),
        ({"spec": {"replicas": 1.5}}, "map[spec:map[replicas:1.5]]", "cannot convert float64 to int32"),
        ({"spec": {"paused": 1}}, "map[spec:map[paused:1]]", "unrecognized type: bool"),
        ({"spec": "x"}, "map[spec:x]", "cannot restore struct from: string"),
        ({"metadata": {"labels": ["a"]}}, "map[metadata:map[labels:[a]]]", "cannot restore map from slice"),
        ({"metadata": {"labels": {"a": 1}}}, "map[metadata:map[labels:map[a:1]]]", "cannot convert int64 to string"),
        (
            {"spec": {"template": {"spec": {"containers": {"a": "b"}}}}},
            "map[spec:map[template:map[spec:map[containers:map[a:b]]]]]",
            "cannot restore slice from map",
        ),
    ],
)
def test_a_strategic_patch_of_the_wrong_types_is_shown_itself(api: Api, patch: Json, shown: str, why: str) -> None:
    """Not the whole object that it makes unreadable, which nobody could find the mistake in."""
    api.created("apps/v1/deployments", deployment())
    refused = api.patch("apps/v1/deployments/web", patch, STRATEGIC)
    assert (refused.code, refused.reason) == (422, "Invalid")
    assert refused.message == f' "" is invalid: patch: Invalid value: "{shown}": {why}'
