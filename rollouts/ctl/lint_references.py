"""What lint finds wrong between objects in the same files: rollouts with whatever they refer to; experiments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rollouts.api.analysis import AnalysisTemplate, TemplateRef
from rollouts.api.experiment import DEFAULT_PROGRESS_DEADLINE_SECONDS, ExperimentSpec
from rollouts.api.findings import Finding, Kind, at
from rollouts.api.parse import Parsed
from rollouts.api.rollout import CanaryStrategy, ExperimentStep, PluginStep, Rollout
from rollouts.api.validate import validate
from rollouts.core import experiment_manifest, references, roads, roles, served, templates
from rollouts.core import resolved as core_resolved
from rollouts.core.observed import Unreadable
from rollouts.core.roads import Routers
from rollouts.ctl import summary
from rollouts.kube.kinds import SERVICES
from rollouts.ports import ObjectRef, Unknown

STEPS = "spec.strategy.canary.steps"

Json = Mapping[str, Any]
Known = Mapping[TemplateRef, AnalysisTemplate]


def template_findings(rollout: Rollout, known: Known) -> Iterator[Finding]:
    """What is wrong with the analyses of a rollout whose templates are all known."""
    strategy = rollout.spec.strategy
    for path, analysis in references.analyses(strategy) if strategy is not None else ():
        if not all(ref in known for ref in templates.collected(analysis, known)):
            continue
        is_background = path == "spec.strategy.canary.analysis"
        for problem in templates.template_problems(
            analysis, known, rollout=rollout, path=path, is_background=is_background
        ):
            names = [ref.template_name for ref in analysis.templates]
            yield at(problem.path).invalid(f"templateNames: [{' '.join(names)}]", problem.message)


def experiment_step_findings(rollout: Rollout) -> Iterator[Finding]:
    """What is wrong with the experiment steps of a rollout, whichever templates there are."""
    for index, step in enumerate(summary.steps_of(rollout)):
        if isinstance(step, ExperimentStep):
            named = (
                TemplateRef(template_name=each.template_name, cluster_scope=each.cluster_scope)
                for each in step.analyses
            )
            known = dict.fromkeys(named, Unreadable(why="it may be in the cluster"))
            yield from experiment_manifest.problems(rollout, step, known, at(f"{STEPS}[{index}].experiment"))


def resolved(parsed: Parsed[Rollout], workload: Json | None) -> core_resolved.Checked:
    """The rollout with the template of its workload, where that is in the files, and what is wrong with its spec."""
    reference = parsed.value.spec.workload_ref
    if reference is None or workload is not None:
        return core_resolved.checked(parsed, workload)
    finding = core_resolved.meaningless(reference)
    return parsed.value, (*((finding,) if finding is not None else ()), *validate(parsed))


def route_findings(rollout: Rollout, routers: Routers, find: Callable[[str, str], Json | None]) -> Iterator[Finding]:
    """What routers find wrong with their sections, and with those of their objects that are found by kind and name."""

    def look(ref: ObjectRef) -> Json | Unknown:
        found = find(ref.kind, ref.name)
        return Unknown(why="it is not in the files") if found is None else found

    yield from roads.roads(rollout, routers, look).problems


def router_findings(rollout: Rollout, routers: Routers) -> Iterator[Finding]:
    """The routers of a rollout that the controller does not carry out."""
    strategy = rollout.spec.strategy
    if isinstance(strategy, CanaryStrategy):
        yield from served.unserved_routers(strategy, roads.read(rollout, routers).unserved)


def plugin_findings(rollout: Rollout, installed: Collection[str]) -> Iterator[Finding]:
    """Step plugins of a rollout that are not installed beside this command: beside the controller they may be."""
    for index, step in enumerate(summary.steps_of(rollout)):
        if isinstance(step, PluginStep) and step.name not in installed:
            place = (at(STEPS)[index] / "plugin") / "name"
            yield place.invalid(step.name, "not installed here: the controller refuses the Rollout unless it has it")


def referred(rollout: Rollout, routers: Routers) -> Iterator[tuple[str, str]]:
    """What a rollout refers to besides templates: kind and name of each object."""
    strategy, reference = rollout.spec.strategy, rollout.spec.workload_ref
    for name in roles.named(strategy) if strategy is not None else ():
        yield SERVICES.name, name
    if reference is not None:
        yield reference.kind, reference.name
    for each in roads.read(rollout, routers).readable:
        yield from ((ref.kind, ref.name) for ref in each.router.reads(each.config))


def service_findings(rollout: Rollout, services: Mapping[str, Json]) -> Iterator[Finding]:
    """What is wrong with the Services (by name) that a rollout names."""
    strategy, is_known = rollout.spec.strategy, _has_labels(rollout)
    held = rollout if is_known else replace(rollout, spec=replace(rollout.spec, template=None))
    for path, name in references.service_paths(strategy) if strategy is not None else ():
        if name in services:
            selector = _section(_section(services[name], "spec"), "selector") if is_known else {}
            annotations = _section(_section(services[name], "metadata"), "annotations")
            yield from references.service_problems(held, name, path, selector=selector, annotations=annotations)


def _has_labels(rollout: Rollout) -> bool:
    """Whether the labels of its pods are known: its template may be that of a workload elsewhere, or be no template."""
    template = rollout.spec.template or {}
    metadata = template.get("metadata") or {}
    is_readable = isinstance(metadata, Mapping) and isinstance(metadata.get("labels") or {}, Mapping)
    return bool(template) and is_readable


def sharing_findings(rollout: Rollout, others: Iterable[Rollout]) -> Iterator[Finding]:
    """Services of a rollout that others name, too: only one of them could point such a Service at its pods."""
    rivals = [(other.meta.name, other.spec.strategy) for other in others]
    strategy = rollout.spec.strategy
    for path, name in references.service_paths(strategy) if strategy is not None else ():
        for rival, theirs in rivals:
            if theirs is not None and name in roles.named(theirs):
                yield at(path).invalid(name, f'Service "{name}" is named by Rollout "{rival}", too')


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
