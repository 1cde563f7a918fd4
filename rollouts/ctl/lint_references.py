"""What lint finds wrong between objects in the same files: rollouts with their templates and Services; experiments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.api.analysis import AnalysisTemplate, TemplateRef
from rollouts.api.experiment import DEFAULT_PROGRESS_DEADLINE_SECONDS, ExperimentSpec
from rollouts.api.findings import Finding, Kind, at
from rollouts.api.meta import POD_HASH_LABEL
from rollouts.api.rollout import AnalysisStep, BlueGreenStrategy, CanaryStrategy, Rollout, RolloutAnalysis
from rollouts.core import templates

MANAGED_BY = "argo-rollouts.argoproj.io/managed-by-rollouts"
Known = Mapping[TemplateRef, AnalysisTemplate]


def template_findings(rollout: Rollout, known: Known) -> Iterator[Finding]:
    """What is wrong with the analyses of a rollout whose templates are all known."""
    for path, analysis in _analyses(rollout):
        if not analysis.templates or not all(ref in known for ref in templates.collected(analysis, known)):
            continue
        is_background = path == "spec.strategy.canary.analysis"
        for problem in templates.template_problems(
            analysis, known, rollout=rollout, path=path, is_background=is_background
        ):
            names = [ref.template_name for ref in analysis.templates]
            yield at(problem.path).invalid(f"templateNames: [{' '.join(names)}]", problem.message)


def _analyses(rollout: Rollout) -> Iterator[tuple[str, RolloutAnalysis]]:
    match rollout.spec.strategy:
        case CanaryStrategy() as canary:
            if canary.analysis is not None:
                yield "spec.strategy.canary.analysis", canary.analysis
            for index, step in enumerate(canary.steps):
                if isinstance(step, AnalysisStep):
                    yield f"spec.strategy.canary.steps[{index}].analysis", step.analysis
        case BlueGreenStrategy() as blue_green:
            if blue_green.pre_promotion_analysis is not None:
                yield "spec.strategy.blueGreen.prePromotionAnalysis", blue_green.pre_promotion_analysis
            if blue_green.post_promotion_analysis is not None:
                yield "spec.strategy.blueGreen.postPromotionAnalysis", blue_green.post_promotion_analysis
        case None:
            pass


def service_findings(rollout: Rollout, services: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """What is wrong with the Services (by name) that a rollout names."""
    for path, name in _service_names(rollout):
        if name in services:
            yield from _service(rollout, path, name, services[name])


def _service(rollout: Rollout, path: str, name: str, service: Mapping[str, Any]) -> Iterator[Finding]:
    labels = _section(_section(rollout.spec.template or {}, "metadata"), "labels")
    if rollout.spec.workload_ref is None:
        for key, value in _section(_section(service, "spec"), "selector").items():
            if key != POD_HASH_LABEL and labels.get(key) != value:
                yield at(path).invalid(name, f'Service "{name}" has unmatch label "{key}" in rollout')
    manager = _section(_section(service, "metadata"), "annotations").get(MANAGED_BY)
    if manager is not None and manager != rollout.meta.name:
        yield at(path).invalid(name, f'Service "{name}" is managed by another Rollout')


def _service_names(rollout: Rollout) -> Iterator[tuple[str, str]]:
    match rollout.spec.strategy:
        case CanaryStrategy() as canary:
            names = {"canaryService": canary.canary_service, "stableService": canary.stable_service}
            if canary.ping_pong is not None:
                names["pingPong.pingService"] = canary.ping_pong.ping_service
                names["pingPong.pongService"] = canary.ping_pong.pong_service
            yield from ((f"spec.strategy.canary.{field}", name) for field, name in names.items() if name)
        case BlueGreenStrategy() as blue_green:
            names = {"activeService": blue_green.active_service, "previewService": blue_green.preview_service}
            yield from ((f"spec.strategy.blueGreen.{field}", name) for field, name in names.items() if name)
        case None:
            pass


def _section(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = value.get(name)
    return section if isinstance(section, Mapping) else {}


def experiment_findings(name: str, spec: ExperimentSpec) -> Iterator[Finding]:
    """What is wrong with an experiment by itself, in the words of its InvalidSpec condition."""
    deadline = spec.progress_deadline_seconds
    seconds = DEFAULT_PROGRESS_DEADLINE_SECONDS if deadline is None else deadline
    names: set[str] = set()
    for index, template in enumerate(spec.templates):
        path = f"spec.templates[{index}]"
        if template.selector is None:
            yield _plain(f"{path}.selector", f"Rollout has missing field '.Spec.Templates[{index}].Selector'")
        elif not template.selector.get("matchLabels") and not template.selector.get("matchExpressions"):
            message = f"This experiment is selecting all pods at index {index}. A non-empty selector is required."
            yield _plain(f"{path}.selector", message)
        if (template.min_ready_seconds or 0) > seconds:
            message = f"MinReadySeconds cannot be longer than ProgressDeadlineSeconds. Check template index {index}"
            yield _plain(f"{path}.minReadySeconds", message)
        if not template.name:
            yield _plain(f"{path}.name", f"Experiment {name} has empty template name at index {index}")
        if template.name in names:
            message = f"Experiment {name} has repeated template name '{template.name}' in templates"
            yield _plain(f"{path}.name", message)
        names.add(template.name)


def _plain(path: str, message: str) -> Finding:
    return Finding(path=path, field=path, kind=Kind.UNSOUND, message=message)
