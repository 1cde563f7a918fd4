"""What a valid spec refers to: whether the analysis templates it names exist and can be measured.

Found before any pod of a version is made. A template that could not be read is no finding: nobody knows yet.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollouts.api.findings import Finding, Kind
from rollouts.api.rollout import AnalysisStep, CanaryStrategy, RolloutAnalysis
from rollouts.core import templates
from rollouts.core.observed import Seen


def problems(seen: Seen, strategy: CanaryStrategy) -> tuple[Finding, ...]:
    """What is wrong with the templates that the strategy names, in the order of the spec."""
    found = []
    for path, analysis in _analyses(strategy):
        for problem in templates.template_problems(
            analysis, seen.templates, rollout=seen.rollout, path=path, is_background=analysis is strategy.analysis
        ):
            names = " ".join(ref.template_name for ref in analysis.templates)
            value = f"templateNames: [{names}]"
            found.append(
                Finding(path=problem.path, field=problem.path, kind=Kind.INVALID, message=problem.message, value=value)
            )
    return tuple(found)


def _analyses(strategy: CanaryStrategy) -> Iterator[tuple[str, RolloutAnalysis]]:
    if strategy.analysis is not None and strategy.analysis.templates:
        yield "spec.strategy.canary.analysis", strategy.analysis
    for index, step in enumerate(strategy.steps):
        if isinstance(step, AnalysisStep):
            yield f"spec.strategy.canary.steps[{index}].analysis", step.analysis
