"""From the templates a gate names to the AnalysisRun that answers it.

Templates are collected (also through other templates), flattened to one list of metrics and arguments, and given the
rollout's arguments. The same walk finds what is wrong with them before any pod is made. A run is complete in itself:
only Secrets and placeholders in metrics are left open. Which run is due, and its name, belong to gates.py and runs.py.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rollouts.api import codec
from rollouts.api.analysis import (
    AnalysisArgument,
    AnalysisTemplate,
    AnalysisTemplateSpec,
    DryRun,
    MeasurementRetention,
    Metric,
    TemplateRef,
)
from rollouts.api.codec import Problem
from rollouts.api.meta import API_VERSION
from rollouts.api.rollout import Rollout, RolloutAnalysis
from rollouts.core import arguments, metrics
from rollouts.core.actions import Manifest
from rollouts.core.arguments import ArgumentError
from rollouts.core.metrics import InvalidMetric
from rollouts.core.observed import Unreadable

Known = Mapping[TemplateRef, AnalysisTemplate | Unreadable]
"""Templates by reference. A key that is missing: there is no such template."""

_IN_A_METRIC = re.compile(r"metrics\[[0-9]+\]\.")
_HASH_TO_COME = "dummy-value"
"""Stands for a version's hash where templates are checked before there is one."""


class TemplateError(ValueError):
    """What is wrong with the templates of an analysis, in words for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """A run to build: who wants it, what it is called, and the versions its arguments may name."""

    name: str
    rollout: Rollout
    owner_reference: Manifest
    labels: Mapping[str, str]
    """What the run is found by: version, kind, step, instance."""
    annotations: Mapping[str, str]
    latest_hash: str
    stable_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """Templates joined to one."""

    metrics: tuple[Metric, ...] = ()
    args: tuple[AnalysisArgument, ...] = ()
    dry_run: tuple[DryRun, ...] = ()
    retention: tuple[MeasurementRetention, ...] = field(default=())


def build_run(order: RunOrder, analysis: RolloutAnalysis, known: Known) -> Manifest:
    """The AnalysisRun of a gate. Raises TemplateError for what `template_problems` and `unreadable` find."""
    why = unreadable(analysis, known)
    if why is not None:
        raise TemplateError(why.why)
    try:
        flat = _with_arguments(analysis, known, order.rollout, latest=order.latest_hash, stable=order.stable_hash)
    except ArgumentError as error:
        raise TemplateError(str(error)) from None
    extra = analysis.analysis_run_metadata
    selector = order.rollout.spec.selector or {}
    meta = {
        "name": order.name,
        "namespace": order.rollout.meta.namespace,
        "labels": {**order.labels, **(extra.labels if extra else {}), **(selector.get("matchLabels") or {})},
        "annotations": {**order.annotations, **(extra.annotations if extra else {})},
        "ownerReferences": [order.owner_reference],
    }
    return {"apiVersion": API_VERSION, "kind": "AnalysisRun", "metadata": meta, "spec": _spec(flat)}


def collected(analysis: RolloutAnalysis, known: Known) -> tuple[TemplateRef, ...]:
    """Every template an analysis uses, itself or through others, each once: a template comes before those it names."""
    found: dict[TemplateRef, None] = {}
    waiting = list(reversed(analysis.templates))
    while waiting:
        ref = waiting.pop()
        if ref in found:
            continue
        found[ref] = None
        template = known.get(ref)
        if isinstance(template, AnalysisTemplate):
            waiting += reversed(template.spec.templates)
    return tuple(found)


def unreadable(analysis: RolloutAnalysis, known: Known) -> Unreadable | None:
    """Why it cannot be told whether an analysis is sound: a template that could not be read."""
    for ref in collected(analysis, known):
        template = known.get(ref)
        if isinstance(template, Unreadable):
            return Unreadable(why=f"{_kind(ref)} '{ref.template_name}': {template.why}")
    return None


def template_problems(
    analysis: RolloutAnalysis, known: Known, *, rollout: Rollout, path: str, is_background: bool
) -> tuple[Problem, ...]:
    """What is wrong with the templates of one gate, whose analysis is at `path`; nothing while one is unreadable."""
    path = f"{path}.templates"
    if unreadable(analysis, known) is not None:
        return ()
    try:
        flat = _with_arguments(analysis, known, rollout, latest=_HASH_TO_COME, stable=_HASH_TO_COME)
        _require_measurable(analysis, flat, is_background=is_background)
    except (TemplateError, ArgumentError, InvalidMetric) as error:
        return (Problem(path, str(error)),)
    return ()


def flatten(specs: Sequence[AnalysisTemplateSpec]) -> Flat:
    """Several templates as one. Raises TemplateError when they contradict each other."""
    args: dict[str, AnalysisArgument] = {}
    for spec in specs:
        for arg in spec.args:
            args[arg.name] = _merged(args.get(arg.name), arg)
    flat = Flat(
        metrics=tuple(metric for spec in specs for metric in spec.metrics),
        args=tuple(args.values()),
        dry_run=tuple(rule for spec in specs for rule in spec.dry_run),
        retention=tuple(rule for spec in specs for rule in spec.measurement_retention),
    )
    _require_unique((metric.name for metric in flat.metrics), "metrics")
    _require_unique((rule.metric_name for rule in flat.dry_run), "Dry-Run metric rules")
    _require_unique((rule.metric_name for rule in flat.retention), "Measurement Retention metric rules")
    return flat


def _with_arguments(analysis: RolloutAnalysis, known: Known, rollout: Rollout, *, latest: str, stable: str) -> Flat:
    """The analysis' templates as one, with every argument settled. Raises TemplateError and ArgumentError."""
    refs = collected(analysis, known)
    missing = next((ref for ref in refs if ref not in known), None)
    if missing is not None:
        raise TemplateError(f"{_kind(missing)} '{missing.template_name}' not found")
    flat = flatten(_specs(refs, known))
    given = {arg.name: arg for arg in analysis.args}
    settled = []
    for declared in flat.args:
        arg = given.get(declared.name, declared)
        arg = arg if _is_given(arg) else declared
        arg = arguments.resolved(arg, owner=rollout.raw, latest_hash=latest, stable_hash=stable)
        if not _is_given(arg):
            raise ArgumentError(f"args.{arg.name} was not resolved")
        settled.append(arg)
    return dataclasses.replace(
        flat,
        args=tuple(settled),
        dry_run=(*analysis.dry_run, *flat.dry_run),
        retention=(*analysis.measurement_retention, *flat.retention),
    )


def _specs(refs: Sequence[TemplateRef], known: Known) -> list[AnalysisTemplateSpec]:
    """Namespaced templates first, then cluster-wide ones; within each, in the order they were named."""
    specs = []
    for ref in sorted(refs, key=lambda ref: ref.cluster_scope):
        template = known[ref]
        if isinstance(template, AnalysisTemplate):
            _require_readable(ref, template)
            specs.append(template.spec)
    return specs


def _require_readable(ref: TemplateRef, template: AnalysisTemplate) -> None:
    """Raise for a part that was read as if it were absent; metrics are read again once their arguments are known."""
    problems: codec.Problems = []
    codec.decode(AnalysisTemplateSpec, template.raw.get("spec") or {}, problems)
    for problem in problems:
        if not _IN_A_METRIC.match(problem.path):
            raise TemplateError(f"{_kind(ref)} {ref.template_name}: {problem.path} {problem.message}")


def _merged(earlier: AnalysisArgument | None, later: AnalysisArgument) -> AnalysisArgument:
    if earlier is None or not _is_given(earlier):
        return later
    if earlier.value is not None and later.value is not None and earlier.value != later.value:
        values = f"'{earlier.value}', '{later.value}'"
        raise TemplateError(f"Argument `{later.name}` specified multiple times with different values: {values}")
    return earlier


def _is_given(arg: AnalysisArgument) -> bool:
    return arg.value is not None or arg.value_from is not None


def _require_unique(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise TemplateError(f"two {what} have the same name '{name}'")
        seen.add(name)


def _require_measurable(analysis: RolloutAnalysis, flat: Flat, *, is_background: bool) -> None:
    """Raise for a metric that cannot be measured, or that would never end where an end is waited for."""
    name = " ".join(ref.template_name for ref in analysis.templates)
    try:
        gauges = metrics.gauges(flat.metrics, args=flat.args, dry_run=flat.dry_run, retention=flat.retention)
    except (InvalidMetric, ArgumentError) as error:
        raise TemplateError(f"AnalysisTemplate {name}: {error}") from None
    endless = next((gauge for gauge in gauges if gauge.is_endless and not is_background), None)
    if endless is not None:
        raise TemplateError(
            f"AnalysisTemplate {name} has metric {endless.name} which runs indefinitely. Invalid value for count: "
            f"{endless.spec.get('count') or '<nil>'}"
        )


def _spec(flat: Flat) -> dict[str, Any]:
    spec: dict[str, Any] = {"metrics": [metric.raw for metric in flat.metrics]}
    lists = {
        "args": [_argument(arg) for arg in flat.args],
        "dryRun": [codec.encode(rule) for rule in flat.dry_run],
        "measurementRetention": [codec.encode(rule) for rule in flat.retention],
    }
    return spec | {name: items for name, items in lists.items() if items}


def _argument(arg: AnalysisArgument) -> dict[str, Any]:
    """An argument as JSON; an empty value is a value."""
    return codec.encode(arg) | ({} if arg.value is None else {"value": arg.value})


def _kind(ref: TemplateRef) -> str:
    return "ClusterAnalysisTemplate" if ref.cluster_scope else "AnalysisTemplate"
