"""The CRDs are what the types say, and what an API server accepts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollouts.api import schema
from rollouts.lib import podlayout

CRDS = Path(__file__).parents[2] / "crds"


def root(resource: schema.Resource) -> dict[str, Any]:
    version: dict[str, Any] = schema.crd(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return version


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema within a schema, with its path."""
    yield path, node
    for name, member in node.get("properties", {}).items():
        yield from nodes(member, f"{path}.{name}")
    for nested in ("items", "additionalProperties"):
        if isinstance(node.get(nested), dict):
            yield from nodes(node[nested], f"{path}[]")


@pytest.mark.parametrize("resource", schema.RESOURCES, ids=lambda each: each.plural)
def test_the_files_are_up_to_date(resource: schema.Resource) -> None:
    """`make crds` changes nothing."""
    assert (CRDS / resource.file_name).read_text(encoding="utf-8") == schema.render(resource)


def test_there_is_a_file_for_each_kind_and_no_other() -> None:
    files = {path.name for path in CRDS.glob("argoproj.io_*.yaml")} - {"kustomization.yaml"}
    assert files == {resource.file_name for resource in schema.RESOURCES}


@pytest.mark.parametrize("path", sorted(CRDS.glob("argoproj.io_*.yaml")), ids=lambda path: path.name)
def test_client_side_apply_can_hold_each_file(path: Path) -> None:
    assert path.stat().st_size < schema.SIZE_MAX


@pytest.mark.parametrize("resource", schema.RESOURCES, ids=lambda each: each.plural)
def test_schemas_are_structural(resource: schema.Resource) -> None:
    """Every node has a type or says why not; required members exist; list keys are required or have a default."""
    for path, node in nodes(root(resource)):
        is_free = "x-kubernetes-int-or-string" in node or "x-kubernetes-preserve-unknown-fields" in node
        assert "type" in node or is_free, path
        assert not {"$ref", "oneOf", "allOf"} & node.keys(), path
        assert set(node.get("required", ())) <= node.get("properties", {}).keys(), path
        if node.get("x-kubernetes-list-type") == "map":
            for key in node["x-kubernetes-list-map-keys"]:
                item = node["items"]
                assert key in item.get("required", ()) or "default" in item["properties"][key], (path, key)


@pytest.mark.parametrize("resource", schema.RESOURCES, ids=lambda each: each.plural)
def test_every_field_outside_pod_templates_is_described(resource: schema.Resource) -> None:
    for path, node in nodes(root(resource)):
        is_member = not path.endswith("[]") and path not in ("", ".metadata")
        if is_member and ".template.metadata" not in path and ".template.spec" not in path:
            assert node.get("description"), path


def test_subresources_and_names_are_those_clients_use() -> None:
    crds = {resource.kind: schema.crd(resource)["spec"] for resource in schema.RESOURCES}
    rollout = crds["Rollout"]["versions"][0]
    assert rollout["subresources"]["scale"]["statusReplicasPath"] == ".status.HPAReplicas"
    assert rollout["subresources"]["status"] == {}
    assert all("subresources" not in spec["versions"][0] for kind, spec in crds.items() if kind != "Rollout")
    short = {kind: spec["names"]["shortNames"] for kind, spec in crds.items()}
    assert short == {
        "Rollout": ["ro"],
        "AnalysisRun": ["ar"],
        "AnalysisTemplate": ["at"],
        "ClusterAnalysisTemplate": ["cat"],
        "Experiment": ["exp"],
    }
    assert crds["ClusterAnalysisTemplate"]["scope"] == "Cluster"


def test_kubectl_shows_the_columns_that_people_know() -> None:
    """Name and place of each, before the age."""
    columns = {
        resource.kind: [
            (each["name"], each["jsonPath"])
            for each in schema.crd(resource)["spec"]["versions"][0]["additionalPrinterColumns"]
        ]
        for resource in schema.RESOURCES
    }
    age, phase = ("Age", ".metadata.creationTimestamp"), ("Status", ".status.phase")
    assert columns == {
        "Rollout": [
            ("Desired", ".spec.replicas"),
            ("Current", ".status.replicas"),
            ("Up-to-date", ".status.updatedReplicas"),
            ("Available", ".status.availableReplicas"),
            age,
        ],
        "AnalysisRun": [phase, age],
        "Experiment": [phase, age],
        "AnalysisTemplate": [age],
        "ClusterAnalysisTemplate": [age],
    }


def test_the_selector_is_immutable() -> None:
    selector = root(schema.RESOURCES[0])["properties"]["spec"]["properties"]["selector"]
    assert selector["x-kubernetes-validations"] == [
        {"rule": "self == oldSelf", "message": ".spec.selector is immutable"}
    ]


def test_everything_a_pod_template_can_say_counts_for_its_version() -> None:
    """A member that the CRD keeps and the layout does not know could change without a new version."""

    def compare(node: dict[str, Any], struct: str, path: str) -> None:
        known = {member.name: member.type.strip("[]") for member in podlayout.structs()[struct]}
        for name, member in node.get("properties", {}).items():
            assert name in known, f"{path}.{name}"
            inner = member.get("items", member)
            if known[name] in podlayout.structs() and "properties" in inner:
                compare(inner, known[name], f"{path}.{name}")

    template = root(schema.RESOURCES[0])["properties"]["spec"]["properties"]["template"]
    compare(template, podlayout.ROOT, "template")


def test_files_have_no_anchors() -> None:
    """Not every reader of CRDs follows them."""
    for path in CRDS.glob("argoproj.io_*.yaml"):
        tokens = yaml.scan(path.read_text(encoding="utf-8"))
        assert not any(isinstance(token, yaml.AnchorToken | yaml.AliasToken) for token in tokens)
