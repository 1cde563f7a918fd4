"""The table row of a Pod: the one whose status takes some thought.

STATUS is not the phase. It is the most telling fact about the containers: why one waits, how one ended, how far the
init containers came, or that the pod is being deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rollouts.sandbox import ages
from rollouts.sandbox.columns.column import AGE, NAME, NONE, Printer, texts, wide
from rollouts.sandbox.resources import Json

_TERMINAL_PHASES = ("Succeeded", "Failed")


def cells(pod: Json, now: datetime) -> list[Any]:
    """The cells of a Pod, wide ones included."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    statuses = status.get("containerStatuses") or []
    sidecars = _sidecars(pod)
    side_statuses = [each for each in status.get("initContainerStatuses") or [] if each["name"] in sidecars]
    ready = sum(1 for each in statuses if each.get("ready") and _state(each, "running") is not None)
    ready += sum(1 for each in side_statuses if each.get("started") and each.get("ready"))
    addresses = status.get("podIPs") or [{"ip": status.get("podIP")}]
    return [
        pod["metadata"]["name"],
        f"{ready}/{len(spec.get('containers') or []) + len(sidecars)}",
        summary(pod),
        _restarts(_started(pod) or [*statuses, *side_statuses], now),
        ages.since(pod["metadata"].get("creationTimestamp"), now),
        addresses[0].get("ip") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec.get("readinessGates") or [], status.get("conditions") or []),
    ]


def row_conditions(pod: Json) -> list[Json]:
    """What tells a client that a pod has ended, so that it may dim its row."""
    phase = (pod.get("status") or {}).get("phase")
    if phase == "Succeeded":
        message = "The pod has completed successfully."
    elif phase == "Failed":
        message = "The pod failed."
    else:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": message}]


def summary(pod: Json) -> str:
    """The STATUS cell."""
    status = pod.get("status") or {}
    deleting = pod["metadata"].get("deletionTimestamp") is not None
    if deleting and status.get("reason") == "NodeLost":
        return "Unknown"
    if deleting and status.get("phase") not in _TERMINAL_PHASES:
        return "Terminating"
    reason: str = status.get("reason") or status.get("phase") or ""
    conditions = {each["type"]: each for each in status.get("conditions") or []}
    if (conditions.get("PodScheduled") or {}).get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    starting = _initializing(pod)
    if starting is not None and (conditions.get("Initialized") or {}).get("status") != "True":
        return starting
    is_ready = (conditions.get("Ready") or {}).get("status") == "True"
    return _containers(status.get("containerStatuses") or [], reason, is_ready=is_ready)


def _containers(statuses: list[Json], reason: str, *, is_ready: bool) -> str:
    """The first container that has something to say wins; a running one outweighs those that completed."""
    told = [text for each in statuses if (text := _told(each)) is not None]
    reason = told[0] if told else reason
    if reason != "Completed":
        return reason
    failed = [text for each in statuses if (text := _told(each)) and (_state(each, "terminated") or {}).get("exitCode")]
    running = any(each.get("ready") and _state(each, "running") is not None for each in statuses)
    if running and is_ready:
        return "Running"
    if failed:
        return failed[0]
    return "NotReady" if running else reason


def _told(status: Json) -> str | None:
    waiting, ended = _state(status, "waiting"), _state(status, "terminated")
    if waiting and waiting.get("reason"):
        return str(waiting["reason"])
    return _ending(ended) if ended is not None else None


def _ending(terminated: Json) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _initializing(pod: Json) -> str | None:
    """How far the init containers came, or None when they are done."""
    specs = (pod.get("spec") or {}).get("initContainers") or []
    for index, status in enumerate((pod.get("status") or {}).get("initContainerStatuses") or []):
        if not _blocks(status, pod):
            continue
        ended, waiting = _state(status, "terminated"), _state(status, "waiting")
        if ended is not None:
            return f"Init:{_ending(ended)}"
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(specs)}"
    return None


def _blocks(status: Json, pod: Json) -> bool:
    """Whether this init container keeps the next one from starting."""
    ended = _state(status, "terminated")
    if ended is not None and ended.get("exitCode") == 0:
        return False
    return not (status.get("started") and status["name"] in _sidecars(pod))


def _sidecars(pod: Json) -> set[str]:
    containers = (pod.get("spec") or {}).get("initContainers") or []
    return {each["name"] for each in containers if each.get("restartPolicy") == "Always"}


def _started(pod: Json) -> list[Json]:
    """The init containers that ran or run, while they are not done: only their restarts count then."""
    conditions = {each["type"]: each.get("status") for each in (pod.get("status") or {}).get("conditions") or []}
    if _initializing(pod) is None or conditions.get("Initialized") == "True":
        return []
    statuses: list[Json] = pod["status"]["initContainerStatuses"]
    blocking = next(index for index, each in enumerate(statuses) if _blocks(each, pod))
    return statuses[: blocking + 1]


def _restarts(statuses: Iterable[Json], now: datetime) -> str:
    known = list(statuses)
    count = sum(each.get("restartCount", 0) for each in known)
    endings = [((each.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for each in known]
    last = max((each for each in endings if each), default=None)
    return f"{count} ({ages.since(last, now)} ago)" if count and last else str(count)


def _gates(gates: list[Json], conditions: list[Json]) -> str:
    if not gates:
        return NONE
    met = {each["type"] for each in conditions if each.get("status") == "True"}
    return f"{sum(1 for gate in gates if gate['conditionType'] in met)}/{len(gates)}"


def _state(status: Json, name: str) -> Json | None:
    state: Json | None = (status.get("state") or {}).get(name)
    return state


PRINTERS = {
    ("", "Pod"): Printer(
        (
            NAME,
            *texts("Ready", "Status", "Restarts"),
            AGE,
            *wide("IP", "Node", "Nominated Node", "Readiness Gates"),
        ),
        cells,
    ),
}
