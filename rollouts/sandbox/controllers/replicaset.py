"""ReplicaSets: as many active pods as `spec.replicas` says, and a status that counts them.

Pods are adopted and released by selector, created in batches that double (so that a quota or a broken template costs
few calls), and deleted in the order of `pods.first_to_delete`. Which ReplicaSet ought to have how many replicas is for
those who own them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from rollouts.sandbox.client import ApiClient, ApiFailure
from rollouts.sandbox.clock import Clock, stamp, wall_clock
from rollouts.sandbox.controllers.pods import available_at, first_to_delete, is_active, is_ready, pod_from
from rollouts.sandbox.controllers.selection import labels_of, matches, matches_all
from rollouts.sandbox.informer import Informers, by_controller
from rollouts.sandbox.kinds import (
    PODS,
    REPLICA_SETS,
    Json,
    Key,
    controller_of,
    is_terminating,
    key_of,
    owned_by,
    uid_of,
)
from rollouts.sandbox.workqueue import Controller

BURST_MAX = 500  # pods created or deleted in one go, as kube-controller-manager bounds it


class ReplicaSets:
    """The controller; `controller` serves its queue."""

    def __init__(self, api: ApiClient, informers: Informers, *, clock: Clock = wall_clock, workers: int = 16) -> None:
        self._api = api
        self._clock = clock
        self._sets = informers.of(REPLICA_SETS)
        self._pods = informers.of(PODS)
        self._pods.index(by_controller)
        self._sets.index(in_namespace)
        self.controller: Controller[Key] = Controller("replicaset", self.reconcile, workers=workers)
        self._sets.on_change(lambda old, new: self.controller.queue.add(key_of(new or old or {})))
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, old: Json | None, new: Json | None) -> None:
        for pod in (old, new):
            owner = controller_of(pod) if pod else None
            if pod and owner and owner["kind"] == REPLICA_SETS.kind:
                self.controller.queue.add((pod["metadata"].get("namespace", ""), owner["name"]))
        if new and not controller_of(new):
            for candidate in self._sets.find(in_namespace, new["metadata"].get("namespace", "")):
                if matches(candidate["spec"].get("selector"), labels_of(new)):
                    self.controller.queue.add(key_of(candidate))

    async def reconcile(self, key: Key) -> float | None:
        """Bring one ReplicaSet's pods and status to where its spec wants them."""
        owner = self._sets.get(key)
        if owner is None:
            return None
        pods = await self._claim(owner)
        failure = None if is_terminating(owner) else await self._manage(owner, pods)
        pods = self._pods.find(by_controller, uid_of(owner))
        now = self._clock()
        await self._write_status(owner, status_of(owner, pods, failure, now=now))
        if failure is not None:
            raise failure
        return seconds_to_next_available(owner, pods, now=now)

    async def _claim(self, owner: Json) -> list[Json]:
        """Adopt matching orphans, release pods that match no longer, return what is owned."""
        selector = owner["spec"].get("selector")
        owned = self._pods.find(by_controller, uid_of(owner))
        for pod in [pod for pod in owned if not matches(selector, labels_of(pod)) and not is_terminating(pod)]:
            await self._patch(pod, {"ownerReferences": _without(pod, uid_of(owner))})
        if not is_terminating(owner):
            for pod in self._pods.find(by_controller, ("orphans", owner["metadata"]["namespace"])):
                if matches(selector, labels_of(pod)) and is_active(pod):
                    references = pod["metadata"].get("ownerReferences") or []
                    await self._patch(pod, {"ownerReferences": [*references, owned_by(owner, REPLICA_SETS)]})
        return self._pods.find(by_controller, uid_of(owner))

    async def _patch(self, pod: Json, metadata: Json) -> None:
        change = {"metadata": {"uid": uid_of(pod), **metadata}}
        try:
            self._pods.observe(await self._api.patch(PODS, key_of(pod), change))
        except ApiFailure as failure:
            if not failure.is_not_found:
                raise

    async def _manage(self, owner: Json, pods: list[Json]) -> ApiFailure | None:
        """Create or delete pods; the first failure is returned, not raised, so that the status can tell it."""
        active = [pod for pod in pods if is_active(pod)]
        missing = int(owner["spec"].get("replicas", 1)) - len(active)
        if missing > 0:
            return await _in_doubling_batches(min(missing, BURST_MAX), lambda: self._create(owner))
        surplus = first_to_delete(active, related=active)[: min(-missing, BURST_MAX)]
        results = await asyncio.gather(*(self._delete(pod) for pod in surplus), return_exceptions=True)
        return _first_failure(results)

    async def _create(self, owner: Json) -> None:
        pod = pod_from(owner["spec"]["template"], owner)
        pod["metadata"]["ownerReferences"] = [owned_by(owner, REPLICA_SETS)]
        self._pods.observe(await self._api.create(PODS, owner["metadata"]["namespace"], pod))

    async def _delete(self, pod: Json) -> None:
        try:
            answer = await self._api.delete(PODS, key_of(pod), uid=uid_of(pod))
        except ApiFailure as failure:
            if not failure.is_not_found:
                raise
            self._pods.forget(pod)
            return
        _take_deletion(self._pods.observe, self._pods.forget, pod, answer)

    async def _write_status(self, owner: Json, status: Json) -> None:
        if comparable(owner.get("status") or {}) == comparable(status):
            return
        current = self._sets.get(key_of(owner))
        if current is None or uid_of(current) != uid_of(owner):
            return
        body = {**current, "apiVersion": REPLICA_SETS.api_version, "kind": REPLICA_SETS.kind, "status": status}
        self._sets.observe(await self._api.update(REPLICA_SETS, key_of(owner), body, subresource="status"))


def in_namespace(obj: Json) -> Iterable[str]:
    """Index an object by its namespace."""
    return (obj["metadata"].get("namespace", ""),)


def _take_deletion(observe: Callable[[Json], None], forget: Callable[[Json], None], pod: Json, answer: Json) -> None:
    """What the answer to a deletion says: a terminating object, or that nothing is left."""
    if uid_of(pod) == (answer.get("metadata") or {}).get("uid") and is_terminating(answer):
        observe(answer)
    if (answer.get("metadata") or {}).get("deletionGracePeriodSeconds") == 0 or answer.get("kind") == "Status":
        forget(pod)


async def _in_doubling_batches(count: int, create: Callable[[], Awaitable[None]]) -> ApiFailure | None:
    """Call `create` that often, 1, 2, 4 ... at once; the first batch with a failure is the last."""
    size = 1
    while count > 0:
        size = min(size, count)
        results = await asyncio.gather(*(create() for _ in range(size)), return_exceptions=True)
        if failure := _first_failure(results):
            return failure
        count, size = count - size, size * 2
    return None


def _first_failure(results: Iterable[BaseException | None]) -> ApiFailure | None:
    failure = None
    for result in results:
        if isinstance(result, ApiFailure):
            failure = failure or result
        elif isinstance(result, BaseException):
            raise result
    return failure


def _without(obj: Json, uid: str) -> list[Json]:
    return [reference for reference in obj["metadata"].get("ownerReferences") or () if reference["uid"] != uid]


def status_of(owner: Json, pods: Iterable[Json], failure: ApiFailure | None, *, now: datetime) -> Json:
    """The status that a ReplicaSet with these pods has."""
    pods = list(pods)
    active = [pod for pod in pods if is_active(pod)]
    template_labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
    wait = int(owner["spec"].get("minReadySeconds", 0))
    counts = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(matches_all(template_labels, labels_of(pod)) for pod in active),
        "readyReplicas": sum(is_ready(pod) for pod in active),
        "availableReplicas": sum((at := available_at(pod, wait)) is not None and at <= now for pod in active),
    }
    status: Json = {name: count for name, count in counts.items() if count or name == "replicas"}
    status["observedGeneration"] = owner["metadata"].get("generation", 0)
    if conditions := _conditions(owner, failure, now=now):
        status["conditions"] = conditions
    return status


def _conditions(owner: Json, failure: ApiFailure | None, *, now: datetime) -> list[Json]:
    known = (owner.get("status") or {}).get("conditions") or []
    others = [condition for condition in known if condition["type"] != "ReplicaFailure"]
    if failure is None:
        return others
    before = next((condition for condition in known if condition["type"] == "ReplicaFailure"), None)
    since = (before or {}).get("lastTransitionTime") or stamp(now)
    return [
        *others,
        {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": failure.message,
            "lastTransitionTime": since,
        },
    ]


def comparable(status: Json) -> Json:
    """A status with zeros left out, as either side may write or omit them."""
    return {name: value for name, value in status.items() if value not in (0, [], None)}


def seconds_to_next_available(owner: Json, pods: Iterable[Json], *, now: datetime) -> float | None:
    """When the next ready pod becomes available by time alone; None when none will."""
    wait = int(owner["spec"].get("minReadySeconds", 0))
    moments = [at for pod in pods if is_active(pod) and (at := available_at(pod, wait)) is not None and at > now]
    return (min(moments) - now).total_seconds() + 0.001 if moments else None
