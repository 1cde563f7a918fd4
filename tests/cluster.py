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
from tests.builders import NOON, Json


class Conflict(Exception):
    """A write decided on an object that has moved on."""


class Unreachable(Exception):
    """A write without an answer: nobody knows whether the API server took it."""


class Crash(Exception):
    """The controller died before or after this write."""


@dataclass
class Pods:
    """The pods of one ReplicaSet: when each was made."""

    made_at: list[datetime] = field(default_factory=list)


@dataclass(frozen=True)
class Settings:
    """How the world around the controller behaves."""

    ready_after: Callable[[str], int | None] = lambda image: 5
    """Seconds until a pod of this image is ready; None: never."""
    reading: Callable[[str, datetime], Any] = lambda metric, now: [1.0]
    """What a metric's query answers; an Exception's text is a provider error."""


class Cluster:
    """A Rollout, ReplicaSets, runs and pods. `before_write` and `before_scale` see every write before it is carried
    out, `after_write` sees it when it is done and its answer is still on the way."""

    def __init__(self, rollout: Json, settings: Settings) -> None:
        self.now = NOON
        self.settings = settings
        self.rollout = copy.deepcopy(rollout)
        self.replica_sets: dict[str, Json] = {}
        self.runs: dict[str, Json] = {}
        self.pods: dict[str, Pods] = {}
        self.writes = 0
        self.before_write: Callable[[str], None] = lambda what: None
        self.after_write: Callable[[str], None] = lambda what: None
        self.before_scale: Callable[[str, int], None] = lambda name, replicas: None
        self._version = 100

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

    def fill(self) -> None:
        """Make and remove pods as ReplicaSets ask for, and report them."""
        for name in [name for name in self.pods if name not in self.replica_sets]:
            del self.pods[name]
        for name, raw in self.replica_sets.items():
            pods = self.pods.setdefault(name, Pods()).made_at
            wanted = raw["spec"]["replicas"]
            pods += [self.now] * (wanted - len(pods))
            while len(pods) > wanted:  # unready pods first, then the youngest
                pods.remove(max(pods, key=lambda made: (not self.is_ready(raw, made), made)))
            self._count(raw)

    def _count(self, raw: Json) -> None:
        pods = self.pods[raw["metadata"]["name"]].made_at
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
            raw = self.replica_sets.get(name)
            if raw is None:
                continue
            after = self.settings.ready_after(raw["spec"]["template"]["spec"]["containers"][0]["image"])
            if after is not None:
                times += [made + timedelta(seconds=after) for made in pods.made_at]
        return times

    def pods_of(self, name: str) -> list[datetime]:
        """When the pods of this ReplicaSet were made."""
        return self.pods[name].made_at if name in self.pods else []


def merge(target: Json, patch: Mapping[str, Any]) -> None:
    """RFC 7396 merge patch, in place."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value
