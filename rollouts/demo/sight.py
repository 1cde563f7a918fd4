"""What the demo sees of the cluster: the Rollout, its ReplicaSets, its AnalysisRuns and the Events, kept by watches.

The demo is a client like any other: nothing here comes from the controller's process but through the API. What ought to
be seen does not belong here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rollouts.demo.manifests import NAME, NAMESPACE, STEPS, version_in
from rollouts.sandbox.client import ApiClient
from rollouts.sandbox.informer import Informer, Informers
from rollouts.sandbox.kinds import REPLICA_SETS, Json, Kind

ROLLOUTS = Kind("argoproj.io/v1alpha1", "Rollout", "rollouts")
ANALYSIS_TEMPLATES = Kind("argoproj.io/v1alpha1", "AnalysisTemplate", "analysistemplates")
ANALYSIS_RUNS = Kind("argoproj.io/v1alpha1", "AnalysisRun", "analysisruns")
EVENTS = Kind("v1", "Event", "events")
HASH = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement of an AnalysisRun: the value as Prometheus gave it, and the verdict on it."""

    value: str
    phase: str
    message: str

    @property
    def text(self) -> str:
        """The value for reading (`[0.8123456789]` is 0.812), or why there is none."""
        try:
            return f"{float(self.value.strip('[]')):.3f}"
        except ValueError:
            return self.message or self.value or "no value"


@dataclass(frozen=True, slots=True)
class Run:
    """An AnalysisRun, as far as it got."""

    name: str
    phase: str
    message: str
    hash: str
    measured: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of one version: wanted and available."""

    version: str
    hash: str
    wanted: int
    available: int


@dataclass(frozen=True, slots=True)
class Happening:
    """One Event on the Rollout or on one of its AnalysisRuns."""

    uid: str
    reason: str
    message: str
    is_warning: bool
    source: str
    about: str
    """Kind of the object it is about."""


class Sight:
    """The latest state, an async context manager; `changed` is set at every change."""

    def __init__(self, api: ApiClient) -> None:
        self.changed = asyncio.Event()
        self._informers = Informers(api)
        kinds = (ROLLOUTS, ANALYSIS_RUNS, REPLICA_SETS, EVENTS)
        self._rollouts, self._runs, self._replica_sets, self._events = (self._watch(kind) for kind in kinds)

    async def __aenter__(self) -> Self:
        await self._informers.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._informers.stop()

    def _watch(self, kind: Kind) -> Informer:
        informer = self._informers.of(kind)
        informer.on_change(lambda old, new: self.changed.set())
        return informer

    @property
    def rollout(self) -> Json:
        """The Rollout; empty before it was created."""
        return self._rollouts.get((NAMESPACE, NAME)) or {}

    @property
    def status(self) -> Mapping[str, Any]:
        """The Rollout's status; empty as long as it speaks of an earlier spec."""
        status: Mapping[str, Any] = self.rollout.get("status") or {}
        generation = self.rollout.get("metadata", {}).get("generation")
        return status if str(status.get("observedGeneration")) == str(generation) else {}

    @property
    def phase(self) -> str:
        """The Rollout's phase; empty as long as its status speaks of an earlier spec."""
        return str(self.status.get("phase", ""))

    @property
    def step(self) -> int:
        """How many steps are done."""
        return int(self.status.get("currentStepIndex", 0))

    @property
    def is_paused(self) -> bool:
        """Whether a pause step holds the Rollout."""
        return bool(self.status.get("pauseConditions"))

    @property
    def are_steps_done(self) -> bool:
        """Whether the last step is behind us."""
        return self.step >= len(STEPS)

    @property
    def explanation(self) -> str:
        """What the Rollout waits for, or why it stopped, in its own words."""
        ready = condition(self.status, "Ready")
        return str(ready.get("message") or self.status.get("message", ""))

    def pods(self) -> list[Pods]:
        """The versions that have a ReplicaSet, oldest first."""
        owned = [item for item in self._replica_sets if item["metadata"]["namespace"] == NAMESPACE]
        return [_pods(item) for item in sorted(owned, key=_revision)]

    def hash_of(self, version: str) -> str:
        """The pod hash of a version; empty when it has no ReplicaSet."""
        return next((pods.hash for pods in self.pods() if pods.version == version), "")

    def revision_of(self, version: str) -> int:
        """The revision of a version; 0 when it has no ReplicaSet."""
        wanted = self.hash_of(version)
        return next((_revision(item) for item in self._replica_sets if _hash(item) == wanted), 0) if wanted else 0

    def run_of(self, version: str) -> Run | None:
        """The latest AnalysisRun of a version."""
        wanted = self.hash_of(version)
        runs = [item for item in self._runs if _hash(item) == wanted]
        latest = max(runs, key=lambda item: str(item["metadata"]["creationTimestamp"]), default=None)
        return _run(latest) if latest and wanted else None

    def happenings(self) -> Iterator[Happening]:
        """All Events on the Rollout and its AnalysisRuns, oldest first."""
        events = [item for item in self._events if item["involvedObject"].get("kind") in ("Rollout", "AnalysisRun")]
        for item in sorted(events, key=lambda item: int(item["metadata"]["resourceVersion"])):
            yield Happening(
                uid=item["metadata"]["uid"],
                reason=item.get("reason", ""),
                message=item.get("message", ""),
                is_warning=item.get("type") == "Warning",
                source=(item.get("source") or {}).get("component") or item.get("reportingComponent", ""),
                about=item["involvedObject"]["kind"],
            )


def condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition of that type; empty when there is none."""
    conditions: list[Mapping[str, Any]] = status.get("conditions") or []
    return next((found for found in conditions if found.get("type") == kind), {})


def _hash(item: Json) -> str:
    return str(item["metadata"].get("labels", {}).get(HASH, ""))


def _revision(replica_set: Json) -> int:
    return int(replica_set["metadata"].get("annotations", {}).get(REVISION, 0))


def _pods(replica_set: Json) -> Pods:
    return Pods(
        version=version_in(replica_set["spec"]["template"]),
        hash=_hash(replica_set),
        wanted=int(replica_set["spec"].get("replicas", 0)),
        available=int(replica_set.get("status", {}).get("availableReplicas", 0)),
    )


def _run(item: Json) -> Run:
    status = item.get("status") or {}
    measurements = [
        found
        for result in status.get("metricResults") or ()
        for found in result.get("measurements") or ()
        if found.get("finishedAt")
    ]
    return Run(
        name=item["metadata"]["name"],
        phase=str(status.get("phase", "Pending")),
        message=str(status.get("message", "")),
        hash=_hash(item),
        measured=tuple(
            Measured(found.get("value", ""), found.get("phase", ""), found.get("message", "")) for found in measurements
        ),
    )
