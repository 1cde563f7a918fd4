"""The Experiment of a canary's step, as it is created: complete in itself, but for what only it can know.

Its templates are the pods of the canary or of stable as their author wrote them, with what the step adds. Arguments of
its analyses are settled as those of a run are; `{{templates.x.podTemplateHash}}` and the like stay, since the pods they
name are the Experiment's. When it starts and what its verdict does is experiment_step.py's business.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.api import codec
from rollouts.api.analysis import AnalysisArgument, TemplateRef
from rollouts.api.experiment import ExperimentAnalysis, ExperimentSpec, ExperimentTemplate, TemplateService
from rollouts.api.findings import Finding, Place
from rollouts.api.meta import API_VERSION, MetadataPatch
from rollouts.api.rollout import ExperimentStep, Rollout, StepExperimentTemplate
from rollouts.api.status import RolloutStatus
from rollouts.core import arguments, injected, naming, templates
from rollouts.core.actions import Manifest
from rollouts.core.arguments import ArgumentError
from rollouts.core.observed import ReplicaSet
from rollouts.core.revisions import owner_reference
from rollouts.core.turn import Turn

NEW, STABLE = "canary", "stable"


def manifest(
    turn: Turn, status: RolloutStatus, step: ExperimentStep, *, name: str, versions: Mapping[str, ReplicaSet]
) -> Manifest:
    """The object of a step; `versions` are the ReplicaSets that `canary` and `stable` mean."""
    rollout = turn.rollout
    instance = {naming.INSTANCE_LABEL: turn.seen.instance_id} if turn.seen.instance_id else {}
    meta = {
        "name": name,
        "namespace": rollout.meta.namespace,
        "labels": {**rollout.meta.labels, naming.POD_HASH_LABEL: turn.pod_hash, **instance},
        "annotations": {naming.REVISION: str(turn.revision), naming.STEPS_MADE_FOR: turn.step_hash},
        "ownerReferences": [owner_reference(turn)],
    }
    spec = ExperimentSpec(
        templates=tuple(_template(rollout, each, versions[each.spec_ref]) for each in step.templates),
        duration=step.duration,
        progress_deadline_seconds=rollout.spec.progress_deadline_seconds,
        analyses=tuple(
            _analysis(rollout, each, latest=turn.pod_hash, stable=status.stable_rs) for each in step.analyses
        ),
        scale_down_delay_seconds=step.scale_down_delay_seconds,
        dry_run=step.dry_run,
        analysis_run_metadata=step.analysis_run_metadata,
    )
    return {"apiVersion": API_VERSION, "kind": "Experiment", "metadata": meta, "spec": _encoded(spec)}


def problems(rollout: Rollout, step: ExperimentStep, known: templates.Known, place: Place) -> Iterator[Finding]:
    """What of a step could not be made or measured; `place` is the step's `experiment`.

    A template that could not be read is no problem: nobody knows yet.
    """
    for index, analysis in enumerate(step.analyses):
        here = (place / "analyses")[index]
        ref = TemplateRef(template_name=analysis.template_name, cluster_scope=analysis.cluster_scope)
        if ref not in known:
            kind = "ClusterAnalysisTemplate" if analysis.cluster_scope else "AnalysisTemplate"
            text = f"{kind} '{analysis.template_name}' not found"
            yield (here / "templateName").invalid(analysis.template_name, text)
        try:
            _analysis(rollout, analysis, latest="", stable="")
        except ArgumentError as error:
            yield (here / "args").invalid([codec.encode(each) for each in analysis.args], str(error))


def _encoded(spec: ExperimentSpec) -> dict[str, Any]:
    """The spec as JSON, in which a Service without a name of its own is asked for by being there."""
    written = codec.encode(spec)
    for template, each in zip(spec.templates, written.get("templates", ()), strict=True):
        if template.service is not None:
            each["service"] = codec.encode(template.service)
    return written


def _template(rollout: Rollout, wanted: StepExperimentTemplate, version: ReplicaSet) -> ExperimentTemplate:
    pods = injected.authored(version.template, version.annotations)
    meta = pods.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != naming.POD_HASH_LABEL}
    added = wanted.metadata or MetadataPatch()
    pods["metadata"] = {**meta, "labels": {**labels, **added.labels}}
    if added.annotations:
        pods["metadata"]["annotations"] = {**(meta.get("annotations") or {}), **added.annotations}
    has_service = wanted.weight is not None or wanted.service is not None
    return ExperimentTemplate(
        name=wanted.name,
        replicas=wanted.replicas,
        min_ready_seconds=version.min_ready_seconds or None,
        selector=_selector(rollout, wanted, added),
        template=pods,
        service=(wanted.service or TemplateService()) if has_service else None,
    )


def _selector(rollout: Rollout, wanted: StepExperimentTemplate, added: MetadataPatch) -> Mapping[str, Any]:
    """What selects the pods: the step's own selector, or the Rollout's; the added labels are part of either."""
    selector = copy.deepcopy(dict(wanted.selector or rollout.spec.selector or {}))
    labels = {**(selector.get("matchLabels") or {}), **added.labels}
    return {**selector, "matchLabels": labels} if labels else selector


def _analysis(rollout: Rollout, wanted: ExperimentAnalysis, *, latest: str, stable: str) -> ExperimentAnalysis:
    """With every argument that has its value in the Rollout settled. Raises ArgumentError."""

    def settled(arg: AnalysisArgument) -> AnalysisArgument:
        return arguments.resolved(arg, owner=rollout.raw, latest_hash=latest, stable_hash=stable)

    return dataclasses.replace(wanted, args=tuple(settled(arg) for arg in wanted.args))
