"""Strategic merge, merge and JSON patches: how lists and maps of built-in kinds change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.rest import JSON_PATCH, STRATEGIC, Api, Json

PATH = "apps/v1/deployments/x"
LABELS = {"app": "x"}


@pytest.fixture
def web(api: Api) -> Api:
    """The API, with a Deployment `x` of the containers `a` and `b`."""
    containers = [{"name": "a", "image": "a:1", "env": [{"name": "E", "value": "1"}]}, {"name": "b", "image": "b:1"}]
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": containers}}
    meta = {"name": "x", "finalizers": ["claims.example.com/one"]}
    spec = {"selector": {"matchLabels": LABELS}, "template": template}
    api.created("apps/v1/deployments", {"metadata": meta, "spec": spec})
    return api


def pods(**spec: Any) -> Json:
    return {"spec": {"template": {"spec": spec}}}


def containers_after(api: Api, patch: Json) -> list[Json]:
    """The containers after a strategic merge patch."""
    answer = api.patch(PATH, patch, STRATEGIC)
    assert answer.code == 200, answer
    found: list[Json] = answer["spec"]["template"]["spec"]["containers"]
    return found


def images(containers: list[Json]) -> dict[str, str]:
    """Each container's image, in order."""
    return {one["name"]: one["image"] for one in containers}


def test_items_merge_by_their_key(web: Api) -> None:
    """One container changes, in one field."""
    after = containers_after(web, pods(containers=[{"name": "a", "image": "a:2"}]))
    assert images(after) == {"a": "a:2", "b": "b:1"}
    assert after[0]["env"] == [{"name": "E", "value": "1"}]


def test_a_new_item_comes_first(web: Api) -> None:
    """A patch that says nothing about the order."""
    after = containers_after(web, pods(containers=[{"name": "n", "image": "n:1"}]))
    assert list(images(after)) == ["n", "a", "b"]


def test_set_element_order_sorts(web: Api) -> None:
    """Items that it does not name stay where they stood."""
    order = {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}
    after = containers_after(web, pods(containers=[{"name": "a", "image": "a:2"}], **order))
    assert list(images(after)) == ["b", "a"]


def test_an_item_can_be_deleted(web: Api) -> None:
    """By its key."""
    after = containers_after(web, pods(containers=[{"name": "a", "$patch": "delete"}]))
    assert list(images(after)) == ["b"]


def test_a_list_can_be_replaced(web: Api) -> None:
    """With everything that is in it."""
    after = containers_after(web, pods(containers=[{"$patch": "replace"}, {"name": "n", "image": "n:1"}]))
    assert images(after) == {"n": "n:1"}


def test_null_removes_a_field(web: Api) -> None:
    """As in every merge patch."""
    after = containers_after(web, pods(containers=[{"name": "a", "env": None}]))
    assert "env" not in after[0]


def test_a_map_can_be_replaced(web: Api) -> None:
    """Instead of merged."""
    assert web.patch(PATH, {"metadata": {"labels": {"a": "1"}}}, STRATEGIC).code == 200
    answer = web.patch(PATH, {"metadata": {"labels": {"$patch": "replace", "b": "2"}}}, STRATEGIC)
    assert answer["metadata"]["labels"] == {"b": "2"}


def test_retain_keys_drops_the_others(web: Api) -> None:
    """As `kubectl apply` does when a strategy changes."""
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert web.patch(PATH, patch, STRATEGIC)["spec"]["strategy"] == {"type": "Recreate"}


def test_lists_of_plain_values_merge_and_shrink(web: Api) -> None:
    """Finalizers are added to, and removed by a directive."""
    two = {"metadata": {"finalizers": ["claims.example.com/two"]}}
    after = web.patch(PATH, two, STRATEGIC)["metadata"]["finalizers"]
    assert sorted(after) == ["claims.example.com/one", "claims.example.com/two"]
    gone = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["claims.example.com/one"]}}
    assert web.patch(PATH, gone, STRATEGIC)["metadata"]["finalizers"] == ["claims.example.com/two"]


def test_an_atomic_list_is_replaced(web: Api) -> None:
    """A container's command has no keys."""
    containers_after(web, pods(containers=[{"name": "a", "command": ["x", "y"]}]))
    after = containers_after(web, pods(containers=[{"name": "a", "command": ["z"]}]))
    assert after[0]["command"] == ["z"]


def test_an_item_without_its_key_cannot_be_merged(web: Api) -> None:
    """The server fails, and says on what."""
    answer = web.patch(PATH, pods(containers=[{"image": "a:2"}]), STRATEGIC)
    assert answer.code == 500
    assert answer.message == "map: map[image:a:2] does not contain declared merge key: name"


def test_a_merge_patch_replaces_lists(web: Api) -> None:
    """It knows no keys."""
    answer = web.patch(PATH, pods(containers=[{"name": "n", "image": "n:1"}]))
    assert images(answer["spec"]["template"]["spec"]["containers"]) == {"n": "n:1"}


def test_a_json_patch_changes_what_its_paths_name(web: Api) -> None:
    """In order; a test that fails stops all of it."""
    place = "/spec/template/spec/containers/1/image"
    change: list[Json] = [
        {"op": "test", "path": place, "value": "b:1"},
        {"op": "replace", "path": place, "value": "b:2"},
    ]
    answer = web.patch(PATH, change, JSON_PATCH)
    assert images(answer["spec"]["template"]["spec"]["containers"]) == {"a": "a:1", "b": "b:2"}
    again = web.patch(PATH, change, JSON_PATCH)
    assert (again.code, again.reason) == (422, "Invalid")
    assert again.message == "the server rejected our request due to an error in our request"


def test_a_json_patch_is_a_list(web: Api) -> None:
    """Anything else cannot be read."""
    answer = web.patch(PATH, {"op": "remove", "path": "/spec"}, JSON_PATCH)
    assert answer.code == 400
    assert answer.message.startswith("error decoding patch: json: cannot unmarshal object")
