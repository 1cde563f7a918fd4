"""A Rollout with the pod template to act on: its own, or that of the workload which spec.workloadRef names.

Template and selector of a workload are put into the Rollout in memory only: nothing that is written ever contains them.
Finding the workload does not belong here, nor when it is scaled down (workload.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.api import validate
from rollouts.api.findings import Finding, at
from rollouts.api.parse import Parsed
from rollouts.api.rollout import DEFAULT_REPLICAS, Rollout, WorkloadRef
from rollouts.core.observed import Workload

Json = Mapping[str, Any]

Checked = tuple[Rollout, tuple[Finding, ...]]
"""A Rollout, and what is wrong with its spec, worst first."""

POD_TEMPLATE = "PodTemplate"
RESOURCES = {
    ("apps", "Deployment"): "deployments.apps",
    ("apps", "ReplicaSet"): "replicasets.apps",
    ("", POD_TEMPLATE): "podtemplates",
}
"""What a workload may be, by group and kind, and as the API server calls it."""

REFERENCE = at("spec.workloadRef")


def checked(parsed: Parsed[Rollout], workload: Json | None) -> Checked:
    """The Rollout with the pod template and the selector to act on. `workload` is what it names, if that exists."""
    rollout = parsed.value
    reference = rollout.spec.workload_ref
    if reference is None:
        return rollout, validate.validate(parsed)
    if workload is None:
        return rollout, (*_unresolved(reference), *validate.validate(parsed))
    template, selector = template_of(workload, reference.kind)
    spec = dataclasses.replace(rollout.spec, selector=rollout.spec.selector or selector)
    whole = dataclasses.replace(rollout, spec=spec)
    problems = validate.validate(dataclasses.replace(parsed, value=whole), resolved_template=template)
    joined = dataclasses.replace(whole, spec=dataclasses.replace(spec, template=template))
    return joined, (*problems, *_without_selector(joined))


def seen_workload(stored: Json, kind: str) -> Workload:
    """A workload of this kind as a decision needs it."""
    meta, spec, status = (_mapping(stored, name) for name in ("metadata", "spec", "status"))
    return Workload(
        kind=kind,
        name=str(meta.get("name", "")),
        resource_version=str(meta.get("resourceVersion", "")),
        generation=meta.get("generation", 0),
        wanted=0 if kind == POD_TEMPLATE else spec.get("replicas", DEFAULT_REPLICAS),
        ready=status.get("readyReplicas", 0),
    )


def group_of(api_version: str) -> str:
    """The group of an apiVersion; empty for the core group."""
    group, slash, _ = api_version.partition("/")
    return group if slash else ""


def meaningless(reference: WorkloadRef) -> Finding | None:
    """What is wrong with a reference whatever exists."""
    group = group_of(reference.api_version)
    if (group, reference.kind) not in RESOURCES:
        message = f"workload of type {group}/{reference.kind} is not supported"
        return (REFERENCE / "kind").invalid(reference.kind, message)
    return None if reference.name else (REFERENCE / "name").required("the workload must be named")


def _unresolved(reference: WorkloadRef) -> Iterator[Finding]:
    finding = meaningless(reference)
    if finding is None:
        resource = RESOURCES[group_of(reference.api_version), reference.kind]
        finding = (REFERENCE / "name").invalid(reference.name, f'{resource} "{reference.name}" not found')
    yield finding


def _without_selector(rollout: Rollout) -> Iterator[Finding]:
    """A PodTemplate has no selector to take."""
    if not rollout.spec.selector:
        yield at("spec.selector").required("Rollout has missing field '.spec.selector'")


def template_of(workload: Json, kind: str) -> tuple[Json, Json | None]:
    """The pod template and the selector of a workload."""
    if kind == POD_TEMPLATE:
        return _mapping(workload, "template"), None
    spec = _mapping(workload, "spec")
    return _mapping(spec, "template"), _mapping(spec, "selector")


def _mapping(value: Json, name: str) -> Json:
    member = value.get(name)
    return member if isinstance(member, Mapping) else {}
