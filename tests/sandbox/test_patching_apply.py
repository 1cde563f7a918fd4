"""Server-side apply: fields have owners, and owners agree, conflict, take over and let go."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.gauges import GAUGES, gauge, install
from tests.sandbox.rest import MERGE, STRATEGIC, Answer, Api, Json

MAPS = "v1/configmaps/x"
WEBS = "apps/v1/deployments/web"


def config(**data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data}


def web(image: str = "web:v1", *, container: Json | None = None, **spec: Any) -> Json:
    labels = {"app": "web"}
    pod = {"containers": [{"name": "c", "image": image, "ports": [{"containerPort": 80}], **(container or {})}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    meta = {"name": "web"}
    body = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": body}


def fragment(**spec: Any) -> Json:
    """A part of the Deployment that somebody else applies."""
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def of_containers(*containers: Json) -> Json:
    return fragment(template={"spec": {"containers": list(containers)}})


def owners(obj: Json | Answer) -> dict[str, Json]:
    """What each manager owns."""
    return {f"{one['manager']} {one['operation']}": one["fieldsV1"] for one in obj["metadata"]["managedFields"]}


def applied(api: Api, path: str, body: Json, manager: str, options: str = "") -> Answer:
    answer = api.apply(f"{path}?{options}", body, manager)
    assert answer.code in (200, 201), answer
    return answer


def patched(api: Api, path: str, body: Json, manager: str, kind: str = MERGE) -> Answer:
    answer = api.patch(f"{path}?fieldManager={manager}", body, kind)
    assert answer.code == 200, answer
    return answer


def test_apply_creates_and_owns_what_it_states(api: Api) -> None:
    """Nothing less, and nothing that the server filled in."""
    answer = applied(api, WEBS, web(), "a")
    assert answer.code == 201
    port: Json = {".": {}, "f:containerPort": {}}
    container = {".": {}, "f:name": {}, "f:image": {}, "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': port}}
    template = {
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:containers": {'k:{"name":"c"}': container}},
    }
    assert owners(answer) == {"a Apply": {"f:spec": {"f:selector": {}, "f:template": template}}}


def test_values_that_agree_are_shared(api: Api) -> None:
    """Both own the field; it stays until the last one lets go."""
    applied(api, MAPS, config(k="1"), "a")
    answer = applied(api, MAPS, config(k="1"), "b")
    assert owners(answer) == {f"{name} Apply": {"f:data": {"f:k": {}}} for name in "ab"}
    assert applied(api, MAPS, config(), "a")["data"] == {"k": "1"}
    assert "data" not in applied(api, MAPS, config(), "b").body


def test_another_value_is_a_conflict(api: Api) -> None:
    """The answer names the owner and the field."""
    applied(api, MAPS, config(k="1"), "a")
    answer = api.apply(MAPS, config(k="2"), "b")
    assert (answer.code, answer.reason) == (409, "Conflict")
    assert answer.message == 'Apply failed with 1 conflict: conflict with "a": .data.k'
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "a"', "field": ".data.k"}
    assert answer["details"] == {"causes": [cause]}


def test_several_conflicts_are_listed_by_owner(api: Api) -> None:
    """One line each; an ordinary writer is named with its version."""
    applied(api, WEBS, web(replicas=2), "a")
    patched(api, WEBS, {"spec": {"replicas": 3, "paused": True}}, "scaler")
    answer = api.apply(WEBS, web("web:v2", replicas=4, paused=False), "a")
    assert answer.message == (
        'Apply failed with 2 conflicts: conflicts with "scaler" using apps/v1:\n- .spec.paused\n- .spec.replicas'
    )
    answer = api.apply(WEBS, of_containers({"name": "c", "image": "web:v2"}), "b")
    assert answer.message.endswith('conflict with "a": .spec.template.spec.containers[name="c"].image')


def test_force_takes_over(api: Api) -> None:
    """The former owner does not own it any more."""
    applied(api, MAPS, config(k="1", own="1"), "a")
    answer = applied(api, MAPS, config(k="2"), "b", "force=true")
    assert answer["data"] == {"k": "2", "own": "1"}
    assert owners(answer) == {"a Apply": {"f:data": {"f:own": {}}}, "b Apply": {"f:data": {"f:k": {}}}}


def test_what_is_no_longer_stated_is_removed(api: Api) -> None:
    """Unless somebody else owns it."""
    applied(api, MAPS, config(mine="1", shared="1"), "a")
    applied(api, MAPS, config(shared="1"), "b")
    assert applied(api, MAPS, config(), "a")["data"] == {"shared": "1"}


def test_an_update_takes_what_it_changes(api: Api) -> None:
    """And an apply that then states its old value conflicts."""
    applied(api, WEBS, web(replicas=2), "a")
    answer = patched(api, WEBS, {"spec": {"replicas": 3}}, "scaler")
    assert owners(answer)["scaler Update"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owners(answer)["a Apply"]["f:spec"]
    assert applied(api, WEBS, web(), "a")["spec"]["replicas"] == 3
    answer = api.apply(WEBS, web(replicas=2), "a")
    assert answer.message.endswith('conflict with "scaler" using apps/v1: .spec.replicas')


def test_nobody_owns_what_is_gone(api: Api) -> None:
    """A removed field leaves no trace."""
    applied(api, MAPS, config(a="1", b="1"), "a")
    answer = patched(api, MAPS, {"data": {"b": None}}, "m")
    assert owners(answer) == {"a Apply": {"f:data": {"f:a": {}}}}


def test_keyed_lists_merge_item_by_item(api: Api) -> None:
    """Each container has its own owner, and so has each of its fields."""
    applied(api, WEBS, web(), "a")
    applied(api, WEBS, of_containers({"name": "side", "image": "s"}), "b")
    answer = applied(api, WEBS, of_containers({"name": "c", "env": [{"name": "E", "value": "1"}]}), "b")
    (container,) = answer["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["env"]) == ("web:v1", [{"name": "E", "value": "1"}])
    answer = applied(api, WEBS, fragment(), "b")
    (container,) = answer["spec"]["template"]["spec"]["containers"]
    assert "env" not in container


def test_an_atomic_map_has_one_owner(api: Api) -> None:
    """A Service's selector is taken over as a whole."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
    applied(api, "v1/services/x", {**service, "spec": {"selector": {"a": "1"}, "ports": [{"port": 80}]}}, "a")
    answer = api.apply("v1/services/x", {**service, "spec": {"selector": {"b": "1"}}}, "b")
    assert answer.message.endswith('conflict with "a": .spec.selector')
    answer = applied(api, "v1/services/x", {**service, "spec": {"selector": {"b": "1"}}}, "b", "force=true")
    assert answer["spec"]["selector"] == {"b": "1"}


def test_a_dropped_item_takes_its_defaults_along(api: Api) -> None:
    """What the server had filled in belongs to nobody."""
    applied(api, WEBS, web(), "a")
    answer = applied(api, WEBS, web(container={"ports": [{"containerPort": 81, "protocol": "UDP"}]}), "a")
    assert answer["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 81, "protocol": "UDP"}]


def test_sets_and_maps_of_a_custom_resource_merge(api: Api) -> None:
    """By its schema; what the schema does not know merges by field."""
    install(api)
    parts: list[Json] = [{"name": "x", "note": "1"}, {"name": "y"}]
    applied(api, f"{GAUGES}/x", gauge(tags=["a", "b"], parts=parts, free={"deep": {"x": [1]}}), "a")
    other = {**gauge(), "spec": {"tags": ["c"], "parts": [{"name": "z"}, {"name": "x"}], "free": {"deep": {"y": 2}}}}
    answer = applied(api, f"{GAUGES}/x", other, "b")
    assert answer["spec"]["tags"] == ["a", "b", "c"]
    assert [one["name"] for one in answer["spec"]["parts"]] == ["z", "x", "y"]
    assert answer["spec"]["free"] == {"deep": {"x": [1], "y": 2}}
    answer = applied(api, f"{GAUGES}/x", gauge(tags=["b"], parts=[{"name": "y"}]), "a")
    assert answer["spec"]["tags"] == ["b", "c"]
    assert answer["spec"]["free"] == {"deep": {"y": 2}}


def test_the_status_has_owners_of_its_own(api: Api) -> None:
    """Through its subresource; what else is stated there does not count."""
    install(api)
    applied(api, f"{GAUGES}/x", gauge(), "a")
    body = {**gauge(title="ignored"), "status": {"phase": "Fine"}}
    answer = applied(api, f"{GAUGES}/x/status", body, "s")
    assert answer["spec"]["title"] == "g"
    entry = answer["metadata"]["managedFields"][-1]
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:phase": {}}})


def test_a_status_cannot_be_applied_past_its_subresource(api: Api) -> None:
    """It is neither stored nor owned."""
    install(api)
    answer = applied(api, f"{GAUGES}/x", {**gauge(), "status": {"phase": "Fine"}}, "a")
    assert "status" not in answer.body
    assert "f:status" not in owners(answer)["a Apply"]


def test_the_first_apply_finds_an_owner_for_the_rest(api: Api) -> None:
    """Fields of an object whose owners were forgotten belong to before-first-apply."""
    applied(api, MAPS, config(k="1"), "a")
    forgotten = patched(api, MAPS, {"metadata": {"managedFields": [{}]}}, "a")
    assert "managedFields" not in forgotten["metadata"]
    answer = applied(api, MAPS, config(n="1"), "b")
    assert owners(answer)["before-first-apply Update"] == {"f:data": {".": {}, "f:k": {}}}


def test_applying_the_same_again_changes_nothing(api: Api) -> None:
    """Not even the resource version."""
    first = applied(api, WEBS, web(), "a")
    second = applied(api, WEBS, web(), "a")
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"typo": 1}, ".spec.typo: field not declared in schema"),
        ({"title": 1}, ".spec.title: expected string, got &value.valueUnstructured{Value:1}"),
        ({"tags": "x"}, ".spec.tags: expected list, got &{x}"),
        ({"tags": ["a", "a"]}, '.spec.tags: duplicate entries for key [="a"]'),
        ({"parts": [{"name": "p"}, {"name": "p"}]}, '.spec.parts: duplicate entries for key [name="p"]'),
        (
            {"parts": [{"note": "1"}]},
            ".spec.parts: element 0: associative list with keys has an element that omits all key fields "
            '["name"] (and doesn\'t have default values for any key fields)',
        ),
    ],
)
def test_what_cannot_be_merged_is_not_applied(api: Api, spec: Json, why: str) -> None:
    """Because no schema says how."""
    install(api)
    answer = api.apply(f"{GAUGES}/x", gauge(**spec), "a")
    head = "failed to create typed patch object (/x; claims.example.com/v1, Kind=Gauge)"
    assert (answer.code, answer.message) == (500, f"{head}: {why}")


def test_managed_fields_cannot_be_applied(api: Api) -> None:
    """They are the server's answer, not the client's wish."""
    body = config()
    body["metadata"]["managedFields"] = [{"manager": "a"}]
    answer = api.apply(MAPS, body, "a")
    assert (answer.code, answer.message) == (400, "metadata.managedFields must be nil")


def test_a_new_object_is_owned_by_its_creator(api: Api) -> None:
    """Parts that every such object has are nobody's."""
    body = {key: value for key, value in web(replicas=1).items() if key not in ("apiVersion", "kind")}
    answer = api.post("apps/v1/deployments?fieldManager=a", body)
    fields = owners(answer)["a Update"]["f:spec"]
    assert "." not in fields
    assert "." not in fields["f:template"]["f:spec"]
    assert fields["f:replicas"] == fields["f:progressDeadlineSeconds"] == {}


def test_a_strategic_patch_owns_the_item_it_changes(api: Api) -> None:
    """Only the field, not the container."""
    applied(api, WEBS, web(), "a")
    answer = patched(api, WEBS, of_containers({"name": "c", "image": "web:v2"}), "m", STRATEGIC)
    image: Json = {"f:containers": {'k:{"name":"c"}': {"f:image": {}}}}
    assert owners(answer)["m Update"] == {"f:spec": {"f:template": {"f:spec": image}}}


def test_what_does_not_fit_is_named_with_its_kind(api: Api) -> None:
    """Kinds of the core group with a group that is empty."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "date": {}}
    head = "failed to create typed patch object (/a; /v1, Kind=ConfigMap)"
    assert api.apply("v1/configmaps/a", body).message == f"{head}: .date: field not declared in schema"
