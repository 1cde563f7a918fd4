"""Discovery and OpenAPI: what a client learns about the server before it asks for anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rollouts.sandbox import negotiation
from rollouts.sandbox.discovery import Discovery
from rollouts.sandbox.openapi import protobuf
from rollouts.sandbox.resources import Json, Registry

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
CRD: Json = {
    "spec": {
        "group": "x.io",
        "scope": "Namespaced",
        "names": {"kind": "Toy", "plural": "toys", "singular": "toy", "shortNames": ["ty"], "categories": ["all"]},
        "versions": [
            {"name": "v1beta1", "served": True},
            {"name": "v1alpha1", "served": False},
            {
                "name": "v1",
                "served": True,
                "subresources": {"status": {}, "scale": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}]},
                                    "size": {"type": "string", "enum": ["s", "m"]},
                                },
                            }
                        },
                    }
                },
            },
        ],
    }
}


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.install(CRD)
    return registry


def get(registry: Registry, path: str, accept: str | None = None) -> Any:
    answer = Discovery(registry).answer(path, accept)
    assert answer is not None
    return json.loads(answer.body)


def test_legacy_discovery_lists_groups_and_resources(registry: Registry) -> None:
    """One document per group and version, as every client can read."""
    groups = {group["name"]: group for group in get(registry, "/apis")["groups"]}
    assert groups["x.io"]["preferredVersion"] == {"groupVersion": "x.io/v1", "version": "v1"}
    assert [each["version"] for each in groups["x.io"]["versions"]] == ["v1", "v1beta1"]
    listed = {each["name"]: each for each in get(registry, "/apis/x.io/v1")["resources"]}
    assert set(listed) == {"toys", "toys/scale", "toys/status"}
    assert listed["toys"]["shortNames"] == ["ty"]
    assert (listed["toys/scale"]["group"], listed["toys/scale"]["kind"]) == ("autoscaling", "Scale")


def test_the_core_group_is_called_v1(registry: Registry) -> None:
    """Its groupVersion has no slash."""
    document = get(registry, "/api/v1")
    assert document["groupVersion"] == "v1"
    assert {"pods", "pods/eviction", "namespaces/finalize"} <= {each["name"] for each in document["resources"]}


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_aggregated_discovery_says_the_same_in_one_document(registry: Registry, version: str) -> None:
    """Both versions of the aggregated document, told apart by the content type."""
    answer = Discovery(registry).answer("/apis", AGGREGATED.replace("v=v2", f"v={version}"))
    assert answer is not None
    assert f"v={version};as=APIGroupDiscoveryList" in answer.content_type
    groups = {group["metadata"]["name"]: group for group in json.loads(answer.body)["items"]}
    toys = groups["x.io"]["versions"][0]["resources"][0]
    assert (toys["resource"], toys["scope"], toys["shortNames"]) == ("toys", "Namespaced", ["ty"])
    assert [sub["subresource"] for sub in toys["subresources"]] == ["scale", "status"]


def test_discovery_follows_the_definitions(registry: Registry) -> None:
    """What is removed is no longer found, though it was asked for before."""
    discovery = Discovery(registry)
    assert discovery.answer("/apis/x.io/v1", None) is not None
    registry.remove(CRD)
    assert discovery.answer("/apis/x.io/v1", None) is None
    assert discovery.answer("/apis/x.io", None) is None


def test_an_openapi_document_is_found_through_the_index(registry: Registry) -> None:
    """The index names a document by group and version, with a hash that moves with its content."""
    before = get(registry, "/openapi/v3")["paths"]["apis/x.io/v1"]["serverRelativeURL"]
    changed = json.loads(json.dumps(CRD))
    changed["spec"]["versions"][2]["schema"]["openAPIV3Schema"]["description"] = "A toy."
    registry.install(changed)
    after = get(registry, "/openapi/v3")["paths"]["apis/x.io/v1"]["serverRelativeURL"]
    assert before.partition("?")[0] == after.partition("?")[0] == "/openapi/v3/apis/x.io/v1"
    assert before != after


def test_a_custom_schema_is_served_with_its_metadata(registry: Registry) -> None:
    """Clients find the kind by its extension, and every reference within the document."""
    document = get(registry, "/openapi/v3/apis/x.io/v1")
    schemas = document["components"]["schemas"]
    toy = schemas["io.x.v1.Toy"]
    assert toy["x-kubernetes-group-version-kind"] == [{"group": "x.io", "version": "v1", "kind": "Toy"}]
    assert {"apiVersion", "kind", "metadata", "spec"} <= set(toy["properties"])
    assert toy["properties"]["spec"]["properties"]["size"]["enum"] == ["s", "m"]
    patch = document["paths"]["/apis/x.io/v1/namespaces/{namespace}/toys/{name}"]["patch"]
    assert {"fieldValidation", "dryRun"} <= {each["name"] for each in patch["parameters"]}


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/api/v1", "/openapi/v3/apis/apps/v1"])
def test_every_reference_leads_somewhere(registry: Registry, path: str) -> None:
    """No document refers to a schema that it does not hold."""
    document = get(registry, path)
    known = document.get("definitions") or document["components"]["schemas"]
    text = json.dumps(document)
    prefix = '"$ref": "#/definitions/' if "definitions" in document else '"$ref": "#/components/schemas/'
    assert {part.partition('"')[0] for part in text.split(prefix)[1:]} <= set(known)


def test_built_in_schemas_keep_their_merge_rules_and_one_type(registry: Registry) -> None:
    """Lists say how they merge, and optional fields do not claim to be nullable."""
    schemas = get(registry, "/openapi/v3/apis/apps/v1")["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert (containers["type"], containers["x-kubernetes-patch-merge-key"]) == ("array", "name")
    assert schemas["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["format"] == "int-or-string"


def test_version_two_says_no_more_than_it_can(registry: Registry) -> None:
    """Int-or-string and the like lose their type rather than get a wrong one."""
    toy = get(registry, "/openapi/v2")["definitions"]["io.x.v1.Toy"]
    assert "type" not in toy["properties"]["spec"]["properties"]["port"]


def test_client_go_gets_version_two_as_protobuf(registry: Registry) -> None:
    """The message begins with the version of the specification, field one."""
    answer = Discovery(registry).answer("/openapi/v2", protobuf.OLD_MEDIA_TYPE)
    assert answer is not None
    assert (answer.content_type, answer.body[:5]) == (protobuf.MEDIA_TYPE, b"\n\x032.0")


def test_what_is_not_discovery_is_left_alone(registry: Registry) -> None:
    """Resources have paths of their own."""
    discovery = Discovery(registry)
    paths = ("/api/v1/pods", "/apis/nothing.io", "/apis/apps/v9", "/openapi/v3/apis/nothing/v1")
    assert [discovery.answer(path, None) for path in paths] == [None, None, None, None]


def test_a_client_that_wants_another_format_is_told_so(registry: Registry) -> None:
    """Status 406 rather than bytes it cannot read."""
    with pytest.raises(negotiation.NotAcceptable, match="media types are accepted"):
        Discovery(registry).answer("/openapi/v2", "text/html")


@pytest.mark.parametrize(
    ("accept", "transform"),
    [
        (None, None),
        ("application/json", None),
        ("*/*", None),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "Table"),
        ("application/json;as=Table;v=v7;g=meta.k8s.io,application/json", None),
        ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", None),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "PartialObjectMetadataList"),
        ("application/json;q=0.5,application/json;as=Table;v=v1;g=meta.k8s.io", "Table"),
    ],
)
def test_the_accept_header_chooses_the_representation(accept: str | None, transform: str | None) -> None:
    """The first entry that the server can serve wins."""
    assert negotiation.transform(accept) == transform
