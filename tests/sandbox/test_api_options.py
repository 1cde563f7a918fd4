"""The options of requests: which values they may have, and what is said of others."""

from __future__ import annotations

import pytest

from tests.sandbox.bodies import config_map
from tests.sandbox.rest import APPLY, MERGE, Answer, Api

MAPS = "v1/configmaps"


def sent(api: Api, method: str, options: str) -> Answer:
    """A request with these options, about a ConfigMap that is there."""
    path = MAPS if method in ("GET", "POST") else f"{MAPS}/a"
    body = None if method in ("GET", "DELETE") else config_map()
    kind = MERGE if method == "PATCH" else "application/json"
    return api.call(method, f"{path}?{options}", body, headers={"Content-Type": kind})


@pytest.mark.parametrize(
    ("method", "options", "complaint"),
    [
        ("POST", "fieldManager=" + "x" * 129, "CreateOptions: fieldManager: Too long: may not be more than 128 bytes"),
        (
            "POST",
            "dryRun=All&dryRun=x",
            'CreateOptions: dryRun: Unsupported value: ["All","x"]: supported values: "All"',
        ),
        (
            "PUT",
            "fieldManager=a%0Ab",
            r'UpdateOptions: fieldManager: Invalid value: "a\nb": invalid character U+000A (at position 1)',
        ),
        (
            "PATCH",
            "fieldValidation=x",
            'PatchOptions: fieldValidation: Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"',
        ),
        ("PATCH", "force=false", "PatchOptions: force: Forbidden: may not be specified for non-apply patch"),
        (
            "DELETE",
            "propagationPolicy=Orphan&orphanDependents=true",
            'DeleteOptions: propagationPolicy: Invalid value: "Orphan": '
            "orphanDependents and deletionPropagation cannot be both set",
        ),
        (
            "GET",
            "resourceVersion=1&resourceVersionMatch=x",
            'ListOptions: resourceVersionMatch: Unsupported value: "x": supported values: "Exact", "NotOlderThan", ""',
        ),
        (
            "GET",
            "resourceVersionMatch=Exact&resourceVersion=",
            "ListOptions: resourceVersionMatch: Forbidden: "
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            "GET",
            "sendInitialEvents=true",
            "ListOptions: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        ),
    ],
)
def test_options_that_a_verb_does_not_take(api: Api, method: str, options: str, complaint: str) -> None:
    """They are refused before anything is done, in the name of the verb's options."""
    api.created(MAPS, config_map())
    answer = sent(api, method, options)
    kind, _, why = complaint.partition(": ")
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert answer.message == f'{kind}.meta.k8s.io "" is invalid: {why}'
    assert answer["details"] == {"group": "meta.k8s.io", "kind": kind, "causes": answer["details"]["causes"]}


def test_all_mistakes_in_options_are_told_at_once(api: Api) -> None:
    """As those of objects are."""
    api.created(MAPS, config_map())
    answer = sent(api, "PATCH", "dryRun=x&fieldValidation=y")
    assert [cause["field"] for cause in answer["details"]["causes"]] == ["dryRun", "fieldValidation"]


@pytest.mark.parametrize(
    ("method", "name"),
    [("GET", "limit"), ("GET", "timeoutSeconds"), ("DELETE", "gracePeriodSeconds")],
)
def test_numbers_that_are_none(api: Api, method: str, name: str) -> None:
    """They are bad requests."""
    api.created(MAPS, config_map())
    answer = sent(api, method, f"{name}=x")
    assert (answer.code, answer.message) == (400, 'strconv.ParseInt: parsing "x": invalid syntax')


def test_any_value_but_false_is_true(api: Api) -> None:
    """`watch=yes` is a watch, `watch=false` and `watch=0` are lists."""
    for value in ("false", "0"):
        assert api.get(f"{MAPS}?watch={value}")["kind"] == "ConfigMapList"
    api.created(MAPS, config_map())
    with api.session.get(
        f"{api.url}{api.path(MAPS)}?watch=yes&timeoutSeconds=1",
        headers={"Authorization": f"Bearer {api.token}"},
        verify=str(api.ground.certificate) if api.ground.certificate else False,
        timeout=30,
    ) as watched:
        assert watched.text.startswith('{"type":"ADDED"')


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            {"gracePeriodSeconds": "x"},
            "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
        ),
        ({"apiVersion": "v1", "kind": "Pod"}, 'no kind "Pod" is registered for version "v1"'),
    ],
)
def test_options_of_a_deletion_in_its_body(api: Api, body: dict[str, object], why: str) -> None:
    """They are typed like any object; what cannot be read deletes nothing."""
    api.created(MAPS, config_map())
    answer = api.delete(f"{MAPS}/a", body)
    assert answer.code == 400
    assert answer.message.removesuffix(' in scheme "pkg/runtime/scheme.go:111"') in (why, f"unable to decode: {why}")
    assert api.get(f"{MAPS}/a").code == 200


def test_versions_that_are_no_numbers(api: Api) -> None:
    """A list calls that a bad request; wherever else it is told as it was found."""
    api.created(MAPS, config_map())
    why = 'strconv.ParseUint: parsing "x": invalid syntax'
    listed = api.get(f"{MAPS}?resourceVersion=x")
    assert (listed.code, listed.reason) == (400, "BadRequest")
    body = config_map()
    body["metadata"]["resourceVersion"] = "x"
    for answer in (api.get(f"{MAPS}/a?resourceVersion=x"), api.put(f"{MAPS}/a", body)):
        assert (answer.code, answer.body.get("reason")) == (500, None)
        assert answer.message.endswith(why)


def test_a_state_that_is_yet_to_come_cannot_be_read(api: Api) -> None:
    """The client is told to try again."""
    api.created(MAPS, config_map())
    answer = api.get(f"{MAPS}/a?resourceVersion=999999999")
    assert (answer.code, answer.reason) == (504, "Timeout")
    assert answer.message.startswith("Timeout: Too large resource version: 999999999, current: ")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": None}, "invalid object type: /v1, Kind="),
        ({"apiVersion": None}, "invalid object type: /, Kind=ConfigMap"),
        ({"apiVersion": "apps/v1"}, "invalid object type: apps/v1, Kind=ConfigMap"),
        ({"metadata": {"name": "a", "managedFields": []}}, "metadata.managedFields must be nil"),
    ],
)
def test_what_is_applied_says_what_it_is(api: Api, change: dict[str, object], why: str) -> None:
    """And does not say who owns it."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", **config_map(), **change}
    answer = api.patch(f"{MAPS}/a?fieldManager=m", body, APPLY)
    assert (answer.code, answer.message) == (400, why)
    assert api.get(f"{MAPS}/a").code == 404
