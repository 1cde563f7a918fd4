"""The experiment that an update waits for, in words: how far its versions and its analyses are. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rollouts.api import parse
from rollouts.api.experiment import Experiment
from rollouts.api.rollout import Rollout
from rollouts.ctl.family import Family, name_of
from rollouts.kube.kinds import EXPERIMENTS


def told(family: Family, rollout: Rollout, *, said: str) -> Iterator[str]:
    """Lines about the experiment that the status names; a message is left out when it is part of what is said."""
    name = rollout.status.canary.current_experiment
    for stored in family.of(EXPERIMENTS, family.rollout):
        if name_of(stored) == name:
            yield from _lines(parse.parse_experiment(stored).value, said)


def _lines(experiment: Experiment, said: str) -> Iterator[str]:
    status = experiment.status
    yield f"experiment {experiment.meta.name} is {status.phase or 'not begun yet'}{_because(status.message, said)}"
    for version in status.template_statuses:
        pods = f"{version.available_replicas} of {version.replicas} pods available"
        yield f"  {version.name}: {version.status}, {pods}{_because(version.message, said)}"
    for analysis in status.analysis_runs:
        yield f"  analysis {analysis.name}: {analysis.phase or 'not begun yet'}{_because(analysis.message, said)}"


def _because(message: str, said: str) -> str:
    return f": {message}" if message and message not in said else ""
