"""Experiments of a Rollout as they are seen: which one its step looks at, what it has proven, what traffic it gets.

An Experiment runs pods of its own, so what it says of them is the only thing known of them. It gets a share of traffic
only while it is Running and says that a template's pods are all available, where they are reached, and their version's
hash. Starting and ending Experiments, and what their verdicts do, is experiment_step.py's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rollouts.api.analysis import Phase
from rollouts.api.experiment import Experiment, TemplateStatus
from rollouts.api.rollout import ExperimentStep, StepExperimentTemplate
from rollouts.api.status import RolloutStatus
from rollouts.core import slots
from rollouts.core.observed import Unreadable
from rollouts.core.turn import Turn
from rollouts.lib import timestamps
from rollouts.ports import Destination

TAKEN_UP_WITHIN_SECONDS = 60  # a controller that runs Experiments says Pending within seconds


def current_step(turn: Turn, status: RolloutStatus) -> ExperimentStep | None:
    """The step the rollout is at, if that is an experiment and no analysis is void (an abort, a promotion in full)."""
    index = status.current_step_index
    if slots.is_void(turn, status) or index is None or index >= len(turn.steps):
        return None
    step = turn.steps[index]
    return step if isinstance(step, ExperimentStep) else None


def owned(turn: Turn) -> tuple[Experiment, ...]:
    """Those that this Rollout controls, as far as they can be seen."""
    seen = turn.seen.experiments
    return () if isinstance(seen, Unreadable) else seen


def current(turn: Turn, status: RolloutStatus) -> Experiment | None:
    """The Experiment that the status names."""
    name = status.canary.current_experiment
    return next((each for each in owned(turn) if name and each.meta.name == name), None)


def proven_phase(experiment: Experiment) -> tuple[Phase, str]:
    """An Experiment's phase and message; one that was ended before it proved anything proves nothing."""
    status = experiment.status
    phase = Phase(status.phase) if status.phase in set(Phase) else Phase.PENDING
    lacking = _unproven(experiment) if phase == Phase.SUCCESSFUL else ""
    return (Phase.INCONCLUSIVE, f"ended before {lacking}") if lacking else (phase, status.message)


def ignored_from(experiment: Experiment) -> datetime | None:
    """From when on one that nobody has taken up is likely to stay so: no controller runs Experiments. None: it was."""
    if experiment.status.phase or experiment.meta.creation_timestamp is None:
        return None
    return timestamps.later(experiment.meta.creation_timestamp, TAKEN_UP_WITHIN_SECONDS)


def services(turn: Turn) -> Mapping[str, str]:
    """The Services of all Experiments, with the hash of the version that each leads to."""
    said = (template for each in owned(turn) for template in each.status.template_statuses)
    return {each.service_name: each.pod_template_hash for each in said if each.service_name}


def destinations(turn: Turn, status: RolloutStatus, *, room: int) -> tuple[Destination, ...]:
    """The shares of traffic for the current step's templates, of `room` that is left to give away.

    While Experiments cannot be seen, those on record stay: nobody knows better.
    """
    step = current_step(turn, status)
    if step is None:
        return ()
    if isinstance(turn.seen.experiments, Unreadable):
        recorded = status.canary.weights.additional if status.canary.weights else ()
        wanted = [
            Destination(service=each.service_name, pod_hash=each.pod_template_hash, weight=each.weight)
            for each in recorded
        ]
    else:
        experiment = current(turn, status)
        wanted = [] if experiment is None else _asked_for(step, experiment)
    return _within(wanted, room)


def _asked_for(step: ExperimentStep, experiment: Experiment) -> list[Destination]:
    if experiment.status.phase != Phase.RUNNING or experiment.spec.terminate:
        return []
    said = {each.name: each for each in experiment.status.template_statuses}
    return [
        Destination(service=said[one.name].service_name, pod_hash=said[one.name].pod_template_hash, weight=one.weight)
        for one in step.templates
        if one.weight and one.name in said and _is_reachable(one, said[one.name])
    ]


def _is_reachable(template: StepExperimentTemplate, said: TemplateStatus) -> bool:
    wanted = 1 if template.replicas is None else template.replicas
    is_up = said.status == Phase.RUNNING and said.available_replicas >= max(1, wanted)
    return is_up and bool(said.service_name and said.pod_template_hash)


def _within(wanted: list[Destination], room: int) -> tuple[Destination, ...]:
    """All of them, or none: a share that is cut would be another experiment."""
    return tuple(wanted) if sum(each.weight for each in wanted) <= room else ()


def _unproven(experiment: Experiment) -> str:
    """What a successful Experiment lacks to be a proof; empty: nothing."""
    spec, status = experiment.spec, experiment.status
    if spec.templates and status.available_at is None:
        return "its pods were available"
    required = [each.name for each in spec.analyses if each.required_for_completion]
    counted = required or [each.name for each in spec.analyses]
    passed = {each.name for each in status.analysis_runs if each.phase == Phase.SUCCESSFUL}
    lacking = [name for name in counted if name not in passed]
    return f"{', '.join(lacking)} had passed" if lacking else ""
