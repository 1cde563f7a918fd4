"""Getting, listing and watching: selectors, pages, resumption, bookmarks."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.sandbox.rest import Api, Json

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def make(api: Api, name: str, **labels: str) -> Json:
    return api.created("v1/configmaps", {"metadata": {"name": name, "labels": labels}, "data": {"of": name}})


def names(listed: Json) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


def version(obj: Json) -> str:
    return str(obj["metadata"]["resourceVersion"])


def told(event: Json) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"].get("name", "")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=web", ["a", "b"]),
        ("tier==web,zone!=x", ["b"]),
        ("tier in (web,db)", ["a", "b", "c"]),
        ("tier notin (web)", ["c", "d"]),
        ("zone", ["a", "c"]),
        ("!zone", ["b", "d"]),
        ("!tier,!zone", ["d"]),
        ("", ["a", "b", "c", "d"]),
    ],
)
def test_label_selectors(api: Api, selector: str, expected: list[str]) -> None:
    """Equality, sets and existence, all at once; the list is in the order of names."""
    make(api, "d")
    make(api, "c", tier="db", zone="y")
    make(api, "a", tier="web", zone="x")
    make(api, "b", tier="web")
    assert names(api.get(f"v1/configmaps?labelSelector={selector}").body) == expected


def test_field_selectors(api: Api) -> None:
    """Every kind by name, pods by where and how they are; unknown fields are refused."""
    make(api, "a")
    make(api, "b")
    assert names(api.get("v1/configmaps?fieldSelector=metadata.name=b").body) == ["b"]
    assert names(api.get(f"/api/v1/configmaps?fieldSelector=metadata.namespace={api.namespace}").body) == ["a", "b"]
    spec = {"containers": [{"name": "c", "image": "demo:v1"}]}
    api.created("v1/pods", {"metadata": {"name": "here"}, "spec": {**spec, "nodeName": "n1"}})
    api.created("v1/pods", {"metadata": {"name": "nowhere"}, "spec": spec})
    assert names(api.get("v1/pods?fieldSelector=spec.nodeName=n1").body) == ["here"]
    assert names(api.get("v1/pods?fieldSelector=spec.nodeName=,status.phase!=Running").body) == ["nowhere"]
    refused = api.get("v1/pods?fieldSelector=spec.hair=red")
    assert (refused.code, refused.message) == (400, "field label not supported: spec.hair")


def test_pages_show_one_moment(api: Api) -> None:
    """What is written while a client pages does not change the list it gets."""
    for name in "abcde":
        make(api, name)
    first = api.get("v1/configmaps?limit=2").body
    assert (names(first), first["metadata"]["remainingItemCount"]) == (["a", "b"], 3)
    api.delete("v1/configmaps/d")
    make(api, "cc")
    second = api.get(f"v1/configmaps?limit=2&continue={first['metadata']['continue']}").body
    assert names(second) == ["c", "d"]
    assert version(second) == version(first)
    third = api.get(f"v1/configmaps?limit=2&continue={second['metadata']['continue']}").body
    assert names(third) == ["e"]
    assert not third["metadata"].get("continue")
    assert names(api.get("v1/configmaps").body) == ["a", "b", "c", "cc", "e"]


def test_lists_at_a_version(api: Api) -> None:
    """Exact shows the past; a version that is yet to come is not waited for long."""
    then = version(make(api, "a"))
    make(api, "b")
    exact = api.get(f"v1/configmaps?resourceVersion={then}&resourceVersionMatch=Exact").body
    assert names(exact) == ["a"]
    assert names(api.get(f"v1/configmaps?resourceVersion={then}").body) == ["a", "b"]
    assert names(api.get("v1/configmaps?resourceVersion=0").body) == ["a", "b"]
    ahead = api.get("v1/configmaps?resourceVersion=99999999")
    assert (ahead.code, ahead.reason) == (504, "Timeout")
    assert ahead.message.startswith("Timeout: Too large resource version: 99999999, current: ")
    assert api.get("v1/configmaps?resourceVersion=abc").code == 400


def test_a_watch_tells_what_happens(api: Api) -> None:
    """From a version on: added, modified, deleted; each with the version it made."""
    start = version(api.get("v1/configmaps").body)
    with api.watch(f"v1/configmaps?resourceVersion={start}") as events:
        made = make(api, "a")
        changed = api.patch("v1/configmaps/a", {"data": {"k": "v"}}).body
        api.delete("v1/configmaps/a")
        seen = list(islice(events, 3))
    assert [told(event) for event in seen] == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert seen[0]["object"] == made
    assert seen[1]["object"] == changed
    assert int(version(seen[2]["object"])) > int(version(changed))
    assert seen[2]["object"]["data"] == changed["data"]


def test_a_watch_goes_on_where_another_ended(api: Api) -> None:
    """Nothing between the version and now is lost, nothing before it repeated."""
    make(api, "a")
    then = version(make(api, "b"))
    make(api, "c")
    with api.watch(f"v1/configmaps?resourceVersion={then}") as events:
        make(api, "d")
        assert [told(event) for event in islice(events, 2)] == [("ADDED", "c"), ("ADDED", "d")]


def test_a_watch_without_version_begins_with_what_is_there(api: Api) -> None:
    """Objects that exist are told as added, then what happens."""
    make(api, "a")
    with api.watch("v1/configmaps") as events:
        assert told(next(events)) == ("ADDED", "a")
        make(api, "b")
        assert told(next(events)) == ("ADDED", "b")


def test_initial_events_end_with_a_bookmark(api: Api) -> None:
    """So a client can list by watching."""
    make(api, "a")
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    with api.watch(f"v1/configmaps?{query}") as events:
        assert told(next(events)) == ("ADDED", "a")
        mark = next(events)
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert mark["object"]["kind"] == "ConfigMap"
    assert int(version(mark["object"])) > 0
    with api.watch(f"v1/configmaps?{query}", Accept=TABLE) as events:
        _, row = islice(events, 2)
    assert row["object"]["rows"][0]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    refused = api.get("v1/configmaps?watch=true&sendInitialEvents=true")
    assert refused.code == 422
    assert "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in refused.message


def test_a_watch_ends_when_its_time_is_up(api: Api) -> None:
    """After timeoutSeconds, which must be a number, the stream ends in good order."""
    assert api.get("v1/configmaps?watch=true&timeoutSeconds=soon").code == 400
    start = version(make(api, "a"))
    with api.watch(f"v1/configmaps?resourceVersion={start}&timeoutSeconds=1&allowWatchBookmarks=true") as events:
        assert {event["type"] for event in events} <= {"BOOKMARK"}


def test_a_watch_with_a_selector_sees_its_own_world(api: Api) -> None:
    """What begins to match is added, what ceases to is deleted, as it was when it matched."""
    make(api, "a", tier="web")
    start = version(make(api, "b"))
    with api.watch(f"v1/configmaps?resourceVersion={start}&labelSelector=tier=web") as events:
        api.patch("v1/configmaps/b", {"metadata": {"labels": {"tier": "web"}}})
        api.patch("v1/configmaps/a", {"metadata": {"labels": {"tier": "db"}}})
        api.patch("v1/configmaps/a", {"data": {"unseen": "yes"}})
        api.delete("v1/configmaps/b")
        seen = list(islice(events, 3))
    assert [told(event) for event in seen] == [("ADDED", "b"), ("DELETED", "a"), ("DELETED", "b")]
    assert seen[1]["object"]["metadata"]["labels"] == {"tier": "web"}


def test_a_watch_of_one_name(api: Api) -> None:
    """By field selector, as every client does it."""
    start = version(make(api, "a"))
    with api.watch(f"v1/configmaps?resourceVersion={start}&fieldSelector=metadata.name=b") as events:
        make(api, "c")
        make(api, "b")
        assert told(next(events)) == ("ADDED", "b")


def test_a_watch_stays_in_its_namespace(api: Api) -> None:
    """Unless it is of all of them."""
    other = api.in_new_namespace()
    start = version(make(api, "a"))
    with (
        api.watch(f"v1/configmaps?resourceVersion={start}") as here,
        api.watch(f"/api/v1/configmaps?resourceVersion={start}") as everywhere,
    ):
        make(other, "elsewhere")
        make(api, "b")
        assert told(next(here)) == ("ADDED", "b")
        assert [told(event) for event in islice(everywhere, 2)] == [("ADDED", "elsewhere"), ("ADDED", "b")]


def test_objects_as_tables_and_as_metadata(api: Api) -> None:
    """By content negotiation, for one, for many, and in a watch."""
    start = version(make(api, "a"))
    one = api.get("v1/configmaps/a", Accept=f"{TABLE},application/json").body
    assert (one["kind"], [row["cells"][0] for row in one["rows"]]) == ("Table", ["a"])
    many = api.get("v1/configmaps", Accept=TABLE).body
    assert [column["name"] for column in many["columnDefinitions"]] == ["Name", "Data", "Age"]
    meta = api.get("v1/configmaps/a", Accept=PARTIAL).body
    assert (meta["kind"], meta["apiVersion"], "data" in meta) == ("PartialObjectMetadata", "meta.k8s.io/v1", False)
    metas = api.get("v1/configmaps", Accept=PARTIAL_LIST).body
    assert (metas["kind"], names(metas)) == ("PartialObjectMetadataList", ["a"])
    with api.watch(f"v1/configmaps?resourceVersion={start}", Accept=TABLE) as events:
        make(api, "b")
        make(api, "c")
        first, second = islice(events, 2)
    assert first["object"]["rows"][0]["cells"][0] == "b"
    assert first["object"]["columnDefinitions"]
    assert not second["object"]["columnDefinitions"]
    assert api.get("v1/configmaps", Accept="text/odd").code == 406


def test_an_event_has_two_spellings(api: Api) -> None:
    """The core group's and that of events.k8s.io show the same objects under other names."""
    pod = {"kind": "Pod", "name": "p", "namespace": api.namespace}
    times = {"firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z"}
    old = {"metadata": {"name": "old"}, "involvedObject": pod, "reason": "Pulled", "message": "m", "count": 2}
    api.created("v1/events", old | times | {"type": "Normal", "source": {"component": "kubelet"}})
    new = {
        "metadata": {"name": "new"},
        "regarding": pod,
        "reason": "Pulled",
        "note": "n",
        "type": "Normal",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "example.com/c",
        "reportingInstance": "i",
        "action": "Pull",
    }
    api.created("events.k8s.io/v1/events", new)
    seen = api.get("events.k8s.io/v1/events/old").body
    assert (seen["note"], seen["regarding"], seen["deprecatedCount"]) == ("m", pod, 2)
    assert seen["deprecatedSource"] == {"component": "kubelet"}
    assert api.get("v1/events/new")["message"] == "n"
    selected = api.get("v1/events?fieldSelector=involvedObject.name=p,reason=Pulled").body
    assert names(selected) == ["new", "old"]
    assert names(api.get("events.k8s.io/v1/events?fieldSelector=regarding.kind=Pod").body) == ["new", "old"]


def test_every_served_version_shows_every_object(api: Api) -> None:
    """Without a conversion only apiVersion differs; a watch in one version tells what another wrote."""
    group = f"{api.namespace}.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [
        {"name": name, "served": True, "storage": name == "v1", "schema": schema} for name in ("v1", "v1alpha1")
    ]
    definition = {
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things"},
            "versions": versions,
        },
    }
    api.created("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    api.eventually_served(f"{group}/v1/things")
    api.eventually_served(f"{group}/v1alpha1/things")
    start = version(api.get(f"{group}/v1/things").body)
    with api.watch(f"{group}/v1/things?resourceVersion={start}") as events:
        api.created(
            f"{group}/v1alpha1/things", {"apiVersion": f"{group}/v1alpha1", "kind": "Thing", "metadata": {"name": "t"}}
        )
        event = next(events)
    assert (told(event), event["object"]["apiVersion"]) == (("ADDED", "t"), f"{group}/v1")
    assert api.get(f"{group}/v1/things/t")["apiVersion"] == f"{group}/v1"
    assert api.get(f"{group}/v1alpha1/things/t")["apiVersion"] == f"{group}/v1alpha1"


def test_documents_that_a_client_still_has_are_not_sent_again(api: Api) -> None:
    """Asked for with the tag of what it knows, discovery and schemas answer that nothing changed."""
    for path in ("/openapi/v2", "/apis"):
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" if path == "/apis" else "*/*"
        tag = api.get(path, Accept=accept).headers["ETag"]
        again = api.session.get(
            f"{api.url}{path}",
            headers={"Authorization": f"Bearer {api.token}", "Accept": accept, "If-None-Match": tag},
            verify=str(api.ground.certificate) if api.ground.certificate else False,
            timeout=30,
        )
        assert (again.status_code, again.content) == (304, b"")


def test_a_table_carries_what_it_is_asked_to(api: Api) -> None:
    """Nothing, metadata or objects; anything else is a bad request."""
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    refused = api.get("v1/pods?includeObject=All", Accept=accept)
    why = "includeObject: Invalid value: \"All\": must be 'Metadata', 'Object', 'None', or empty"
    assert (refused.code, refused.message) == (400, f"Unable to convert to Table as requested: {why}")
