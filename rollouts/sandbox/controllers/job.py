"""Jobs: pods until enough of them succeeded, or too many failed, or time is up.

Pods carry no tracking finalizer: finished pods are counted while they exist, and counts in the status never fall, so a
finished pod that somebody deletes stays counted. Indexed completion is played as far as names and the index label go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollouts.sandbox.client import ApiClient, ApiFailure
from rollouts.sandbox.clock import Clock, moment_of, stamp, wall_clock
from rollouts.sandbox.controllers.pods import is_active, is_ready, phase_of, pod_from
from rollouts.sandbox.controllers.progress import condition_of
from rollouts.sandbox.informer import Informers, by_controller
from rollouts.sandbox.kinds import (
    JOBS,
    PODS,
    Json,
    Key,
    controller_of,
    is_terminating,
    key_of,
    owned_by,
    uid_of,
)
from rollouts.sandbox.workqueue import Controller

BACKOFF_SECONDS = 10.0
BACKOFF_SECONDS_MAX = 600.0
BACKOFF_LIMIT = 6
INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The pods of a Job by what became of them."""

    active: int
    ready: int
    succeeded: int
    failed: int
    last_failure: datetime | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The Job is over: condition type, reason and message."""

    kind: str
    reason: str
    message: str


def tally(job: Json, pods: Sequence[Json]) -> Tally:
    """Count the Job's pods; what was counted before stays counted."""
    status = job.get("status") or {}
    failures = [_ended_at(pod) for pod in pods if phase_of(pod) == "Failed"]
    return Tally(
        active=sum(is_active(pod) for pod in pods),
        ready=sum(is_ready(pod) and is_active(pod) for pod in pods),
        succeeded=max(sum(phase_of(pod) == "Succeeded" for pod in pods), int(status.get("succeeded", 0))),
        failed=max(len(failures), int(status.get("failed", 0))),
        last_failure=max((at for at in failures if at), default=None),
    )


def _ended_at(pod: Json) -> datetime | None:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if ended := (container.get("state") or {}).get("terminated"):
            return moment_of(ended.get("finishedAt"))
    return None


def completions_of(job: Json) -> int | None:
    """How many pods must succeed; None when any success ends the Job once no pod is left."""
    wanted = job["spec"].get("completions")
    return None if wanted is None else int(wanted)


def verdict(job: Json, seen: Tally, *, now: datetime) -> Ended | None:
    """Whether the Job is over."""
    deadline = deadline_of(job)
    if deadline is not None and now >= deadline:
        return Ended("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    if seen.failed > int(job["spec"].get("backoffLimit", BACKOFF_LIMIT)):
        return Ended("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    wanted = completions_of(job)
    enough = seen.succeeded >= wanted if wanted is not None else seen.succeeded > 0 and seen.active == 0
    return Ended("Complete", "CompletionsReached", "Reached expected number of succeeded pods") if enough else None


def deadline_of(job: Json) -> datetime | None:
    """When `activeDeadlineSeconds` runs out; None without one, before the start and while suspended."""
    seconds, started = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    if seconds is None or not started or job["spec"].get("suspend"):
        return None
    return moment_of(started) + timedelta(seconds=int(seconds))


def wanted_active(job: Json, seen: Tally) -> int:
    """How many pods should run now."""
    if job["spec"].get("suspend"):
        return 0
    parallel, wanted = int(job["spec"].get("parallelism", 1)), completions_of(job)
    if wanted is None:
        return seen.active if seen.succeeded else parallel
    return min(parallel, wanted - seen.succeeded)


def backoff_left(seen: Tally, *, now: datetime) -> float:
    """Seconds for which no pod is to take the place of one that failed."""
    if seen.last_failure is None:
        return 0.0
    seconds = min(BACKOFF_SECONDS * 2 ** min(seen.failed - 1, 10), BACKOFF_SECONDS_MAX)
    return max((seen.last_failure + timedelta(seconds=seconds) - now).total_seconds(), 0.0)


def is_over(job: Json) -> bool:
    """The status says Complete or Failed."""
    return any((found := condition_of(job, kind)) and found["status"] == "True" for kind in ("Complete", "Failed"))


def status_of(job: Json, seen: Tally, ended: Ended | None, *, now: datetime) -> Json:
    """The status of a Job with these pods."""
    before = job.get("status") or {}
    started = None if job["spec"].get("suspend") else before.get("startTime") or stamp(now)
    status: Json = {"startTime": started, "active": seen.active, "ready": seen.ready}
    status |= {"succeeded": seen.succeeded, "failed": seen.failed}
    status["conditions"] = _conditions(job, ended, now=now)
    if ended and ended.kind == "Complete":
        status["completionTime"] = before.get("completionTime") or stamp(now)
    told = {name: value for name, value in status.items() if value}
    return told | {"uncountedTerminatedPods": {}, "ready": seen.ready}


def _conditions(job: Json, ended: Ended | None, *, now: datetime) -> list[Json]:
    conditions = list((job.get("status") or {}).get("conditions") or ())
    if job["spec"].get("suspend") or condition_of(job, "Suspended"):
        suspended = bool(job["spec"].get("suspend"))
        wording = ("True", "JobSuspended", "Job suspended") if suspended else ("False", "JobResumed", "Job resumed")
        if not ((before := condition_of(job, "Suspended")) and before["status"] == wording[0]):
            conditions = [one for one in conditions if one["type"] != "Suspended"]
            conditions.append(_condition("Suspended", *wording, now=now))
    if ended is not None:
        trigger = "SuccessCriteriaMet" if ended.kind == "Complete" else "FailureTarget"
        for kind in (trigger, ended.kind):
            if condition_of(job, kind) is None:
                conditions.append(_condition(kind, "True", ended.reason, ended.message, now=now))
    return conditions


def _condition(kind: str, status: str, reason: str, message: str, *, now: datetime) -> Json:
    times = {"lastProbeTime": stamp(now), "lastTransitionTime": stamp(now)}
    return {"type": kind, "status": status, "reason": reason, "message": message, **times}


def new_pod(job: Json, index: int | None) -> Json:
    """A pod of the Job."""
    pod = pod_from(job["spec"]["template"], job)
    metadata, name, uid = pod["metadata"], job["metadata"]["name"], uid_of(job)
    for label, value in {"job-name": name, "controller-uid": uid}.items():
        metadata["labels"].setdefault(label, value)
        metadata["labels"].setdefault(f"batch.kubernetes.io/{label}", value)
    if index is not None:
        metadata["labels"][INDEX] = metadata["annotations"][INDEX] = str(index)
        metadata["generateName"] = f"{name}-{index}-"
    metadata["ownerReferences"] = [owned_by(job, JOBS)]
    return pod


def free_indexes(job: Json, pods: Sequence[Json]) -> list[int | None]:
    """The completion indexes that no running or succeeded pod has; without indexes a list of None."""
    completions = completions_of(job)
    if job["spec"].get("completionMode") != "Indexed" or completions is None:
        return [None] * int(job["spec"].get("parallelism", 1))
    taken = {pod["metadata"]["annotations"].get(INDEX) for pod in pods if phase_of(pod) != "Failed"}
    return [index for index in range(completions) if str(index) not in taken]


class Jobs:
    """The controller; `controller` serves its queue."""

    def __init__(self, api: ApiClient, informers: Informers, *, clock: Clock = wall_clock, workers: int = 8) -> None:
        self._api = api
        self._clock = clock
        self._jobs = informers.of(JOBS)
        self._pods = informers.of(PODS)
        self._pods.index(by_controller)
        self.controller: Controller[Key] = Controller("job", self.reconcile, workers=workers)
        self._jobs.on_change(lambda old, new: self.controller.queue.add(key_of(new or old or {})))
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, old: Json | None, new: Json | None) -> None:
        pod = new or old or {}
        owner = controller_of(pod)
        if owner and owner["kind"] == JOBS.kind:
            self.controller.queue.add((pod["metadata"]["namespace"], owner["name"]))

    async def reconcile(self, key: Key) -> float | None:
        """Bring one Job's pods and status to where its spec wants them."""
        job = self._jobs.get(key)
        if job is None or is_terminating(job):
            return None
        if is_over(job):
            return await self._expire(job)
        pods = self._pods.find(by_controller, uid_of(job))
        now = self._clock()
        seen = tally(job, pods)
        ended = verdict(job, seen, now=now)
        wait = await self._manage(job, pods, seen, ended)
        pods = self._pods.find(by_controller, uid_of(job))
        await self._write_status(job, status_of(job, tally(job, pods), ended, now=now))
        deadline = deadline_of(self._jobs.get(key) or job)
        waits = [wait] if wait else []
        waits += [max((deadline - now).total_seconds(), 0.01)] if deadline and not ended else []
        return min(waits, default=None)

    async def _manage(self, job: Json, pods: list[Json], seen: Tally, ended: Ended | None) -> float | None:
        """Start or stop pods; returns the seconds that a failed pod's successor has to wait."""
        active = [pod for pod in pods if is_active(pod)]
        wanted = 0 if ended else wanted_active(job, seen)
        if len(active) > wanted:
            await asyncio.gather(*(self._delete(pod) for pod in active[wanted:]))
        missing = wanted - len(active)
        if missing <= 0:
            return None
        if wait := backoff_left(seen, now=self._clock()):
            return wait
        indexes = free_indexes(job, pods)[:missing]
        await asyncio.gather(*(self._create(job, index) for index in indexes))
        return None

    async def _create(self, job: Json, index: int | None) -> None:
        self._pods.observe(await self._api.create(PODS, job["metadata"]["namespace"], new_pod(job, index)))

    async def _delete(self, pod: Json) -> None:
        try:
            await self._api.delete(PODS, key_of(pod), uid=uid_of(pod))
        except ApiFailure as failure:
            if not failure.is_not_found:
                raise
            self._pods.forget(pod)

    async def _write_status(self, job: Json, status: Json) -> None:
        if (job.get("status") or {}) == status:
            return
        body = {**job, "apiVersion": JOBS.api_version, "kind": JOBS.kind, "status": status}
        self._jobs.observe(await self._api.update(JOBS, key_of(job), body, subresource="status"))

    async def _expire(self, job: Json) -> float | None:
        """Delete a finished Job when its time to live is over."""
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        if seconds is None:
            return None
        over = next(found for kind in ("Complete", "Failed") if (found := condition_of(job, kind)))
        left = (
            moment_of(over.get("lastTransitionTime")) + timedelta(seconds=int(seconds)) - self._clock()
        ).total_seconds()
        if left > 0:
            return left + 0.01
        await self._api.delete(JOBS, key_of(job), uid=uid_of(job), options={"propagationPolicy": "Background"})
        return None
