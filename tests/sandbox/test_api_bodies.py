"""Bodies of requests: what is not JSON is refused, and what is stored can always be written again."""

from __future__ import annotations

import pytest

from tests.sandbox.bodies import config_map
from tests.sandbox.gauges import GAUGES, gauge, install
from tests.sandbox.rest import APPLY, Api

MAPS = "v1/configmaps"
YAML = {"Content-Type": "application/yaml"}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("NaN", "invalid character 'N' looking for beginning of value"),
        ("Infinity", "invalid character 'I' looking for beginning of value"),
        ("-Infinity", "invalid character 'I' in numeric literal"),
        ("1e400", "json: cannot unmarshal number 1e400 into Go value of type float64"),
    ],
)
def test_numbers_are_finite(api: Api, value: str, why: str) -> None:
    """Even where the schema takes anything: JSON has no words for others, so no list could hold the object."""
    install(api)
    meta = '"apiVersion":"claims.example.com/v1","kind":"Gauge","metadata":{"name":"x"}'
    refused = api.post(GAUGES, f'{{{meta},"spec":{{"title":"g","free":{value}}}}}')
    assert refused.code == 400
    assert why in refused.message
    assert api.get(f"{GAUGES}/x").code == 404


@pytest.mark.parametrize("text", [rb"\ud800", b"\xff", rb"\uDC00"])
def test_what_is_no_character_is_replaced(api: Api, text: bytes) -> None:
    """Halves of surrogate pairs and bytes that are no UTF-8; the object can be listed like any other."""
    body = b'{"metadata":{"name":"a"},"data":{"k":"x' + text + b'"}}'
    assert api.post(MAPS, body)["data"] == {"k": "x\ufffd"}
    assert [item["data"]["k"] for item in api.get(f"{MAPS}?fieldSelector=metadata.name=a")["items"]] == ["x\ufffd"]


def test_characters_of_every_plane_are_kept(api: Api) -> None:
    """Written as they are, or as a pair of escapes."""
    body = r'{"metadata":{"name":"a"},"data":{"k":"é😀\ud83d\ude00"}}'
    assert api.post(MAPS, body.encode())["data"] == {"k": "é😀😀"}


def test_a_byte_order_mark_is_no_json(api: Api) -> None:
    """It is refused, not skipped."""
    assert api.post(MAPS, b"\xef\xbb\xbf" + b'{"metadata":{"name":"a"}}').code == 400


def test_an_object_that_is_nested_too_deeply_is_a_bad_request(api: Api) -> None:
    """Not a failure of the server."""
    install(api)
    nested = '{"a":' * 20_000 + "1" + "}" * 20_000
    refused = api.post(GAUGES, f'{{"apiVersion":"claims.example.com/v1","kind":"Gauge","spec":{nested}}}')
    assert (refused.code, refused.reason) == (400, "BadRequest")
    assert "exceeded max depth" in refused.message


def test_yaml_becomes_json(api: Api) -> None:
    """Keys become texts, dates stay texts, and only the first document counts."""
    text = "metadata: {name: a}\ndata: {1: one, true: yea, 2026-01-31: 2026-01-31}\n---\nmetadata: {name: b}\n"
    made = api.call("POST", MAPS, text, headers=YAML)
    wanted = {"1": "one", "true": "yea", "2026-01-31": "2026-01-31"}
    assert (made.code, made["metadata"]["name"], made["data"]) == (201, "a", wanted)
    assert api.get(f"{MAPS}/b").code == 404


def test_yaml_has_finite_numbers_too(api: Api) -> None:
    """`.inf` is no value of JSON."""
    install(api)
    text = "apiVersion: claims.example.com/v1\nkind: Gauge\nmetadata: {name: x}\nspec: {title: g, free: .inf}\n"
    refused = api.call("PATCH", f"{GAUGES}/x?fieldManager=m", text, headers={"Content-Type": APPLY})
    assert refused.code == 400
    assert api.post(f"{GAUGES}?dryRun=All", gauge(free=1.5)).code == 201


def test_no_deletion_reaches_over_namespaces(api: Api) -> None:
    """Collections of namespaced kinds are deleted, as their objects are made, in one namespace at a time."""
    api.created(MAPS, config_map())
    refused = api.delete("/api/v1/configmaps?labelSelector=nobody%3Dhas-this")
    assert (refused.code, refused.reason) == (405, "MethodNotAllowed")
    assert api.get(f"{MAPS}/a").code == 200
