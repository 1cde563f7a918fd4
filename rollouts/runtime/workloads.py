"""Where a Rollout's pod template comes from: its own spec, or the workload that spec.workloadRef names.

Template and selector of a workload are put into the Rollout in memory only: nothing that is written ever contains them.
What is parsed is parsed once for each pair of versions; a workload whose pods come and go keeps its generation, and
costs nothing. When a workload is scaled down does not belong here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.api import parse, validate
from rollouts.api.findings import Finding, at
from rollouts.api.parse import Parsed
from rollouts.api.rollout import DEFAULT_REPLICAS, Rollout, WorkloadRef
from rollouts.core.observed import Workload
from rollouts.kube.kinds import POD_TEMPLATES, WORKLOADS, Key, Kind
from rollouts.runtime.cache import Entry, Json

Checked = tuple[Rollout, tuple[Finding, ...]]
"""A Rollout, and what is wrong with its spec, worst first."""

REFERENCE = at("spec.workloadRef")


def rollout_of(entry: Entry) -> Parsed[Rollout]:
    """The Rollout as its own spec has it."""
    return entry.parsed("rollout", lambda entry: parse.parse_rollout(entry.object))


def workload_named(entry: Entry) -> tuple[Kind, Key] | None:
    """What a Rollout takes its pod template from; None: from its own spec, or from a kind that has none."""
    spec = _mapping(entry.object, "spec")
    reference = spec.get("workloadRef")
    if not isinstance(reference, Mapping):
        return None
    kind = _kind(str(reference.get("apiVersion", "")), str(reference.get("kind", "")))
    name = reference.get("name")
    return (kind, Key(entry.key.namespace, name)) if kind is not None and isinstance(name, str) and name else None


def checked(entry: Entry, workload: Entry | None) -> Checked:
    """The Rollout with the pod template and the selector to act on. `workload` is what it names, if it exists."""
    if rollout_of(entry).value.spec.workload_ref is None:
        return entry.parsed("checked", lambda entry: _alone(rollout_of(entry)))
    version = None if workload is None else (workload.uid, workload.generation or workload.version)
    known: tuple[object, Checked] | None = entry.memo.get("checked")
    if known is None or known[0] != version:
        known = entry.memo["checked"] = (version, _joined(rollout_of(entry), workload))
    return known[1]


def seen_workload(workload: Entry) -> Workload:
    """A workload as a decision needs it."""
    spec, status = _mapping(workload.object, "spec"), _mapping(workload.object, "status")
    wanted = 0 if workload.kind == POD_TEMPLATES else spec.get("replicas", DEFAULT_REPLICAS)
    return Workload(
        kind=workload.kind.name,
        name=workload.key.name,
        resource_version=workload.version,
        generation=workload.generation or 0,
        wanted=wanted,
        ready=status.get("readyReplicas", 0),
    )


def _alone(parsed: Parsed[Rollout]) -> Checked:
    return parsed.value, validate.validate(parsed)


def _joined(parsed: Parsed[Rollout], workload: Entry | None) -> Checked:
    rollout = parsed.value
    reference = rollout.spec.workload_ref
    assert reference is not None
    if workload is None:
        return rollout, (*_unresolved(reference), *validate.validate(parsed))
    template, selector = _template(workload)
    spec = dataclasses.replace(rollout.spec, selector=rollout.spec.selector or selector)
    whole = dataclasses.replace(rollout, spec=spec)
    problems = validate.validate(dataclasses.replace(parsed, value=whole), resolved_template=template)
    resolved = dataclasses.replace(whole, spec=dataclasses.replace(spec, template=template))
    return resolved, (*problems, *_without_selector(resolved))


def _unresolved(reference: WorkloadRef) -> Iterator[Finding]:
    group, name = _group(reference.api_version), reference.name
    kind = _kind(reference.api_version, reference.kind)
    if kind is None:
        message = f"workload of type {group}/{reference.kind} is not supported"
        yield (REFERENCE / "kind").invalid(reference.kind, message)
    elif not name:
        yield (REFERENCE / "name").required("the workload must be named")
    else:
        where = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        yield (REFERENCE / "name").invalid(name, f'{where} "{name}" not found')


def _without_selector(rollout: Rollout) -> Iterator[Finding]:
    """A PodTemplate has no selector to take."""
    if not rollout.spec.selector:
        yield at("spec.selector").required("Rollout has missing field '.spec.selector'")


def _template(workload: Entry) -> tuple[Json, Json | None]:
    """The pod template and the selector of a workload."""
    if workload.kind == POD_TEMPLATES:
        return _mapping(workload.object, "template"), None
    spec = _mapping(workload.object, "spec")
    return _mapping(spec, "template"), _mapping(spec, "selector")


def _kind(api_version: str, name: str) -> Kind | None:
    group = _group(api_version)
    return next((kind for kind in WORKLOADS if (kind.group, kind.name) == (group, name)), None)


def _group(api_version: str) -> str:
    group, slash, _ = api_version.partition("/")
    return group if slash else ""


def _mapping(value: Json, name: str) -> Mapping[str, Any]:
    member = value.get(name)
    return member if isinstance(member, Mapping) else {}
