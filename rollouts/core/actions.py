"""Everything a decision can ask of the world: one frozen value per kind of write, a closed union at the end.

An action carries what must be written and what it was decided on (`seen_version`, the resourceVersion of the object as
it stood in the snapshot), so that a write decided on a stale picture is refused by the API server instead of carried
out. How an action becomes a request does not belong here: runtime/execute.py knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.ports import Operation, TrafficIntent

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateReplicaSet:
    """Create the ReplicaSet of a revision.

    That it exists already is not an error: the next snapshot shows whose it is.
    """

    name: str
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleReplicaSet:
    """Set spec.replicas, and annotations in the same write (a None value removes the annotation)."""

    name: str
    replicas: int
    annotations: Mapping[str, str | None]
    seen_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchReplicaSet:
    """Merge-patch anything else of a ReplicaSet: annotations, owner references, minReadySeconds, template metadata."""

    name: str
    patch: Manifest
    seen_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteReplicaSet:
    """Delete a ReplicaSet that the revision history no longer keeps; only while it is the object that was seen."""

    name: str
    uid: str
    seen_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchService:
    """Merge-patch a Service: the version its selector names, and whose it is."""

    name: str
    patch: Manifest
    seen_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTraffic:
    """Split traffic so, by every router of the Rollout.

    It is part of every plan of a Rollout that routes: only what differs from what is rendered is written, so that what
    somebody else changes is put right.
    """

    intent: TrafficIntent


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleWorkload:
    """Set spec.replicas of the Deployment that spec.workloadRef names."""

    name: str
    replicas: int
    seen_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchRollout:
    """Merge-patch the Rollout itself, never its status: annotations of ours, a default the API expects, a verb's spec
    field.

    The resourceVersion in its answer takes the place of the seen one for what follows in the same plan: later patches
    of the Rollout and the status write.
    """

    patch: Manifest
    seen_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAnalysisRun:
    """Start a run. Its name is derived from (revision, gate, attempt), so that it exists already means it is ours."""

    name: str
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminateAnalysisRun:
    """Ask a run to end: spec.terminate becomes true. Nothing is deleted."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAnalysisRun:
    """Delete a finished run that no limit keeps."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateExperiment:
    """Start the Experiment of a step. Its name is derived from (revision, step, attempt), as a run's is."""

    name: str
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminateExperiment:
    """Ask an Experiment to end: spec.terminate becomes true. Nothing is deleted."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteExperiment:
    """Delete a finished Experiment that no limit keeps."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictPod:
    """Ask for a pod's eviction.

    A refusal by a disruption budget (429) is an answer, not an error: it is asked again later.
    """

    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchPod:
    """Merge-patch labels and annotations of a pod; only while it is the one that was seen. A pod that is gone needs
    none."""

    name: str
    uid: str
    patch: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Send one query of a run's metric. The reading arrives in a later snapshot under the same (metric, ordinal).

    `ordinal` counts the metric's measurements from 1, errors included. `metric` is the metric as its author wrote it,
    with arguments substituted except those from Secrets: they are read when the query is sent (`secrets`: argument name
    -> (Secret name, key), in the run's namespace) and appear nowhere else.
    """

    run_uid: str
    metric: str
    ordinal: int
    spec: Manifest
    secrets: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStepPlugin:
    """Ask a step plugin once. The answer arrives in a later snapshot under the same (key, operation, ordinal).

    `ordinal` counts the calls of one operation from 1, errors included. `is_first`: nothing is known to have been
    begun, so it is asked to start.
    """

    plugin: str
    key: str
    operation: Operation
    ordinal: int
    is_first: bool
    rollout: Manifest
    config: Any
    status: Manifest | None


Action = (
    CreateReplicaSet
    | ScaleReplicaSet
    | PatchReplicaSet
    | DeleteReplicaSet
    | PatchService
    | SetTraffic
    | ScaleWorkload
    | PatchRollout
    | CreateAnalysisRun
    | TerminateAnalysisRun
    | DeleteAnalysisRun
    | CreateExperiment
    | TerminateExperiment
    | DeleteExperiment
    | EvictPod
    | PatchPod
    | Measure
    | RunStepPlugin
)
