"""What a valid spec refers to: whether its Services are there and its own, its analysis templates measurable, and
whether it still names the routers that send traffic to the canary.

Found before any pod of a version is made. What could not be read is no finding: nobody knows yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from rollouts.api.findings import Finding, Kind, at
from rollouts.api.rollout import (
    AnalysisStep,
    BlueGreenStrategy,
    CanaryStrategy,
    ExperimentStep,
    Rollout,
    RolloutAnalysis,
    Strategy,
)
from rollouts.api.traffic import used_routers
from rollouts.core import experiment_manifest, naming, templates
from rollouts.core.observed import Seen, Service, Unreadable
from rollouts.core.turn import pod_template

CANARY, BLUE_GREEN = "spec.strategy.canary", "spec.strategy.blueGreen"


def problems(seen: Seen, strategy: Strategy) -> tuple[Finding, ...]:
    """What is wrong with what the strategy names: its Services, then its templates, in the order of the spec."""
    found = (_left_alone, _services, _templates, _experiments)
    return tuple(finding for look in found for finding in look(seen, strategy))


def service_paths(strategy: Strategy) -> Iterator[tuple[str, str]]:
    """The Services that a strategy names, each with the path of its name."""
    match strategy:
        case CanaryStrategy(ping_pong=pair):
            names = {
                f"{CANARY}.canaryService": strategy.canary_service,
                f"{CANARY}.stableService": strategy.stable_service,
                f"{CANARY}.pingPong.pingService": pair.ping_service if pair else "",
                f"{CANARY}.pingPong.pongService": pair.pong_service if pair else "",
            }
        case BlueGreenStrategy():
            names = {
                f"{BLUE_GREEN}.activeService": strategy.active_service,
                f"{BLUE_GREEN}.previewService": strategy.preview_service,
            }
        case _:
            assert_never(strategy)
    yield from ((path, name) for path, name in names.items() if name)


def analyses(strategy: Strategy) -> Iterator[tuple[str, RolloutAnalysis]]:
    """The analyses of a strategy that name templates, each with its path."""
    found: dict[str, RolloutAnalysis | None]
    match strategy:
        case CanaryStrategy():
            found = {f"{CANARY}.analysis": strategy.analysis}
            for index, step in enumerate(strategy.steps):
                if isinstance(step, AnalysisStep):
                    found[f"{CANARY}.steps[{index}].analysis"] = step.analysis
        case BlueGreenStrategy():
            found = {
                f"{BLUE_GREEN}.prePromotionAnalysis": strategy.pre_promotion_analysis,
                f"{BLUE_GREEN}.postPromotionAnalysis": strategy.post_promotion_analysis,
            }
        case _:
            assert_never(strategy)
    yield from ((path, analysis) for path, analysis in found.items() if analysis is not None and analysis.templates)


def service_problems(
    rollout: Rollout, name: str, path: str, *, selector: Mapping[str, str], annotations: Mapping[str, str]
) -> Iterator[Finding]:
    """What speaks against this Service leading to the Rollout's pods."""
    labels = (pod_template(rollout).get("metadata") or {}).get("labels") or {}
    for key, value in selector.items():
        if key != naming.POD_HASH_LABEL and labels.get(key) != value:
            yield at(path).invalid(name, f'Service "{name}" has unmatch label "{key}" in rollout')
    if annotations.get(naming.MANAGED_BY, rollout.meta.name) != rollout.meta.name:
        yield at(path).invalid(name, f'Service "{name}" is managed by another Rollout')


def _left_alone(seen: Seen, strategy: Strategy) -> Iterator[Finding]:
    """Routers that the spec names no more while they send traffic to the canary: nobody could take it back."""
    weights = seen.rollout.status.canary.weights
    is_routed = isinstance(strategy, CanaryStrategy) and used_routers(strategy.traffic_routing)
    if weights is None or weights.canary.weight == 0 or is_routed:
        return
    words = f"routers were last seen to send {weights.canary.weight} of the traffic to the canary"
    moves = "put it back and abort or promote first, or clear status.canary.weights if the routers are gone"
    yield at(f"{CANARY}.trafficRouting").required(f"{words}: {moves}")


def _services(seen: Seen, strategy: Strategy) -> Iterator[Finding]:
    for path, name in service_paths(strategy):
        service = seen.services.get(name)
        match service:
            case None:
                yield at(path).invalid(name, f'service "{name}" not found')
            case Unreadable():
                pass
            case Service(selector=selector, annotations=annotations):
                yield from service_problems(seen.rollout, name, path, selector=selector, annotations=annotations)
            case _:
                assert_never(service)


def _templates(seen: Seen, strategy: Strategy) -> Iterator[Finding]:
    for path, analysis in analyses(strategy):
        for problem in templates.template_problems(
            analysis, seen.templates, rollout=seen.rollout, path=path, is_background=path == f"{CANARY}.analysis"
        ):
            names = " ".join(ref.template_name for ref in analysis.templates)
            value = f"templateNames: [{names}]"
            yield Finding(
                path=problem.path, field=problem.path, kind=Kind.INVALID, message=problem.message, value=value
            )


def _experiments(seen: Seen, strategy: Strategy) -> Iterator[Finding]:
    for index, step in enumerate(strategy.steps if isinstance(strategy, CanaryStrategy) else ()):
        if isinstance(step, ExperimentStep):
            place = at(f"{CANARY}.steps[{index}].experiment")
            yield from experiment_manifest.problems(seen.rollout, step, seen.templates, place)
