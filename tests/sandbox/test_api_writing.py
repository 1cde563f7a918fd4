"""Creating and updating: what every stored object went through."""

from __future__ import annotations

import pytest

from tests.sandbox.bodies import config_map, deployment
from tests.sandbox.rest import Api, Json


def test_create_fills_in_what_the_server_owns(api: Api) -> None:
    """A new object has an identity, a birthday and a version, whatever the client sent for them."""
    sent = config_map(k="v")
    sent["metadata"] |= {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7}
    meta = api.created("v1/configmaps", sent)["metadata"]
    assert meta["uid"] != "mine"
    assert not meta["creationTimestamp"].startswith("2001")
    assert int(meta["resourceVersion"]) > 0
    assert meta["namespace"] == api.namespace


def test_a_name_is_taken_once(api: Api) -> None:
    """Creating it again is refused, and says what is there."""
    api.created("v1/configmaps", config_map())
    answer = api.post("v1/configmaps", config_map())
    assert (answer.code, answer.reason) == (409, "AlreadyExists")
    assert answer.message == 'configmaps "a" already exists'
    assert answer["details"] == {"name": "a", "kind": "configmaps"}


def test_generate_name_appends_a_suffix(api: Api) -> None:
    """Five random characters after the base."""
    body = config_map()
    body["metadata"] = {"generateName": "base-"}
    first, second = (api.created("v1/configmaps", body)["metadata"]["name"] for _ in range(2))
    assert first != second
    assert first.startswith("base-")
    assert len(first) == len("base-") + 5


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (
            {"metadata": {}},
            422,
            'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
        ),
        (
            {"metadata": {"name": "a", "namespace": "elsewhere"}},
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        ({"kind": "Pod"}, 400, "Pod in version"),
        (
            {"apiVersion": "v2"},
            400,
            'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version',
        ),
        (
            {"metadata": {"name": "a", "resourceVersion": "1"}},
            500,
            "resourceVersion should not be set on objects to be created",
        ),
        ({"metadata": {"name": "A_B"}}, 422, 'ConfigMap "A_B" is invalid: metadata.name: Invalid value: "A_B": '),
    ],
    ids=["no-name", "other-namespace", "other-kind", "other-version", "resource-version", "bad-name"],
)
def test_what_cannot_be_created(api: Api, change: Json, code: int, message: str) -> None:
    """Each mistake has its code and its words."""
    answer = api.post("v1/configmaps", config_map() | change)
    assert (answer.code, answer.message[: len(message)]) == (code, message)


def test_a_namespace_must_exist(api: Api) -> None:
    """Nothing is created in a namespace that is not there."""
    answer = api.post("/api/v1/namespaces/nowhere/configmaps", config_map())
    assert (answer.code, answer.message) == (404, 'namespaces "nowhere" not found')


def test_missing_objects_are_named(api: Api) -> None:
    """A 404 says which object of which resource."""
    answer = api.get("apps/v1/deployments/none")
    assert (answer.code, answer.reason) == (404, "NotFound")
    assert answer.message == 'deployments.apps "none" not found'
    assert answer["details"] == {"name": "none", "group": "apps", "kind": "deployments"}
    assert api.patch("apps/v1/deployments/none", {}).code == 404
    assert api.put("apps/v1/deployments/none", deployment("none")).code == 404


def test_a_stale_update_is_a_conflict(api: Api) -> None:
    """The resourceVersion read must still be the current one."""
    old = api.created("v1/configmaps", config_map(k="1"))
    new = api.put("v1/configmaps/a", {**old, "data": {"k": "2"}})
    assert new.code == 200
    answer = api.put("v1/configmaps/a", {**old, "data": {"k": "3"}})
    assert (answer.code, answer.reason) == (409, "Conflict")
    assert answer.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    stale = api.patch("v1/configmaps/a", {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}})
    assert stale.code == 409


def test_an_update_of_another_object_of_that_name_is_a_conflict(api: Api) -> None:
    """A uid in the body is a precondition."""
    api.created("v1/configmaps", config_map())
    body = config_map(k="v")
    body["metadata"]["uid"] = "other"
    answer = api.put("v1/configmaps/a", body)
    assert answer.code == 409
    assert "Precondition failed: UID in precondition: other, UID in object meta: " in answer.message


def test_a_write_that_changes_nothing_writes_nothing(api: Api) -> None:
    """The resourceVersion stays; so no watch is woken."""
    old = api.created("v1/configmaps", config_map(k="1"))
    assert api.put("v1/configmaps/a", old).body == old
    assert api.patch("v1/configmaps/a", {"data": {"k": "1"}}).body == old


def test_an_update_without_version_overwrites_where_that_is_allowed(api: Api) -> None:
    """ConfigMaps take it, Leases do not; a Lease may be created by an update instead."""
    api.created("v1/configmaps", config_map(k="1"))
    assert api.put("v1/configmaps/a", config_map(k="2"))["data"] == {"k": "2"}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}}
    assert api.put("coordination.k8s.io/v1/leases/l", lease).code == 201
    answer = api.put("coordination.k8s.io/v1/leases/l", lease | {"spec": {"holderIdentity": "me"}})
    assert answer.code == 422
    assert answer.message == (
        'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: '
        "must be specified for an update"
    )


def test_a_name_on_the_path_must_match(api: Api) -> None:
    """An update cannot rename."""
    api.created("v1/configmaps", config_map())
    answer = api.put("v1/configmaps/a", config_map("b"))
    assert (answer.code, answer.message) == (400, "the name of the object (b) does not match the name on the URL (a)")


def test_generation_counts_changes_of_the_spec(api: Api) -> None:
    """Labels and status do not move it."""
    made = api.created("apps/v1/deployments", deployment())
    assert made["metadata"]["generation"] == 1
    labelled = api.patch("apps/v1/deployments/web", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    scaled = api.patch("apps/v1/deployments/web", {"spec": {"replicas": 3}})
    assert scaled["metadata"]["generation"] == 2
    status = api.patch("apps/v1/deployments/web/status", {"status": {"observedGeneration": 2}})
    assert status["metadata"]["generation"] == 2


def test_status_and_spec_are_written_apart(api: Api) -> None:
    """The main path leaves the status alone, the status path the spec."""
    made = api.created("apps/v1/deployments", deployment() | {"status": {"replicas": 9}})
    assert "replicas" not in made["status"]
    patch = {"spec": {"replicas": 5}, "status": {"replicas": 4, "observedGeneration": 1}}
    main = api.patch("apps/v1/deployments/web", patch)
    assert (main["spec"]["replicas"], main["status"]) == (5, {})
    status = api.patch("apps/v1/deployments/web/status", patch | {"spec": {"replicas": 7}})
    assert (status["spec"]["replicas"], status["status"]["replicas"]) == (5, 4)


def test_scale_is_a_view_of_the_replicas(api: Api) -> None:
    """It reads and writes spec.replicas, and shows the selector as text."""
    api.created("apps/v1/deployments", deployment())
    scale = api.get("apps/v1/deployments/web/scale").body
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 0, "selector": "app=web"})
    assert api.put("apps/v1/deployments/web/scale", {**scale, "spec": {"replicas": 0}})["spec"] == {}
    assert api.patch("apps/v1/deployments/web/scale", {"spec": {"replicas": 4}})["spec"] == {"replicas": 4}
    assert api.get("apps/v1/deployments/web")["spec"]["replicas"] == 4
    assert api.put("apps/v1/deployments/web/scale", scale).code == 409
    negative = api.patch("apps/v1/deployments/web/scale", {"spec": {"replicas": -1}})
    assert negative.code == 422
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in negative.message


def test_dry_runs_go_the_whole_way_and_store_nothing(api: Api) -> None:
    """The answer is what would be stored; validation speaks as usual."""
    dry = api.post("v1/configmaps?dryRun=All", config_map(k="v"))
    assert (dry.code, dry["data"]) == (201, {"k": "v"})
    assert api.get("v1/configmaps/a").code == 404
    made = api.created("v1/configmaps", config_map(k="v"))
    assert api.patch("v1/configmaps/a?dryRun=All", {"data": {"k": "w"}})["data"] == {"k": "w"}
    assert api.delete("v1/configmaps/a?dryRun=All").code == 200
    assert api.get("v1/configmaps/a").body == made
    refused = api.post("v1/configmaps?dryRun=Some", config_map("b"))
    assert refused.code == 422
    assert 'dryRun: Unsupported value: ["Some"]: supported values: "All"' in refused.message


def test_unknown_and_duplicate_fields(api: Api) -> None:
    """Warned of by default, ignored or refused on request; never stored."""
    body = deployment()
    body["spec"]["colour"] = "red"
    warned = api.post("apps/v1/deployments", body)
    assert warned.code == 201
    assert "colour" not in warned["spec"]
    assert warned.warnings == '299 - "unknown field \\"spec.colour\\""'
    body["metadata"]["name"] = "other"
    strict = api.post("apps/v1/deployments?fieldValidation=Strict", body)
    assert (strict.code, strict.reason) == (400, "BadRequest")
    assert strict.message.endswith('strict decoding error: unknown field "spec.colour"')
    ignored = api.post("apps/v1/deployments?fieldValidation=Ignore", body)
    assert (ignored.code, ignored.warnings) == (201, "")
    twice = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"},"data":{"k":"1"},"data":{"k":"2"}}'
    assert api.post("v1/configmaps?fieldValidation=Strict", twice).code == 400
    assert 'duplicate field \\"data\\"' in api.post("v1/configmaps", twice).warnings


def test_bodies_may_be_yaml_and_must_be_readable(api: Api) -> None:
    """YAML is JSON's equal; what is neither is a bad request."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n"
    made = api.call("POST", "v1/configmaps", text, headers={"Content-Type": "application/yaml"})
    assert (made.code, made["data"]) == (201, {"k": "v"})
    assert api.post("v1/configmaps", "{").code == 400
    odd = api.call("POST", "v1/configmaps", "x", headers={"Content-Type": "text/odd"})
    assert (odd.code, odd.reason) == (415, "UnsupportedMediaType")


def test_answers_state_their_kind(api: Api) -> None:
    """Single objects do, entries of a built-in list need not, entries of the list of a custom kind do."""
    made = api.created("v1/configmaps", config_map())
    assert (made["kind"], made["apiVersion"]) == ("ConfigMap", "v1")
    listed = api.get("v1/configmaps").body
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    item = next(item for item in listed["items"] if item["metadata"]["name"] == "a")
    assert "kind" not in item


def test_unknown_paths_and_methods(api: Api) -> None:
    """An unknown group is no page at all; below a known one the answer is a Status."""
    assert api.get("/apis/none.example/v1/things").body == {"text": "404 page not found\n"}
    assert api.get("v1/bananas").message == "the server could not find the requested resource"
    assert api.call("PUT", "v1/configmaps", {}).code == 405
    assert api.get("v1/configmaps/a/b").code == 404


def test_a_key_that_occurs_twice_is_named_by_its_path(api: Api) -> None:
    """Wherever it stands, in a warning or in a refusal."""
    body = '{"metadata":{"name":"a","labels":{"l":"1","l":"2"}},"data":{"x":"1","x":"2"}}'
    warned = api.post("v1/configmaps?dryRun=All", body)
    assert warned.warnings == r'299 - "duplicate field \"metadata.labels.l\"", 299 - "duplicate field \"data.x\""'
    containers = '[{"name":"a","image":"i"},{"name":"b","image":"i","image":"j"}]'
    pod = f'{{"metadata":{{"name":"p"}},"spec":{{"containers":{containers}}}}}'
    refused = api.post("v1/pods?fieldValidation=Strict", pod)
    head = 'Pod in version "v1" cannot be handled as a Pod: strict decoding error'
    assert refused.message == f'{head}: duplicate field "spec.containers[1].image"'


def test_whole_numbers_are_written_without_a_point(api: Api) -> None:
    """A built-in kind is not lenient about it, as a JSON decoder of Go is not."""
    refused = api.post("apps/v1/deployments", deployment(replicas=5.0))
    assert refused.code == 400
    assert refused.message.endswith(
        "cannot unmarshal number 5.0 into Go struct field DeploymentSpec.spec.replicas of type int32"
    )


def test_the_base_of_a_generated_name_is_a_name(api: Api) -> None:
    """But for the dash at its end."""
    assert api.post("v1/configmaps?dryRun=All", {"metadata": {"generateName": "base-"}}).code == 201
    refused = api.post("v1/configmaps?dryRun=All", {"metadata": {"generateName": "base."}})
    assert [cause["field"] for cause in refused["details"]["causes"]] == ["metadata.generateName"]


def test_a_deprecated_kind_warns_whoever_asks_for_it(api: Api) -> None:
    """Readers as well as authors."""
    expected = '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
    assert api.get("v1/endpoints").warnings == expected
    assert api.post("v1/endpoints?dryRun=All", {"metadata": {"name": "e"}}).warnings == expected


def test_what_is_told_of_replicas_adds_up(api: Api) -> None:
    """No more pods are ready than there are, and no more are available than are ready."""
    api.created("apps/v1/deployments", deployment())
    path = "apps/v1/deployments/web/status"
    told = api.patch(
        path, {"status": {"replicas": 1, "readyReplicas": 2, "availableReplicas": 3, "observedGeneration": -1}}
    )
    assert told.message == (
        'Deployment.apps "web" is invalid: ['
        "status.observedGeneration: Invalid value: -1: must be greater than or equal to 0, "
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas, "
        "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas, "
        "status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas]"
    )


def test_a_job_is_found_by_the_labels_of_its_pods(api: Api) -> None:
    """It bears them itself, unless it has labels of its own."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    api.created("batch/v1/jobs", {"metadata": {"name": "j"}, "spec": {"template": template}})
    assert [job["metadata"]["name"] for job in api.get("batch/v1/jobs?labelSelector=job-name=j")["items"]] == ["j"]
