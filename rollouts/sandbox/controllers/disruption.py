"""PodDisruptionBudgets: how many of the pods that a budget covers may be evicted now.

The API server spends what the status allows, one eviction at a time; this reckons it anew from the pods. An evicted pod
that is still seen counts as lost until it is gone, or for two minutes, after which the eviction is taken for failed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from rollouts.sandbox.client import ApiClient
from rollouts.sandbox.clock import Clock, moment_of, stamp, wall_clock
from rollouts.sandbox.controllers.pods import is_finished, is_ready
from rollouts.sandbox.controllers.replicaset import in_namespace
from rollouts.sandbox.controllers.selection import labels_of, matches
from rollouts.sandbox.informer import Informers
from rollouts.sandbox.kinds import (
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    Json,
    Key,
    Kind,
    controller_of,
    is_terminating,
    key_of,
)
from rollouts.sandbox.workqueue import Controller

BUDGETS = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
EVICTION_SECONDS_MAX = 120.0


class DisruptionBudgets:
    """The controller; `controller` serves its queue."""

    def __init__(self, api: ApiClient, informers: Informers, *, clock: Clock = wall_clock, workers: int = 2) -> None:
        self._api = api
        self._clock = clock
        self._budgets = informers.of(BUDGETS)
        self._pods = informers.of(PODS)
        self._sets = informers.of(REPLICA_SETS)
        self._deployments = informers.of(DEPLOYMENTS)
        self._budgets.index(in_namespace)
        self._pods.index(in_namespace)
        self.controller: Controller[Key] = Controller("disruption", self.reconcile, workers=workers)
        self._budgets.on_change(lambda old, new: self.controller.queue.add(key_of(new or old or {})))
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, old: Json | None, new: Json | None) -> None:
        for pod in (old, new):
            if pod is None or (old and new and _seen_by_budgets(old) == _seen_by_budgets(new)):
                continue
            for budget in self._budgets.find(in_namespace, pod["metadata"]["namespace"]):
                if matches(budget["spec"].get("selector"), labels_of(pod)):
                    self.controller.queue.add(key_of(budget))

    async def reconcile(self, key: Key) -> float | None:
        """Bring the status of one budget up to date; seconds until evictions in it are to be looked at again."""
        budget = self._budgets.get(key)
        if budget is None or is_terminating(budget):
            return None
        selector = budget["spec"].get("selector")
        pods = [
            pod
            for pod in self._pods.find(in_namespace, key[0])
            if matches(selector, labels_of(pod)) and not is_finished(pod)
        ]
        status = reckon(budget, pods, scale=self._scale(pods), now=self._clock())
        if status != budget.get("status"):
            body = {**budget, "apiVersion": BUDGETS.api_version, "kind": BUDGETS.kind, "status": status}
            self._budgets.observe(await self._api.update(BUDGETS, key, body, subresource="status"))
        return EVICTION_SECONDS_MAX if status.get("disruptedPods") else None

    def _scale(self, pods: Iterable[Json]) -> int:
        """How many pods the owners of these want, each owner counted once; a pod without one counts for itself."""
        wanted: dict[str, int] = {}
        for pod in pods:
            owner = controller_of(pod)
            uid, replicas = (pod["metadata"]["uid"], 1) if owner is None else self._wanted_by(pod, owner)
            wanted[uid] = replicas
        return sum(wanted.values())

    def _wanted_by(self, pod: Json, owner: Json) -> tuple[str, int]:
        namespace = pod["metadata"]["namespace"]
        replica_set = self._sets.get((namespace, owner["name"])) if owner["kind"] == REPLICA_SETS.kind else None
        if replica_set is None:
            return pod["metadata"]["uid"], 1
        above = controller_of(replica_set)
        is_deployed = above is not None and above["kind"] == DEPLOYMENTS.kind
        deployment = self._deployments.get((namespace, above["name"])) if above and is_deployed else None
        scaled = deployment or replica_set
        return scaled["metadata"]["uid"], int(scaled["spec"].get("replicas", 1))


def _seen_by_budgets(pod: Json) -> tuple[Any, ...]:
    return labels_of(pod), is_ready(pod), is_terminating(pod), is_finished(pod)


def reckon(budget: Json, pods: Sequence[Json], *, scale: int, now: datetime) -> Json:
    """The status of a budget that covers these unfinished pods, whose owners want `scale` pods in all."""
    old = budget.get("status") or {}
    spec, generation = budget["spec"], budget["metadata"].get("generation", 1)
    expected = scale if "maxUnavailable" in spec or isinstance(spec.get("minAvailable"), str) else len(pods)
    disrupted = _still_disrupted(old.get("disruptedPods") or {}, pods, now)
    healthy = sum(is_ready(p) and not is_terminating(p) and p["metadata"]["name"] not in disrupted for p in pods)
    desired = _desired(spec, expected)
    allowed = max(healthy - desired, 0) if expected else 0
    status: Json = {
        "observedGeneration": generation,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "conditions": _conditions(old, allowed=allowed, generation=generation, now=now),
    }
    return status | ({"disruptedPods": disrupted} if disrupted else {})


def _desired(spec: Json, expected: int) -> int:
    if "maxUnavailable" in spec:
        return max(expected - _scaled(spec["maxUnavailable"], expected), 0)
    return _scaled(spec.get("minAvailable", 1), expected)


def _scaled(value: int | str, total: int) -> int:
    """A number, or a percentage of the total rounded up."""
    if isinstance(value, str):
        return math.ceil(int(value.removesuffix("%")) * total / 100)
    return value


def _still_disrupted(evictions: Json, pods: Iterable[Json], now: datetime) -> Json:
    here = {pod["metadata"]["name"] for pod in pods if not is_terminating(pod)}
    oldest = now - timedelta(seconds=EVICTION_SECONDS_MAX)
    return {name: at for name, at in evictions.items() if name in here and moment_of(at) > oldest}


def _conditions(old: Json, *, allowed: int, generation: int, now: datetime) -> list[Json]:
    known: list[Json] = old.get("conditions") or []
    others = [each for each in known if each["type"] != "DisruptionAllowed"]
    before = next((each for each in known if each["type"] == "DisruptionAllowed"), {})
    is_same = before.get("status") == ("True" if allowed else "False")
    since = before.get("lastTransitionTime") if is_same else None
    condition = {
        "type": "DisruptionAllowed",
        "status": "True" if allowed else "False",
        "observedGeneration": generation,
        "lastTransitionTime": since or stamp(now),
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
    }
    return [*others, condition]
