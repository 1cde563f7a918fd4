"""The real programs of one node: each with its probes, and what became of them told to the pod's course.

A resident belongs to one run of one pod. Nothing here writes to the API; `changed` puts the pod into the node's queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from rollouts.sandbox.client import ApiClient
from rollouts.sandbox.clock import Clock
from rollouts.sandbox.kinds import Json, Key, key_of
from rollouts.sandbox.node.course import Course, Run
from rollouts.sandbox.node.environment import ConfigProblem, environment, expanded
from rollouts.sandbox.node.probes import follow, probe_of
from rollouts.sandbox.node.program import ADDRESS_VARIABLE, PROGRAMS, Program


class Resident:
    """One running program and the tasks that probe it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._probes: list[asyncio.Task[None]] = []

    def probe(self, task: asyncio.Task[None]) -> None:
        """Keep a probing task until the program ends."""
        self._probes.append(task)

    def stop_probes(self) -> None:
        """The program ended: nothing is left to probe."""
        for task in self._probes:
            task.cancel()
        self._probes.clear()


class Residents:
    """Starts programs for courses and follows them."""

    def __init__(self, api: ApiClient, *, clock: Clock, logs: Path | None, changed: Callable[[Key], None]) -> None:
        self._api = api
        self._clock = clock
        self._logs = logs
        self._changed = changed
        self._residents: dict[str, Resident] = {}

    def get(self, uid: str) -> Program | None:
        """The running program of a pod."""
        resident = self._residents.get(uid)
        return resident.program if resident else None

    async def start(self, pod: Json, course: Course) -> None:
        """Start the next run; what prevents it becomes the course's problem. Raises ApiFailure."""
        container = pod["spec"]["containers"][0]
        try:
            variables = await environment(self._api, pod, container, address=course.address)
            if course.script.program not in PROGRAMS:
                raise ConfigProblem(f"program {course.script.program!r} is not one of {', '.join(sorted(PROGRAMS))}")
        except ConfigProblem as problem:
            course.problem = ("CreateContainerConfigError", str(problem))
            return
        course.problem = None
        run = course.begin(self._clock())
        try:
            program = Program.start(
                course.script.program,
                arguments=[expanded(argument, variables) for argument in container.get("args") or ()],
                environment={**variables, ADDRESS_VARIABLE: course.address},
                log=self._log(pod, container),
                on_exit=lambda code: self._ended(key_of(pod), course, run, code),
            )
        except OSError as error:
            run.ended_at, run.exit_code = self._clock(), 128
            course.problem = ("StartError", str(error))
            return
        resident = self._residents[course.uid] = Resident(program)
        self._probe(pod, container, course, run, resident)

    def destroy(self, uid: str) -> None:
        """Stop a pod's program at once and forget it."""
        resident = self._residents.pop(uid, None)
        if resident is not None:
            resident.stop_probes()
            resident.program.destroy()

    def destroy_all(self) -> None:
        """Stop all programs at once."""
        for uid in list(self._residents):
            self.destroy(uid)

    def _log(self, pod: Json, container: Json) -> Path | None:
        if self._logs is None:
            return None
        namespace, name = key_of(pod)
        return self._logs / f"{namespace}_{name}_{container['name']}.log"

    def _probe(self, pod: Json, container: Json, course: Course, run: Run, resident: Resident) -> None:
        key = key_of(pod)

        def ready(passed: bool) -> None:  # noqa: FBT001 - a probe reports one bare verdict
            run.is_ready = passed
            self._changed(key)

        def alive(passed: bool) -> None:  # noqa: FBT001 - a probe reports one bare verdict
            if not passed:
                resident.program.kill()

        async def live() -> None:
            startup = probe_of(container, "startupProbe", address=course.address)
            if startup is not None:
                started = asyncio.Event()
                starting = asyncio.create_task(follow(startup, lambda passed: started.set(), passed=False))
                try:
                    await started.wait()
                finally:
                    starting.cancel()
            readiness = probe_of(container, "readinessProbe", address=course.address)
            liveness = probe_of(container, "livenessProbe", address=course.address)
            if readiness is None:
                ready(True)  # noqa: FBT003 - as above
            async with asyncio.TaskGroup() as probes:
                if readiness is not None:
                    probes.create_task(follow(readiness, ready, passed=False))
                if liveness is not None:
                    probes.create_task(follow(liveness, alive, passed=True))

        resident.probe(asyncio.create_task(live(), name=f"probes of {key[0]}/{key[1]}"))

    def _ended(self, key: Key, course: Course, run: Run, code: int) -> None:
        resident = self._residents.pop(course.uid, None)
        if resident is not None:
            resident.stop_probes()
        run.is_ready, run.ended_at, run.exit_code = False, self._clock(), code
        self._changed(key)
