"""The course of one pod on the node: which run it is in, when that began, how it ended. No IO.

Played pods move by time alone (`play`); the runs of real programs are moved by their processes and probes. In both
cases restarts follow a kubelet's back-off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rollouts.sandbox.clock import moment_of
from rollouts.sandbox.kinds import Json
from rollouts.sandbox.node.script import Script

BACKOFF_SECONDS = 10.0
BACKOFF_SECONDS_MAX = 300.0


@dataclass(slots=True, kw_only=True)
class Run:
    """One start of the pod's containers."""

    started_at: datetime
    is_ready: bool = False
    ended_at: datetime | None = None
    exit_code: int = 0


@dataclass(slots=True, kw_only=True)
class Course:
    """All that the node remembers of a pod."""

    uid: str
    address: str
    admitted_at: datetime
    script: Script
    run: Run | None = None
    last: Run | None = None
    restarts: int = 0
    problem: tuple[str, str] | None = None
    """Reason and message why no container can start."""
    stopping_since: datetime | None = None
    was_told: bool = False
    """The program was sent SIGTERM."""

    def begin(self, now: datetime) -> Run:
        """Start the next run."""
        if self.run is not None:
            self.last = self.run
            self.restarts += 1
        self.run = Run(started_at=now)
        return self.run


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait before the next restart."""

    until: datetime
    seconds: float = field(default=0.0)


def backoff(course: Course) -> Backoff | None:
    """When containers that ended may start again; None while they run."""
    run = course.run
    if run is None or run.ended_at is None:
        return None
    seconds = 0.0 if course.restarts == 0 else min(BACKOFF_SECONDS * 2 ** (course.restarts - 1), BACKOFF_SECONDS_MAX)
    return Backoff(run.ended_at + timedelta(seconds=seconds), seconds)


def outcome(run: Run | None, restart_policy: str) -> str:
    """`Succeeded` or `Failed` when the pod has ended for good, else empty."""
    if run is None or run.ended_at is None or restart_policy == "Always":
        return ""
    if run.exit_code == 0:
        return "Succeeded"
    return "Failed" if restart_policy == "Never" else ""


def play(course: Course, restart_policy: str, *, now: datetime) -> datetime | None:
    """Move a played pod to where it is at `now`; returns when time alone will move it again."""
    while True:
        run = course.run or course.begin(now)
        if run.ended_at is None:
            upcoming = _play_run(run, course.script, now=now)
            if run.ended_at is None:
                return upcoming
        if outcome(run, restart_policy):
            return None
        wait = backoff(course)
        if wait is not None and wait.until > now:
            return wait.until
        course.begin(wait.until if wait is not None else now)


def _play_run(run: Run, script: Script, *, now: datetime) -> datetime | None:
    """Move one run; returns its next change."""
    ready_at = None if script.ready_after is None else run.started_at + timedelta(seconds=script.ready_after)
    ends_at = None if script.run_for is None else run.started_at + timedelta(seconds=script.run_for)
    run.is_ready = ready_at is not None and ready_at <= now
    if ends_at is not None and ends_at <= now:
        run.is_ready, run.ended_at, run.exit_code = False, ends_at, script.exit_code
        return None
    upcoming = [moment for moment in (ready_at, ends_at) if moment is not None and moment > now]
    return min(upcoming, default=None)


def resumed(course: Course, status: Json) -> None:
    """Go on from what an earlier node wrote about this pod."""
    containers = status.get("containerStatuses") or ()
    if not containers:
        return
    state = containers[0].get("state") or {}
    course.restarts = int(containers[0].get("restartCount", 0))
    if running := state.get("running"):
        course.run = Run(started_at=moment_of(running.get("startedAt")), is_ready=bool(containers[0].get("ready")))
    elif ended := state.get("terminated"):
        course.run = Run(
            started_at=moment_of(ended.get("startedAt")),
            ended_at=moment_of(ended.get("finishedAt")),
            exit_code=int(ended["exitCode"]),
        )
