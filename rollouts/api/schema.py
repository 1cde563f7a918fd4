"""The five CRDs, made from the types.

`python -m rollouts.api.schema crds` writes them. A field's description and facets stand at the type (fields.py); this
module adds what a type cannot know: pieces written elsewhere (pod template, routers, providers), names, columns and
subresources. Rules between fields are not in the CRDs but in validate.py, so that a Rollout that breaks one is stored
and says so in its status, as its users are used to.
"""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from rollouts.api import codec, openapi
from rollouts.api.analysis import AnalysisRunSpec, AnalysisRunStatus, AnalysisTemplateSpec, Metric
from rollouts.api.experiment import ExperimentSpec, ExperimentStatus, ExperimentTemplate
from rollouts.api.fields import Seconds, Tagged
from rollouts.api.meta import GROUP, VERSION
from rollouts.api.openapi import Schema
from rollouts.api.podschema import pod_template
from rollouts.api.rollout import AntiAffinity, RolloutSpec, StepExperimentTemplate
from rollouts.api.schema_providers import providers
from rollouts.api.schema_routers import routers
from rollouts.api.status import RolloutStatus
from rollouts.api.traffic import RouteMatch, StringMatch, TrafficRouting
from rollouts.lib.intstr import IntOrPercent

SIZE_MAX = 262_144  # bytes of an annotation; client-side apply keeps the whole object in one

_IMMUTABLE = [{"rule": "self == oldSelf", "message": ".spec.selector is immutable"}]

_WRITTEN_ELSEWHERE: Mapping[tuple[type, str], Callable[[str], Schema]] = {
    (RolloutSpec, "selector"): lambda text: {**openapi.label_selector(text), "x-kubernetes-validations": _IMMUTABLE},
    (RolloutSpec, "template"): pod_template,
    (ExperimentTemplate, "selector"): openapi.label_selector,
    (ExperimentTemplate, "template"): pod_template,
    (StepExperimentTemplate, "selector"): openapi.label_selector,
    (AntiAffinity, "required_during_scheduling_ignored_during_execution"): lambda text: openapi.obj(text, {}),
    (RouteMatch, "headers"): lambda text: openapi.mapping(text, object_schema(StringMatch)),
    (Metric, "provider"): lambda text: providers(),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of `kubectl get`."""

    name: str
    path: str
    type: str
    description: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One CRD: names, types and columns."""

    kind: str
    plural: str
    short: str
    description: str
    spec: type
    status: type | None = None
    is_cluster_scoped: bool = False
    columns: tuple[Column, ...] = ()
    subresources: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """The file the CRD is kept in."""
        return f"{GROUP}_{self.plural}.yaml"


_AGE = Column(name="Age", path=".metadata.creationTimestamp", type="date", description="Time since creation.")
_PHASE = Column(name="Status", path=".status.phase", type="string", description="Where it stands.")


def _count(name: str, path: str, description: str) -> Column:
    return Column(name=name, path=path, type="integer", description=description)


RESOURCES = (
    Resource(
        kind="Rollout",
        plural="rollouts",
        short="ro",
        description="Rollout brings new versions of an application to its users step by step.",
        spec=RolloutSpec,
        status=RolloutStatus,
        columns=(
            _count("Desired", ".spec.replicas", "Desired number of pods."),
            _count("Current", ".status.replicas", "Pods of all versions."),
            _count("Up-to-date", ".status.updatedReplicas", "Pods of the version the spec asks for."),
            _count("Available", ".status.availableReplicas", "Pods that are available."),
            _AGE,
        ),
        subresources={
            "scale": {
                "labelSelectorPath": ".status.selector",
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.HPAReplicas",
            },
            "status": {},
        },
    ),
    Resource(
        kind="AnalysisRun",
        plural="analysisruns",
        short="ar",
        description="AnalysisRun measures something and comes to a verdict.",
        spec=AnalysisRunSpec,
        status=AnalysisRunStatus,
        columns=(_PHASE, _AGE),
    ),
    Resource(
        kind="AnalysisTemplate",
        plural="analysistemplates",
        short="at",
        description="AnalysisTemplate says what to measure and what counts as good.",
        spec=AnalysisTemplateSpec,
        columns=(_AGE,),
    ),
    Resource(
        kind="ClusterAnalysisTemplate",
        plural="clusteranalysistemplates",
        short="cat",
        description="ClusterAnalysisTemplate is an AnalysisTemplate for all namespaces.",
        spec=AnalysisTemplateSpec,
        is_cluster_scoped=True,
        columns=(_AGE,),
    ),
    Resource(
        kind="Experiment",
        plural="experiments",
        short="exp",
        description="Experiment runs several versions side by side for a while.",
        spec=ExperimentSpec,
        status=ExperimentStatus,
        columns=(_PHASE, _AGE),
    ),
)


def object_schema(cls: type, description: str = "") -> Schema:
    """The schema of an API class."""
    inline = codec.inline_attribute(cls)
    if inline is not None:
        return _attribute_schema(cls, inline)
    properties: dict[str, Schema] = {}
    for attribute in codec.attributes(cls):
        if attribute.is_rest:
            properties.update(routers() if cls is TrafficRouting else {})
        else:
            properties[attribute.json] = _attribute_schema(cls, attribute)
    required = [attribute.json for attribute in codec.attributes(cls) if attribute.doc.required]
    return openapi.obj(description, dict(sorted(properties.items())), required=sorted(required))


def _attribute_schema(cls: type, attribute: codec.Attribute) -> Schema:
    elsewhere = _WRITTEN_ELSEWHERE.get((cls, attribute.name))
    if elsewhere is not None:
        return elsewhere(attribute.doc.text)
    if attribute.seconds is not None:
        schema = _seconds(attribute.seconds)
    elif attribute.tagged is not None:
        tagged = _tagged(attribute.tagged)
        schema = openapi.array(tagged) if typing.get_origin(attribute.type) is tuple else tagged
    else:
        schema = _type_schema(attribute.type)
    described = {"description": attribute.doc.text, **schema} if attribute.doc.text else schema
    return {**described, **attribute.doc.schema}


def _seconds(mark: Seconds) -> Schema:
    return openapi.int_or_text() if mark.numbers else openapi.text()


def _tagged(mark: Tagged) -> Schema:
    return openapi.obj("", {name: object_schema(kind, _summary(kind)) for name, kind in mark.kinds.items()})


def _summary(cls: type) -> str:
    """The first sentence of a class's docstring."""
    return (cls.__doc__ or "").strip().partition(".")[0].replace("\n   ", "") + "."


_SCALARS: Mapping[Any, Callable[[], Schema]] = {
    str: openapi.text,
    bool: openapi.flag,
    int: openapi.number,
    datetime: openapi.moment,
    IntOrPercent: openapi.int_or_text,
    Any: lambda: openapi.opaque(is_object=False),
}


def _type_schema(kind: Any) -> Schema:
    kinds = codec.members(kind)
    if set(kinds) == {int, str}:
        return openapi.int_or_text()
    (kind,) = kinds
    if kind in _SCALARS:
        return _SCALARS[kind]()
    origin = typing.get_origin(kind)
    if origin is tuple:
        return openapi.array(_type_schema(typing.get_args(kind)[0]))
    if origin is not None:
        values = typing.get_args(kind)[1]
        return openapi.opaque() if values is Any else openapi.mapping(values=_type_schema(values))
    return openapi.text() if issubclass(kind, Enum) else object_schema(kind)


def crd(resource: Resource) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind."""
    scope = "Cluster" if resource.is_cluster_scoped else "Namespaced"
    names = {
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "plural": resource.plural,
        "shortNames": [resource.short],
        "singular": resource.kind.lower(),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": scope, "versions": [_version(resource)]},
    }


def _version(resource: Resource) -> dict[str, Any]:
    members = {
        "apiVersion": openapi.text("Version of the schema of this object."),
        "kind": openapi.text("Kind of this object."),
        "metadata": {"type": "object"},
        "spec": object_schema(resource.spec, "What is asked for."),
    }
    if resource.status is not None:
        members["status"] = object_schema(resource.status, "What was observed.")
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in resource.columns],
        "schema": {"openAPIV3Schema": openapi.obj(resource.description, members, required=["spec"])},
    }
    return {**version, "subresources": dict(resource.subresources)} if resource.subresources else version


def _column(column: Column) -> dict[str, str]:
    return {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }


class _Dumper(yaml.SafeDumper):
    """YAML without anchors: every reader of CRDs understands it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render(resource: Resource) -> str:
    """The text of a CRD's file."""
    body = yaml.dump(crd(resource), Dumper=_Dumper, sort_keys=False, width=120, default_flow_style=None)
    return f"# Generated from the types in rollouts/api by `make crds`; do not edit.\n{body}"


def write(folder: Path) -> None:
    """Write all CRDs into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for resource in RESOURCES:
        (folder / resource.file_name).write_text(render(resource), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
