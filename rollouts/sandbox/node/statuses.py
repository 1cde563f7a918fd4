"""The status that a kubelet would write for a pod in this state. Pure: pod and course in, status out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rollouts.sandbox.clock import stamp
from rollouts.sandbox.kinds import Json
from rollouts.sandbox.node.course import Course, Run, backoff, outcome

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
_PULLING = ("ContainerCreating", "")


def pod_status(pod: Json, course: Course, *, node_address: str, now: datetime) -> Json:
    """The whole status of a pod; conditions that others wrote are kept, unchanged ones keep their times."""
    policy = pod["spec"].get("restartPolicy", "Always")
    phase = outcome(course.run, policy) or ("Running" if course.run else "Pending")
    before = pod.get("status") or {}
    containers = [_container(container, course, policy) for container in pod["spec"]["containers"]]
    status = {
        **before,
        "phase": phase,
        "hostIP": node_address,
        "hostIPs": [{"ip": node_address}],
        "podIP": course.address,
        "podIPs": [{"ip": course.address}],
        "startTime": before.get("startTime") or stamp(course.admitted_at),
        "conditions": _conditions(pod, phase, containers, now=now),
        "containerStatuses": containers,
    }
    return status


def same_status(one: Json, other: Json) -> bool:
    """Whether two statuses say the same, though a server may write out null times."""
    return _without_nulls(one) == _without_nulls(other)


def _without_nulls(status: Json) -> Json:
    conditions = status.get("conditions") or ()
    told = [{name: value for name, value in one.items() if value is not None} for one in conditions]
    return {**status, "conditions": told}


def _conditions(pod: Json, phase: str, containers: list[Json], *, now: datetime) -> list[Json]:
    known = {condition["type"]: condition for condition in (pod.get("status") or {}).get("conditions") or ()}
    others = [condition for kind, condition in known.items() if kind not in OWN_CONDITIONS]
    unready = containers_ready(phase, containers)
    ready = unready or gates_open(pod, known)
    wanted: dict[str, tuple[str, str] | None] = {
        "PodReadyToStartContainers": None if phase in ("Pending", "Running") else ("", ""),
        "Initialized": ("PodCompleted", "") if phase == "Succeeded" else None,
        "Ready": ready,
        "ContainersReady": unready,
        "PodScheduled": None,
    }
    own = [_condition(known.get(kind), kind, because, now=now) for kind, because in wanted.items()]
    return others + own


def containers_ready(phase: str, containers: list[Json]) -> tuple[str, str] | None:
    """Why the containers are not ready: reason and message; None when they are."""
    if phase == "Succeeded":
        return ("PodCompleted", "")
    if phase == "Failed":
        return ("PodFailed", "")
    names = [container["name"] for container in containers if not container["ready"]]
    return ("ContainersNotReady", f"containers with unready status: [{' '.join(names)}]") if names else None


def gates_open(pod: Json, conditions: Mapping[str, Json]) -> tuple[str, str] | None:
    """Why a readiness gate keeps the pod from being ready; None when none does."""
    problems = []
    for gate in pod["spec"].get("readinessGates") or ():
        name = gate["conditionType"]
        condition = conditions.get(name)
        if condition is None:
            problems.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif condition["status"] != "True":
            problems.append(f'the status of pod readiness gate "{name}" is not "True", but {condition["status"]}')
    return ("ReadinessGatesNotReady", ", ".join(problems)) if problems else None


def _condition(before: Json | None, kind: str, because: tuple[str, str] | None, *, now: datetime) -> Json:
    """True without a reason against it; False, or for a completed pod's Initialized True, with one."""
    holds = because is None or kind == "Initialized"
    told = {"type": kind, "status": "True" if holds else "False"}
    if because and because[0]:
        told["reason"] = because[0]
    if because and because[1]:
        told["message"] = because[1]
    same = before is not None and before["status"] == told["status"]
    since = before.get("lastTransitionTime") if before is not None and same else None
    told["lastTransitionTime"] = since or stamp(now)
    if before is not None and "observedGeneration" in before:
        told["observedGeneration"] = before["observedGeneration"]
    return told


def _container(container: Json, course: Course, policy: str) -> Json:
    run = course.run
    status: Json = {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": f"sandbox://{container.get('image', '')}" if run else "",
        "ready": run is not None and run.ended_at is None and run.is_ready,
        "started": run is not None and run.ended_at is None,
        "restartCount": course.restarts,
        "state": _state(container, course, policy),
        "lastState": {"terminated": _ended(course.last, course)} if course.last else {},
    }
    if run:
        status["containerID"] = _container_id(course, course.restarts)
    if run and run.ended_at is not None and "waiting" in status["state"]:
        status["lastState"] = {"terminated": _ended(run, course)}
    return status


def _state(container: Json, course: Course, policy: str) -> Json:
    run = course.run
    if run is None:
        reason, message = course.problem or _PULLING
        return {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    if run.ended_at is None:
        return {"running": {"startedAt": stamp(run.started_at)}}
    wait = backoff(course)
    if outcome(run, policy) or wait is None or wait.seconds == 0:
        return {"terminated": _ended(run, course)}
    message = f"back-off {wait.seconds:.0f}s restarting failed container={container['name']}"
    return {"waiting": {"reason": "CrashLoopBackOff", "message": message}}


def _ended(run: Run, course: Course) -> Json:
    assert run.ended_at is not None, "only a run that ended has an end"
    reason = "Completed" if run.exit_code == 0 else "Error"
    return {
        "exitCode": run.exit_code,
        "reason": reason,
        "startedAt": stamp(run.started_at),
        "finishedAt": stamp(run.ended_at),
        "containerID": _container_id(course, course.restarts - (run is course.last)),
    }


def _container_id(course: Course, number: int) -> str:
    return f"sandbox://{course.uid}/{number}"
