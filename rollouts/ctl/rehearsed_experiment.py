"""An Experiment that succeeds as early as it can: its course for `rollouts plan`. Pure.

All its pods become available together; then it runs for its duration, or is over at once where it has none, since
analyses whose templates only the Experiment resolves are not played. Services it would make are named, not made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from rollouts.api.analysis import COMPLETED_PHASES, Phase
from rollouts.api.experiment import Experiment, ExperimentTemplate
from rollouts.lib import timestamps


def status_at(experiment: Experiment, now: datetime, *, available_after: timedelta) -> Mapping[str, Any]:
    """The Experiment's status at a moment."""
    up, over = _moments(experiment, now, available_after)
    if now < up and not experiment.spec.terminate:
        return {"phase": str(Phase.PENDING)}
    phase = Phase.SUCCESSFUL if now >= over or experiment.spec.terminate else Phase.RUNNING
    return {
        "phase": str(phase),
        "availableAt": timestamps.render(up),
        "templateStatuses": [_template(experiment, each, phase) for each in experiment.spec.templates],
        "analysisRuns": [{"name": each.name, "phase": str(phase)} for each in experiment.spec.analyses],
    }


def changes_at(experiment: Experiment, now: datetime, *, available_after: timedelta) -> Iterator[datetime]:
    """The moments at which it comes further."""
    yield from _moments(experiment, now, available_after)


def pods(experiment: Experiment) -> int:
    """The pods that it asks for, which are none once it is over."""
    is_over = experiment.status.phase in COMPLETED_PHASES
    return 0 if is_over else sum(1 if each.replicas is None else each.replicas for each in experiment.spec.templates)


def _moments(experiment: Experiment, now: datetime, available_after: timedelta) -> tuple[datetime, datetime]:
    """When its pods are available, and when it is over."""
    up = (experiment.meta.creation_timestamp or now) + available_after
    return up, up + timedelta(seconds=experiment.spec.duration or 0)


def _template(experiment: Experiment, template: ExperimentTemplate, phase: Phase) -> Mapping[str, Any]:
    pods = 1 if template.replicas is None else template.replicas
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), pods)
    service = template.service
    named = f"{experiment.meta.name}-{template.name}"
    reached = {"serviceName": service.name or named, "podTemplateHash": named} if service else {}
    return {"name": template.name, "status": str(phase), **counts, **reached}
