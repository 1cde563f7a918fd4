"""Objects as the API server hands them out -> types, with every problem found on the way.

Parsing never fails: what cannot be read is reported with its JSON path and read as if it were absent. Whoever acts on
the value looks at `problems` first: an unreadable field must not be mistaken for an absent one. Rules between fields
belong to validate.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rollouts.api import codec
from rollouts.api.analysis import (
    AnalysisRun,
    AnalysisRunSpec,
    AnalysisRunStatus,
    AnalysisTemplate,
    AnalysisTemplateSpec,
)
from rollouts.api.codec import Problem
from rollouts.api.experiment import Experiment, ExperimentSpec, ExperimentStatus
from rollouts.api.meta import ObjectMeta
from rollouts.api.rollout import Rollout, RolloutSpec
from rollouts.api.status import RolloutStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """A value, and what could not be read of it; no problems means it is complete."""

    value: T
    problems: tuple[Problem, ...] = ()


def parse_rollout(raw: Mapping[str, Any]) -> Parsed[Rollout]:
    """Read a Rollout."""
    parts = _Parts(raw)
    value = Rollout(
        meta=parts.read(ObjectMeta, "metadata"),
        spec=parts.read(RolloutSpec, "spec"),
        status=parts.read(RolloutStatus, "status").readable(),
        raw=raw,
    )
    return Parsed(value, tuple(parts.problems))


def parse_analysis_run(raw: Mapping[str, Any]) -> Parsed[AnalysisRun]:
    """Read an AnalysisRun."""
    parts = _Parts(raw)
    value = AnalysisRun(
        meta=parts.read(ObjectMeta, "metadata"),
        spec=parts.read(AnalysisRunSpec, "spec"),
        status=parts.read(AnalysisRunStatus, "status"),
        raw=raw,
    )
    return Parsed(value, tuple(parts.problems))


def parse_analysis_template(raw: Mapping[str, Any]) -> Parsed[AnalysisTemplate]:
    """Read an AnalysisTemplate, or a ClusterAnalysisTemplate by its kind."""
    parts = _Parts(raw)
    value = AnalysisTemplate(
        meta=parts.read(ObjectMeta, "metadata"),
        spec=parts.read(AnalysisTemplateSpec, "spec"),
        is_cluster_scoped=raw.get("kind") == "ClusterAnalysisTemplate",
        raw=raw,
    )
    return Parsed(value, tuple(parts.problems))


def parse_experiment(raw: Mapping[str, Any]) -> Parsed[Experiment]:
    """Read an Experiment."""
    parts = _Parts(raw)
    value = Experiment(
        meta=parts.read(ObjectMeta, "metadata"),
        spec=parts.read(ExperimentSpec, "spec"),
        status=parts.read(ExperimentStatus, "status"),
        raw=raw,
    )
    return Parsed(value, tuple(parts.problems))


def parse_meta(raw: Mapping[str, Any]) -> ObjectMeta:
    """The metadata of any object; what cannot be read of it is left out."""
    return _Parts(raw).read(ObjectMeta, "metadata")


PARSERS: Mapping[str, Callable[[Mapping[str, Any]], Parsed[Any]]] = {
    "Rollout": parse_rollout,
    "AnalysisRun": parse_analysis_run,
    "AnalysisTemplate": parse_analysis_template,
    "ClusterAnalysisTemplate": parse_analysis_template,
    "Experiment": parse_experiment,
}
"""The parser of each kind of this API."""


class _Parts:
    """The top-level members of one object, read one by one into one list of problems."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self.problems: list[Problem] = []

    def read(self, cls: type[T], name: str) -> T:
        return codec.decode(cls, self._raw.get(name), self.problems, name)
