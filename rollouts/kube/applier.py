"""Each action of a plan as one request to the API server.

Every write names what it was decided on: the resourceVersion or the uid of the object as it was seen. Repeating a write
does no harm: what exists already is handed back, what is gone already is gone. Deciding what to write does not belong
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.core import actions
from rollouts.kube.client import Json, Writer
from rollouts.kube.errors import AlreadyExists, Conflict, NotFound, Throttled
from rollouts.kube.kinds import ANALYSIS_RUNS, DEPLOYMENTS, EXPERIMENTS, PODS, REPLICA_SETS, ROLLOUTS, SERVICES, Kind


@dataclass(frozen=True, slots=True)
class Stored:
    """The object as the API server holds it after a write."""

    kind: Kind
    object: Json


@dataclass(frozen=True, slots=True)
class Found:
    """This object is there under the name; nothing was written."""

    kind: Kind
    object: Json


@dataclass(frozen=True, slots=True)
class Gone:
    """The object was deleted, or is being deleted."""

    kind: Kind
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """No object of a watched kind changed."""


Outcome = Stored | Found | Gone | Nothing


class Applier:
    """Carries out actions in one cluster. All methods raise ApiError, or NotLeader when writing is over."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def require_leadership(self) -> None:
        """Raises NotLeader when writing is over: for an action that is carried out by somebody else."""
        self._writer.require_leadership()

    async def create_replica_set(self, namespace: str, action: actions.CreateReplicaSet) -> Outcome:
        """Create a ReplicaSet, or find the one that has the name."""
        return await self._create(REPLICA_SETS, namespace, action.name, action.manifest)

    async def scale_replica_set(self, namespace: str, action: actions.ScaleReplicaSet) -> Outcome:
        """Set the number of replicas, and annotations, of the ReplicaSet as it was seen."""
        patch: Json = {"spec": {"replicas": action.replicas}}
        if action.annotations:
            patch["metadata"] = {"annotations": dict(action.annotations)}
        return await self._merge(REPLICA_SETS, namespace, action.name, seen(patch, action.seen_version))

    async def patch_replica_set(self, namespace: str, action: actions.PatchReplicaSet) -> Outcome:
        """Change anything else of the ReplicaSet as it was seen."""
        return await self._merge(REPLICA_SETS, namespace, action.name, seen(action.patch, action.seen_version))

    async def delete_replica_set(self, namespace: str, action: actions.DeleteReplicaSet) -> Outcome:
        """Delete exactly the ReplicaSet that was seen; gone already is fine."""
        preconditions = {"uid": action.uid, "resourceVersion": action.seen_version}
        try:
            await self._writer.delete(REPLICA_SETS.path(namespace, action.name), preconditions=preconditions)
        except NotFound:
            pass
        return Gone(REPLICA_SETS, action.name, action.uid)

    async def patch_service(self, namespace: str, action: actions.PatchService) -> Outcome:
        """Lead the Service as it was seen to another version."""
        return await self._merge(SERVICES, namespace, action.name, seen(action.patch, action.seen_version))

    async def scale_workload(self, namespace: str, action: actions.ScaleWorkload) -> Outcome:
        """Set the number of replicas of the Deployment as it was seen."""
        patch = seen({"spec": {"replicas": action.replicas}}, action.seen_version)
        return await self._merge(DEPLOYMENTS, namespace, action.name, patch)

    async def create_route(self, kind: Kind, namespace: str, name: str, manifest: actions.Manifest) -> Outcome:
        """Create an object of a router, or find the one that has the name."""
        return await self._create(kind, namespace, name, manifest)

    async def patch_route(
        self, kind: Kind, namespace: str, name: str, *, patch: actions.Manifest, seen_version: str
    ) -> Outcome:
        """Change an object of a router as it was seen."""
        return await self._merge(kind, namespace, name, seen(patch, seen_version))

    async def patch_rollout(self, namespace: str, name: str, action: actions.PatchRollout) -> Outcome:
        """Change the Rollout as it was seen, not its status."""
        return await self._merge(ROLLOUTS, namespace, name, seen(action.patch, action.seen_version))

    async def create_analysis_run(self, namespace: str, action: actions.CreateAnalysisRun) -> Outcome:
        """Create a run, or find the one that has the derived name."""
        return await self._create(ANALYSIS_RUNS, namespace, action.name, action.manifest)

    async def terminate_analysis_run(self, namespace: str, action: actions.TerminateAnalysisRun) -> Outcome:
        """Ask a run to end; a run that is gone has ended."""
        try:
            return await self._merge(ANALYSIS_RUNS, namespace, action.name, {"spec": {"terminate": True}})
        except NotFound:
            return Nothing()

    async def delete_analysis_run(self, namespace: str, action: actions.DeleteAnalysisRun) -> Outcome:
        """Delete exactly the run that was seen; gone, or replaced by a namesake, is fine."""
        try:
            await self._writer.delete(ANALYSIS_RUNS.path(namespace, action.name), preconditions={"uid": action.uid})
        except (NotFound, Conflict):
            pass
        return Gone(ANALYSIS_RUNS, action.name, action.uid)

    async def create_experiment(self, namespace: str, action: actions.CreateExperiment) -> Outcome:
        """Create an Experiment, or find the one that has the derived name."""
        return await self._create(EXPERIMENTS, namespace, action.name, action.manifest)

    async def terminate_experiment(self, namespace: str, action: actions.TerminateExperiment) -> Outcome:
        """Ask an Experiment to end; one that is gone has ended."""
        try:
            return await self._merge(EXPERIMENTS, namespace, action.name, {"spec": {"terminate": True}})
        except NotFound:
            return Nothing()

    async def delete_experiment(self, namespace: str, action: actions.DeleteExperiment) -> Outcome:
        """Delete exactly the Experiment that was seen; gone, or replaced by a namesake, is fine."""
        try:
            await self._writer.delete(EXPERIMENTS.path(namespace, action.name), preconditions={"uid": action.uid})
        except (NotFound, Conflict):
            pass
        return Gone(EXPERIMENTS, action.name, action.uid)

    async def evict_pod(self, namespace: str, action: actions.EvictPod) -> Outcome:
        """Ask for an eviction. A disruption budget's refusal is an answer; a pod that is gone needs none."""
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": action.name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": action.uid}},
        }
        try:
            await self._writer.create(PODS.path(namespace, action.name, "eviction"), eviction)
        except (Throttled, NotFound, Conflict):
            pass
        return Nothing()

    async def patch_pod(self, namespace: str, action: actions.PatchPod) -> Outcome:
        """Change labels and annotations of the pod that was seen; one that is gone needs none. A namesake that came
        after it is refused by the server, for its uid."""
        patch = {**action.patch, "metadata": {**action.patch["metadata"], "uid": action.uid}}
        try:
            await self._writer.merge(PODS.path(namespace, action.name), patch)
        except NotFound:
            pass
        return Nothing()

    async def look(self, kind: Kind, namespace: str, name: str) -> Found | Nothing:
        """Read an object; Nothing: it is not there."""
        try:
            return Found(kind, await self._writer.read(kind.path(namespace, name)))
        except NotFound:
            return Nothing()

    async def _create(self, kind: Kind, namespace: str, name: str, manifest: actions.Manifest) -> Outcome:
        try:
            return Stored(kind, await self._writer.create(kind.path(namespace), dict(manifest)))
        except AlreadyExists:
            return Found(kind, await self._writer.read(kind.path(namespace, name)))

    async def _merge(self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any]) -> Outcome:
        return Stored(kind, await self._writer.merge(kind.path(namespace, name), dict(patch)))


def seen(patch: Mapping[str, Any], version: str) -> Json:
    """The same merge patch, refused by the server unless the object still has this resourceVersion."""
    return {**patch, "metadata": {**patch.get("metadata", {}), "resourceVersion": version}}
