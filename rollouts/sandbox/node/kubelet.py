"""The node itself: for every pod bound to it, what runs and what its status says. Level-triggered, one timer heap.

A pod is looked at when it changes, when its program or a probe reports, and when its course says that time will move
it; nothing polls. Stopping goes in the order that loses no request: the API marks the endpoint terminating, the node
waits until no EndpointSlice offers the pod (a short while at most) and until its preStop hook is over, then SIGTERM,
the rest of the grace period, SIGKILL, and deletion with grace 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rollouts.sandbox.client import ApiClient, ApiFailure
from rollouts.sandbox.clock import Clock, wall_clock
from rollouts.sandbox.controllers.endpoints import by_pod
from rollouts.sandbox.controllers.pods import is_finished
from rollouts.sandbox.informer import Informers
from rollouts.sandbox.kinds import ENDPOINT_SLICES, PODS, Json, Key, is_terminating, key_of, uid_of
from rollouts.sandbox.loopback import AddressPool
from rollouts.sandbox.node.course import Course, backoff, outcome, play, resumed
from rollouts.sandbox.node.residents import Residents
from rollouts.sandbox.node.script import Script, ScriptProblem, grace_seconds, pre_stop_seconds, script_of
from rollouts.sandbox.node.statuses import pod_status, same_status
from rollouts.sandbox.workqueue import Controller

UNLISTING_SECONDS_MAX = 1.0  # how long SIGTERM waits for the endpoint to be taken out
LAST_GRACE_SECONDS = 2.0  # what a program gets after SIGTERM though its hook used the grace period up
CONFIG_RETRY_SECONDS = 1.0
IMAGE_PROBLEM = ("ImagePullBackOff", 'Back-off pulling image: the annotation says it is "missing"')


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """What a node is called, which addresses its pods get, and where programs log (None: nowhere)."""

    name: str = "sandbox-node"
    pool: AddressPool
    logs: Path | None = None

    @property
    def address(self) -> str:
        """The node's own address: the last but two of its range, which no pod gets."""
        return str(self.pool.network.broadcast_address - 2)


class Kubelet:
    """The node's part of the API; `controller` serves its queue."""

    def __init__(
        self,
        api: ApiClient,
        informers: Informers,
        settings: NodeSettings,
        *,
        clock: Clock = wall_clock,
        workers: int = 24,
    ) -> None:
        self._api = api
        self._settings = settings
        self._clock = clock
        self._pods = informers.of(PODS)
        self._slices = informers.of(ENDPOINT_SLICES)
        self._slices.index(by_pod)
        self._courses: dict[Key, Course] = {}
        self.controller: Controller[Key] = Controller("node", self.reconcile, workers=workers)
        self._residents = Residents(api, clock=clock, logs=settings.logs, changed=self.controller.queue.add)
        self._pods.on_change(self._pod_changed)
        self._slices.on_change(self._slice_changed)

    def _pod_changed(self, old: Json | None, new: Json | None) -> None:
        pod = new or old or {}
        if pod["spec"].get("nodeName") == self._settings.name:
            self.controller.queue.add(key_of(pod))

    def _slice_changed(self, old: Json | None, new: Json | None) -> None:
        for endpoint in (old or new or {}).get("endpoints") or ():
            target = endpoint.get("targetRef") or {}
            key = (target.get("namespace", ""), target.get("name", ""))
            course = self._courses.get(key)
            if course is not None and course.stopping_since is not None and not course.was_told:
                self.controller.queue.add(key)

    async def stop(self) -> None:
        """Stop the node and all its programs at once; the pods keep the status they have."""
        await self.controller.stop()
        self._residents.destroy_all()

    async def reconcile(self, key: Key) -> float | None:
        """Bring one pod of this node to where its spec and the time want it."""
        pod = self._pods.get(key)
        course = self._courses.get(key)
        if course is not None and (pod is None or uid_of(pod) != course.uid):
            self._forget(key, course)
            course = None
        if pod is None or pod["spec"].get("nodeName") != self._settings.name:
            return None
        if is_terminating(pod):
            return await self._stop(pod, course)
        if is_finished(pod) and course is None:
            return None
        course = course or self._admit(pod)
        upcoming = await self._advance(pod, course)
        now = self._clock()
        await self._write_status(pod, course, now=now)
        return max((upcoming - now).total_seconds(), 0.0) + 0.001 if upcoming else None

    def _admit(self, pod: Json) -> Course:
        status = pod.get("status") or {}
        address = status.get("podIP") or ""
        if not address or not self._settings.pool.hold(address):
            address = self._settings.pool.take()
        course = Course(uid=uid_of(pod), address=address, admitted_at=self._clock(), script=Script())
        try:
            course.script = script_of(pod)
        except ScriptProblem as problem:
            course.problem = ("CreateContainerConfigError", str(problem))
        else:
            course.problem = None if course.script.has_image else IMAGE_PROBLEM
            resumed(course, status)
            self._lose_program(course)
        self._courses[key_of(pod)] = course
        return course

    def _lose_program(self, course: Course) -> None:
        """A program that an earlier node ran has ended with it."""
        if course.script.program and course.run is not None and course.run.ended_at is None:
            course.run.ended_at, course.run.exit_code, course.run.is_ready = self._clock(), 137, False

    def _forget(self, key: Key, course: Course) -> None:
        self._residents.destroy(course.uid)
        self._settings.pool.give_back(course.address)
        del self._courses[key]

    async def _advance(self, pod: Json, course: Course) -> datetime | None:
        """Move the course on; returns when time alone will move it again."""
        policy = pod["spec"].get("restartPolicy", "Always")
        if course.problem is not None and course.run is None and not course.script.program:
            return None
        if not course.script.program:
            return play(course, policy, now=self._clock())
        if self._residents.get(course.uid) is not None or outcome(course.run, policy):
            return None
        wait = backoff(course)
        if wait is not None and wait.until > self._clock():
            return wait.until
        await self._residents.start(pod, course)
        if course.problem is None:
            return None
        return self._clock() + timedelta(seconds=CONFIG_RETRY_SECONDS)

    async def _write_status(self, pod: Json, course: Course, *, now: datetime) -> None:
        status = pod_status(pod, course, node_address=self._settings.address, now=now)
        if same_status(status, pod.get("status") or {}):
            return
        body = {**pod, "apiVersion": PODS.api_version, "kind": PODS.kind, "status": status}
        try:
            self._pods.observe(await self._api.update(PODS, key_of(pod), body, subresource="status"))
        except ApiFailure as failure:
            if not failure.is_not_found:
                raise

    async def _stop(self, pod: Json, course: Course | None) -> float | None:
        """Stop what runs, in order, and then let the pod go."""
        if course is not None:
            now = self._clock()
            if course.stopping_since is None:
                course.stopping_since = now
            wait = self._wait_to_end(pod, course, now=now)
            if wait > 0:
                return wait
            if pod["metadata"].get("finalizers"):
                await self._write_end(pod, course, now=now)
                pod = self._pods.get(key_of(pod)) or pod
        await self._delete(pod)
        return None

    def _wait_to_end(self, pod: Json, course: Course, *, now: datetime) -> float:
        """Seconds until the pod has stopped or has to be looked at again; 0 when nothing runs any more."""
        since = course.stopping_since or now
        hook = since + timedelta(seconds=pre_stop_seconds(pod))
        deadline = since + timedelta(seconds=grace_seconds(pod))
        program = self._residents.get(course.uid)
        if program is None:
            if course.script.program or course.run is None or course.run.ended_at is not None:
                return 0.0
            takes = min(course.script.stop_takes, 1e6)
            return max((min(hook + timedelta(seconds=takes), deadline) - now).total_seconds(), 0.0)
        tell_at = max(min(hook, deadline), self._unlisted_at(pod, since, now=now))
        if now < tell_at:
            return (tell_at - now).total_seconds()
        if not course.was_told:
            course.was_told = True
            program.terminate()
        kill_at = tell_at + timedelta(seconds=LAST_GRACE_SECONDS) if hook >= deadline else deadline
        if now >= kill_at:
            program.kill()
            return 1.0  # its end is reported at once; this only guards against a lost report
        return (kill_at - now).total_seconds()

    def _unlisted_at(self, pod: Json, since: datetime, *, now: datetime) -> datetime:
        """Now when no slice offers the pod any more, else the end of our patience."""
        uid = uid_of(pod)
        listed = any(
            (endpoint.get("targetRef") or {}).get("uid") == uid and (endpoint.get("conditions") or {}).get("ready")
            for endpoint_slice in self._slices.find(by_pod, uid)
            for endpoint in endpoint_slice.get("endpoints") or ()
        )
        return since + timedelta(seconds=UNLISTING_SECONDS_MAX) if listed else min(since, now)

    async def _write_end(self, pod: Json, course: Course, *, now: datetime) -> None:
        """Somebody's finalizer keeps the object: say that its containers have ended."""
        run = course.run
        if run is not None and run.ended_at is None:
            run.is_ready, run.ended_at, run.exit_code = False, now, 0 if course.script.stop_takes == 0 else 137
        await self._write_status(pod, course, now=now)

    async def _delete(self, pod: Json) -> None:
        """Tell the API that nothing runs any more; finalizers may still keep the object."""
        if pod["metadata"].get("deletionGracePeriodSeconds") == 0:
            return
        try:
            await self._api.delete(PODS, key_of(pod), uid=uid_of(pod), options={"gracePeriodSeconds": 0})
        except ApiFailure as failure:
            if not failure.is_not_found:
                raise
        if not pod["metadata"].get("finalizers"):
            self._pods.forget(pod)
