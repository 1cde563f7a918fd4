"""An action of a plan, carried out: which request, or which question to a backend, each kind of action becomes.

The only place that knows both sides. Order, failures and what to expect afterwards belong to worker.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_never

from rollouts.core import actions
from rollouts.core.actions import Action
from rollouts.core.plan import Note
from rollouts.kube.applier import Applier, Nothing, Outcome, Stored
from rollouts.kube.kinds import DEPLOYMENTS, REPLICA_SETS, SERVICES, Key
from rollouts.ports import TrafficIntent
from rollouts.runtime.measurer import Measurer
from rollouts.runtime.routes import Roads, Write, kind_of
from rollouts.runtime.step_calls import StepCalls

OnReplicaSet = actions.CreateReplicaSet | actions.ScaleReplicaSet | actions.PatchReplicaSet | actions.DeleteReplicaSet
OnRun = actions.CreateAnalysisRun | actions.TerminateAnalysisRun | actions.DeleteAnalysisRun
OnExperiment = actions.CreateExperiment | actions.TerminateExperiment | actions.DeleteExperiment


class Executor:
    """Carries out actions decided for one object."""

    def __init__(self, applier: Applier, measurer: Measurer, step_calls: StepCalls) -> None:
        self._applier = applier
        self._measurer = measurer
        self._step_calls = step_calls

    async def execute(self, key: Key, action: Action, roads: Roads) -> AsyncIterator[Outcome | Note]:
        """Carry out one action for the object at `key`, and tell of each write as it is done: what became of it, and
        what only the writer could say about it.

        `roads` are the routers as they were seen when the action was decided. Raises ApiError and NotLeader.
        """
        match action:
            case actions.SetTraffic():
                async for outcome in self._set_traffic(key, action.intent, roads):
                    yield outcome
            case actions.Measure():
                self._measurer.start(key, action)
            case actions.RunStepPlugin():
                self._applier.require_leadership()
                self._step_calls.start(key, action)
            case _:
                yield await self._write(key, action)

    async def look(self, key: Key, action: Action, roads: Roads) -> AsyncIterator[Outcome]:
        """The objects that an action was to change, as they are now. Nothing: it is gone, or no decision hangs on it.

        Raises ApiError.
        """
        match action:
            case (
                actions.CreateReplicaSet()
                | actions.ScaleReplicaSet()
                | actions.PatchReplicaSet()
                | actions.DeleteReplicaSet()
            ):
                yield await self._applier.look(REPLICA_SETS, key.namespace, action.name)
            case actions.PatchService():
                yield await self._applier.look(SERVICES, key.namespace, action.name)
            case actions.ScaleWorkload():
                yield await self._applier.look(DEPLOYMENTS, key.namespace, action.name)
            case actions.SetTraffic():
                for ref in roads.refs:
                    kind = kind_of(ref)
                    if kind is not None:
                        yield await self._applier.look(kind, key.namespace, ref.name)
            case _:
                yield Nothing()

    async def _set_traffic(self, key: Key, intent: TrafficIntent, roads: Roads) -> AsyncIterator[Outcome | Note]:
        """Write what differs from the intent, road by road."""
        for write in roads.writes(intent):
            outcome = await self._write_route(key, write)
            yield outcome
            if write.told is not None and isinstance(outcome, Stored):
                yield Note(reason=write.told.reason, message=write.told.message)

    async def _write_route(self, key: Key, write: Write) -> Outcome:
        if write.seen_version is None:
            return await self._applier.create_route(write.kind, key.namespace, write.name, write.body)
        return await self._applier.patch_route(
            write.kind, key.namespace, write.name, patch=write.body, seen_version=write.seen_version
        )

    async def _write(
        self,
        key: Key,
        action: OnReplicaSet
        | OnRun
        | OnExperiment
        | actions.PatchService
        | actions.ScaleWorkload
        | actions.PatchRollout
        | actions.EvictPod
        | actions.PatchPod,
    ) -> Outcome:
        """The actions that are one request each."""
        match action:
            case actions.CreateAnalysisRun() | actions.TerminateAnalysisRun() | actions.DeleteAnalysisRun():
                return await self._on_run(key, action)
            case actions.CreateExperiment() | actions.TerminateExperiment() | actions.DeleteExperiment():
                return await self._on_experiment(key, action)
            case actions.PatchService():
                return await self._applier.patch_service(key.namespace, action)
            case actions.ScaleWorkload():
                return await self._applier.scale_workload(key.namespace, action)
            case actions.PatchRollout():
                return await self._applier.patch_rollout(key.namespace, key.name, action)
            case actions.EvictPod():
                return await self._applier.evict_pod(key.namespace, action)
            case actions.PatchPod():
                return await self._applier.patch_pod(key.namespace, action)
            case _:
                return await self._on_replica_set(key, action)

    async def _on_run(self, key: Key, action: OnRun) -> Outcome:
        match action:
            case actions.CreateAnalysisRun():
                return await self._applier.create_analysis_run(key.namespace, action)
            case actions.TerminateAnalysisRun():
                return await self._applier.terminate_analysis_run(key.namespace, action)
            case actions.DeleteAnalysisRun():
                return await self._applier.delete_analysis_run(key.namespace, action)
            case _:
                assert_never(action)

    async def _on_experiment(self, key: Key, action: OnExperiment) -> Outcome:
        match action:
            case actions.CreateExperiment():
                return await self._applier.create_experiment(key.namespace, action)
            case actions.TerminateExperiment():
                return await self._applier.terminate_experiment(key.namespace, action)
            case actions.DeleteExperiment():
                return await self._applier.delete_experiment(key.namespace, action)
            case _:
                assert_never(action)

    async def _on_replica_set(self, key: Key, action: OnReplicaSet) -> Outcome:
        match action:
            case actions.CreateReplicaSet():
                return await self._applier.create_replica_set(key.namespace, action)
            case actions.ScaleReplicaSet():
                return await self._applier.scale_replica_set(key.namespace, action)
            case actions.PatchReplicaSet():
                return await self._applier.patch_replica_set(key.namespace, action)
            case actions.DeleteReplicaSet():
                return await self._applier.delete_replica_set(key.namespace, action)
            case _:
                assert_never(action)
