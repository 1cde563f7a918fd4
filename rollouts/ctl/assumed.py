"""The other objects of a play: those in the files, and minimal ones for what is named and is not there.

Whatever is made up is said, because the cluster may hold something else under the name. Pure: objects in, a cast and
sentences out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rollouts.api import parse
from rollouts.api.analysis import TemplateRef
from rollouts.api.meta import API_VERSION
from rollouts.api.rollout import CanaryStrategy, ExperimentStep, Rollout, Strategy
from rollouts.core import references, resolved, roads, roles, templates
from rollouts.core.roads import Routers
from rollouts.ctl import seeing, shapes
from rollouts.ctl.connection import CommandError
from rollouts.ctl.family import Json, name_of, workload_kind
from rollouts.ctl.rehearsed_cluster import Cast
from rollouts.kube.kinds import INGRESSES, SERVICES, Kind
from rollouts.ports import ObjectRef

TEMPLATES = ("AnalysisTemplate", "ClusterAnalysisTemplate")
DEFAULT_NAMESPACE = "default"


def cast(stored: Json, objects: Sequence[Json], routers: Routers) -> tuple[Cast, tuple[str, ...]]:
    """What a play of this Rollout begins with, and what was made up for it. Raises CommandError."""
    stored, objects = without_nulls(stored), [without_nulls(each) for each in objects]
    metadata, spec = stored.get("metadata"), stored.get("spec")
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("name"), str) or not isinstance(spec, Mapping):
        raise CommandError("a Rollout needs a metadata.name and a spec")
    stored = _in_namespace(stored)
    beside = _Beside(stored, objects)
    workload = _workload(stored, beside)
    rollout, _ = resolved.checked(parse.parse_rollout(stored), workload)
    services, made_services = _services(rollout, beside)
    ingresses, made_ingresses = _ingresses(rollout, beside, routers)
    analyses, made_analyses = _templates(rollout, beside)
    whole = Cast(rollout=stored, workload=workload, templates=analyses, services=services, ingresses=ingresses)
    return whole, (*made_services, *made_ingresses, *made_analyses)


def without_nulls(value: Any) -> Any:
    """As an API server stores it: a member that is null is not there."""
    if isinstance(value, Mapping):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


class _Beside:
    """The objects of the files that are in the Rollout's namespace, or say none. Raises CommandError for bad ones."""

    def __init__(self, stored: Json, objects: Sequence[Json]) -> None:
        self._namespace = stored["metadata"]["namespace"]
        for each in objects:
            kind = str(each.get("kind"))
            for finding in shapes.misshapen(each) if kind in shapes.SHAPES else ():
                raise CommandError(f"a {kind} in the files cannot be read: {finding.text}")
        self._objects = [each for each in objects if isinstance(each.get("metadata"), Mapping)]

    def all(self, *kinds: str) -> tuple[Json, ...]:
        """Those of these kinds."""
        return tuple(each for each in self._objects if each.get("kind") in kinds and self._is_near(each))

    def named(self, kind: Kind, name: str) -> Json | None:
        """The one of this name; None: it is not in the files."""
        alike = (each for each in self.all(kind.name) if each.get("apiVersion") == kind.api_version)
        return next((_with_namespace(each, self._namespace) for each in alike if name_of(each) == name), None)

    def _is_near(self, stored: Json) -> bool:
        is_scoped = stored.get("kind") != "ClusterAnalysisTemplate"
        return not is_scoped or stored["metadata"].get("namespace", self._namespace) == self._namespace


def _in_namespace(stored: Json) -> Json:
    return _with_namespace(stored, stored["metadata"].get("namespace") or DEFAULT_NAMESPACE)


def _with_namespace(stored: Json, namespace: str) -> Json:
    return {**stored, "metadata": {**stored["metadata"], "namespace": namespace}}


def _workload(stored: Json, beside: _Beside) -> Json | None:
    kind = workload_kind(stored)
    if kind is None:
        return None
    name = str(stored["spec"]["workloadRef"]["name"])
    found = beside.named(kind, name)
    if found is None:
        raise CommandError(
            f"{name_of(stored)}: its pod template is that of {kind.name} {name}, which is not in the files: name the "
            "file that has it, too"
        )
    return found


def _services(rollout: Rollout, beside: _Beside) -> tuple[tuple[Json, ...], list[str]]:
    names = roles.named(rollout.spec.strategy) if rollout.spec.strategy is not None else ()
    found = {name: beside.named(SERVICES, name) for name in names}
    made = [
        f"Service {name} is not in the files: it is taken to select the pods of the Rollout"
        for name, each in found.items()
        if each is None
    ]
    return tuple(each or _service(name, rollout) for name, each in found.items()), made


def _service(name: str, rollout: Rollout) -> Json:
    labels = (rollout.spec.selector or {}).get("matchLabels") or {}
    return {**_bare(SERVICES, name, rollout.meta.namespace), "spec": {"selector": dict(labels)}}


def _ingresses(rollout: Rollout, beside: _Beside, routers: Routers) -> tuple[tuple[Json, ...], list[str]]:
    """The Ingresses that routers read. Those that a router misses are made up; others it makes itself."""

    def look(ref: ObjectRef) -> Json | None:
        return beside.named(INGRESSES, ref.name) if ref.kind == INGRESSES.name else None

    seen = roads.roads(rollout, routers, look)
    missed = {finding.value for finding in seen.problems}
    objects: list[Json] = []
    made: list[str] = []
    for ref in seen.refs:
        found = look(ref)
        if found is not None:
            objects.append(found)
        elif ref.kind == INGRESSES.name and ref.name in missed:
            objects.append(_ingress(ref.name, rollout))
            made.append(f"Ingress {ref.name} is not in the files: it is taken to lead to the stable Service")
    return tuple(objects), made


def _ingress(name: str, rollout: Rollout) -> Json:
    strategy = rollout.spec.strategy
    assert isinstance(strategy, CanaryStrategy)
    service = {"name": roles.roles(strategy, rollout.status).stable, "port": {"number": 80}}
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": service}}
    return {**_bare(INGRESSES, name, rollout.meta.namespace), "spec": {"rules": [{"http": {"paths": [path]}}]}}


def _bare(kind: Kind, name: str, namespace: str) -> dict[str, Any]:
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name, "namespace": namespace}}


def _templates(rollout: Rollout, beside: _Beside) -> tuple[tuple[Json, ...], list[str]]:
    found = beside.all(*TEMPLATES)
    strategy = rollout.spec.strategy
    if strategy is None:
        return found, []
    known = seeing.templates_of(found)
    used = {ref for _, each in references.analyses(strategy) for ref in templates.collected(each, known)}
    used |= set(_of_experiments(strategy))
    absent = sorted(used - known.keys(), key=lambda ref: (ref.template_name, ref.cluster_scope))
    kinds = [TEMPLATES[ref.cluster_scope] for ref in absent]
    made = [_template(ref.template_name, kind, rollout) for ref, kind in zip(absent, kinds, strict=True)]
    said = [
        f"{kind} {ref.template_name} is not in the files: it is taken to pass at its first measurement"
        for ref, kind in zip(absent, kinds, strict=True)
    ]
    return (*found, *made), said


def _of_experiments(strategy: Strategy) -> Iterator[TemplateRef]:
    steps = strategy.steps if isinstance(strategy, CanaryStrategy) else ()
    for step in steps:
        if isinstance(step, ExperimentStep):
            for each in step.analyses:
                yield TemplateRef(template_name=each.template_name, cluster_scope=each.cluster_scope)


def _template(name: str, kind: str, rollout: Rollout) -> Json:
    """An analysis that takes every argument that the Rollout gives to any, and passes at once."""
    assert rollout.spec.strategy is not None
    metric = {"name": name, "provider": {"prometheus": {"address": "http://unknown", "query": "unknown"}}}
    names = {arg.name for _, each in references.analyses(rollout.spec.strategy) for arg in each.args}
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": rollout.meta.namespace},
        "spec": {"metrics": [metric], "args": [{"name": arg, "value": "unknown"} for arg in sorted(names)]},
    }
