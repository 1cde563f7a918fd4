"""The cluster around a played Rollout: objects as JSON, versioned and patched, and pods that age.

A stand-in for the API server, the ReplicaSet controller and the kubelets, on a clock that a test moves. It knows
nothing of rollouts; who decides, and what a decision sees, is in world.py.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rollouts.lib import timestamps
from rollouts.ports import StepAnswer, StepCall, StepPhase
from tests.builders import NOON, Json


class Conflict(Exception):
    """A write decided on an object that has moved on."""


class Unreachable(Exception):
    """A write without an answer: nobody knows whether the API server took it."""


class Crash(Exception):
    """The controller died before or after this write."""


@dataclass(eq=False)
class PlayedPod:
    """A pod: when it was made, and what it wears."""

    name: str
    made_at: datetime
    metadata: Json


@dataclass
class Pods:
    """The pods of one ReplicaSet, and how many it ever had."""

    each: list[PlayedPod] = field(default_factory=list)
    made: int = 0

    def add(self, raw: Json, now: datetime) -> None:
        """Make one from the template of its ReplicaSet."""
        metadata = raw["spec"]["template"].get("metadata", {})
        self.each.append(PlayedPod(f"{raw['metadata']['name']}-{self.made}", now, copy.deepcopy(metadata)))
        self.made += 1

    def drop(self, uid: str) -> bool:
        """Take one away; whether it was there. A pod's uid is its name."""
        before = len(self.each)
        self.each = [pod for pod in self.each if pod.name != uid]
        return len(self.each) < before


@dataclass(frozen=True)
class Settings:
    """How the world around the controller behaves."""

    ready_after: Callable[[str], int | None] = lambda image: 5
    """Seconds until a pod of this image is ready; None: never."""
    pods_per_second: int | None = None
    """How many pods of one ReplicaSet are made within a second; None: all that are asked for."""
    reading: Callable[[str, datetime], Any] = lambda metric, now: [1.0]
    """What a metric's query answers; an Exception's text is a provider error."""
    experiment: Mapping[int, str] = field(default_factory=lambda: {5: "Running", 35: "Successful"})
    """What an Experiment comes to at which age in seconds, as "Failed: why"; none: nobody runs Experiments."""
    plugin: Callable[[StepCall, int], StepAnswer] = lambda call, asked: StepAnswer(phase=StepPhase.SUCCESSFUL)
    """What a step plugin answers when it is asked about this for the nth time; it may raise."""


class Cluster:
    """A Rollout, ReplicaSets, runs and pods. `before_write` and `before_scale` see every write before it is carried
    out, `after_write` sees it when it is done and its answer is still on the way."""

    def __init__(self, rollout: Json, settings: Settings) -> None:
        self.now = NOON
        self.settings = settings
        self.rollout = copy.deepcopy(rollout)
        self.replica_sets: dict[str, Json] = {}
        self.runs: dict[str, Json] = {}
        self.experiments: dict[str, Json] = {}
        self.services: dict[str, Json] = {}
        self.routes: dict[str, Json] = {}
        """By router: how it splits traffic, as an object of its own."""
        self.workloads: dict[str, Json] = {}
        """Deployments: one ReplicaSet and its pods in one."""
        self.pods: dict[str, Pods] = {}
        self.writes = 0
        self.before_write: Callable[[str], None] = lambda what: None
        self.after_write: Callable[[str], None] = lambda what: None
        self.before_scale: Callable[[str, int], None] = lambda name, replicas: None
        self.before_workload: Callable[[str, int], None] = lambda name, replicas: None
        self.before_traffic: Callable[[dict[str, Json], dict[str, Json]], None] = lambda services, routes: None
        """Sees the Services and routes as they are about to be."""
        self._version = 100

    def is_veiled(self) -> bool:
        """Whether a router cannot tell, or not yet, what is in force."""
        return any({"unknown", "stuck", "lie"} & route["spec"].keys() for route in self.routes.values())

    # The API server

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """Around a change that is one write."""
        self.before_write(what)
        self.writes += 1
        yield
        self.after_write(what)

    def _touch(self, raw: Json) -> None:
        self._version += 1
        raw["metadata"]["resourceVersion"] = str(self._version)

    def _create(self, kind: dict[str, Json], name: str, manifest: Mapping[str, Any]) -> None:
        if name in kind:
            return
        with self._writing(f"create {name}"):
            raw = copy.deepcopy(dict(manifest))
            raw["metadata"] |= {
                "uid": f"uid-{self._version}",
                "generation": 1,
                "creationTimestamp": timestamps.render(self.now),
            }
            kind[name] = raw
            self._touch(raw)

    def _patch(self, kind: dict[str, Json], name: str, patch: Mapping[str, Any], seen_version: str | None) -> None:
        raw = kind.get(name)
        if raw is None or (seen_version is not None and raw["metadata"]["resourceVersion"] != seen_version):
            raise Conflict(name)
        with self._writing(f"patch {name}"):
            before = copy.deepcopy(raw["spec"])
            merge(raw, copy.deepcopy(dict(patch)))
            if raw["spec"] != before:
                raw["metadata"]["generation"] += 1
            self._touch(raw)

    def _delete(self, kind: dict[str, Json], name: str, uid: str) -> None:
        if name in kind and kind[name]["metadata"]["uid"] == uid:
            with self._writing(f"delete {name}"):
                del kind[name]
                self._version += 1

    # The ReplicaSet controller and the kubelets

    def start_workloads(self) -> None:
        """Deployments that were there long before: their pods are ready."""
        for name, raw in self.workloads.items():
            pods = self.pods.setdefault(name, Pods())
            for _ in range(raw["spec"]["replicas"]):
                pods.add(raw, self.now - timedelta(days=1))
            self._count(raw)

    def lose_pods(self, name: str) -> None:
        """All pods of a ReplicaSet die; its controller makes new ones."""
        self.pods[name].each.clear()

    def fill(self) -> None:
        """Make and remove pods as ReplicaSets ask for, and report them."""
        owners = {**self.replica_sets, **self.workloads}
        for name in [name for name in self.pods if name not in owners]:
            del self.pods[name]
        for name, raw in owners.items():
            pods = self.pods.setdefault(name, Pods())
            wanted = raw["spec"]["replicas"]
            for _ in range(self._to_make(pods, wanted)):
                pods.add(raw, self.now)
            while len(pods.each) > wanted:  # unready pods first, then the youngest
                pods.each.remove(max(pods.each, key=lambda pod: (not self.is_ready(raw, pod.made_at), pod.made_at)))
            self._count(raw)

    def _to_make(self, pods: Pods, wanted: int) -> int:
        """How many pods are made now."""
        pace, lacking = self.settings.pods_per_second, wanted - len(pods.each)
        return lacking if pace is None else min(lacking, pace - sum(1 for pod in pods.each if pod.made_at == self.now))

    def _count(self, raw: Json) -> None:
        pods = self.pods_of(raw["metadata"]["name"])
        ready = sum(1 for made in pods if self.is_ready(raw, made))
        status = {
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "observedGeneration": raw["metadata"]["generation"],
        }
        if raw.get("status") != status:
            raw["status"] = status
            self._touch(raw)

    def is_ready(self, raw: Json, made: datetime) -> bool:
        """Whether a pod of this ReplicaSet, made then, is ready now."""
        after = self.settings.ready_after(raw["spec"]["template"]["spec"]["containers"][0]["image"])
        return after is not None and self.now >= made + timedelta(seconds=after)

    def _pod_times(self) -> list[datetime]:
        times = []
        for name, pods in self.pods.items():
            raw = self.replica_sets.get(name) or self.workloads.get(name)
            if raw is None:
                continue
            if len(pods.each) < raw["spec"]["replicas"]:
                times.append(self.now + timedelta(seconds=1))
            after = self.settings.ready_after(raw["spec"]["template"]["spec"]["containers"][0]["image"])
            if after is not None:
                times += [pod.made_at + timedelta(seconds=after) for pod in pods.each]
        return times

    def pods_of(self, name: str) -> list[datetime]:
        """When the pods of this ReplicaSet were made."""
        return [pod.made_at for pod in self.pods[name].each] if name in self.pods else []

    def _patch_pod(self, name: str, uid: str, patch: Mapping[str, Any]) -> None:
        """Change what a pod wears; one that is gone needs nothing."""
        pod = next((pod for pods in self.pods.values() for pod in pods.each if pod.name == uid), None)
        with self._writing(f"patch {name}"):
            if pod is not None:
                merge(pod.metadata, copy.deepcopy(dict(patch["metadata"])))
                self._version += 1


def merge(target: Json, patch: Mapping[str, Any]) -> None:
    """RFC 7396 merge patch, in place."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = {}
            merge(target[key], value)
        else:
            target[key] = value


def with_patch(kind: dict[str, Json], name: str, patch: Mapping[str, Any]) -> dict[str, Json]:
    """The objects as they are when one of them is patched."""
    patched = copy.deepcopy(kind[name])
    merge(patched, copy.deepcopy(dict(patch)))
    return {**kind, name: patched}
