"""An action of a plan, carried out: which request, or which question to a backend, each kind of action becomes.

The only place that knows both sides. Order, failures and what to expect afterwards belong to worker.py.
"""

from __future__ import annotations

from typing import assert_never

from rollouts.core import actions
from rollouts.core.actions import Action
from rollouts.kube.applier import Applier, Nothing, Outcome
from rollouts.kube.kinds import REPLICA_SETS, Key
from rollouts.runtime.measurer import Measurer


class Executor:
    """Carries out actions decided for one object."""

    def __init__(self, applier: Applier, measurer: Measurer) -> None:
        self._applier = applier
        self._measurer = measurer

    async def execute(self, key: Key, action: Action) -> Outcome:
        """Carry out one action for the Rollout or AnalysisRun at `key`. Raises ApiError and NotLeader."""
        match action:
            case actions.CreateAnalysisRun() | actions.TerminateAnalysisRun() | actions.DeleteAnalysisRun():
                return await self._on_run(key, action)
            case actions.Measure():
                self._measurer.start(key, action)
                return Nothing()
            case actions.PatchRollout():
                return await self._applier.patch_rollout(key.namespace, key.name, action)
            case actions.EvictPod():
                return await self._applier.evict_pod(key.namespace, action)
            case _:
                return await self._on_replica_set(key, action)

    async def look(self, key: Key, action: Action) -> Outcome:
        """The object that an action was to change, as it is now. Nothing: it is gone, or none of a decision's sizes
        hangs on it. Raises ApiError."""
        match action:
            case (
                actions.CreateReplicaSet()
                | actions.ScaleReplicaSet()
                | actions.PatchReplicaSet()
                | actions.DeleteReplicaSet()
            ):
                return await self._applier.look(REPLICA_SETS, key.namespace, action.name)
            case _:
                return Nothing()

    async def _on_run(
        self, key: Key, action: actions.CreateAnalysisRun | actions.TerminateAnalysisRun | actions.DeleteAnalysisRun
    ) -> Outcome:
        match action:
            case actions.CreateAnalysisRun():
                return await self._applier.create_analysis_run(key.namespace, action)
            case actions.TerminateAnalysisRun():
                return await self._applier.terminate_analysis_run(key.namespace, action)
            case actions.DeleteAnalysisRun():
                return await self._applier.delete_analysis_run(key.namespace, action)
            case _:
                assert_never(action)

    async def _on_replica_set(
        self,
        key: Key,
        action: actions.CreateReplicaSet | actions.ScaleReplicaSet | actions.PatchReplicaSet | actions.DeleteReplicaSet,
    ) -> Outcome:
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
