"""A pod in the words kubectl has for it: its state, how many of its containers are ready, how often they restarted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rollouts.ctl.family import Json


@dataclass(frozen=True, slots=True)
class PodSeen:
    """One pod."""

    reason: str
    ready: int
    containers: int
    restarts: int

    @property
    def is_ready(self) -> bool:
        """Whether it runs and all of it is ready."""
        return self.reason == "Running" and self.ready == self.containers

    @property
    def is_in_trouble(self) -> bool:
        """Whether it says that something is wrong, not only that it takes time."""
        quiet = ("Running", "Pending", "ContainerCreating", "PodInitializing", "Terminating", "Completed", "Succeeded")
        return self.reason not in quiet and not self.reason.startswith("Init:")


def seen(pod: Json) -> PodSeen:
    """The pod as `kubectl get pods` shows it."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    return PodSeen(
        reason=_reason(pod),
        ready=sum(1 for each in containers if each.get("ready")),
        containers=len((pod.get("spec") or {}).get("containers") or ()),
        restarts=sum(int(each.get("restartCount") or 0) for each in containers),
    )


def _reason(pod: Json) -> str:
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    initial = next(_initial(pod), "")
    if initial:
        return initial
    for each in status.get("containerStatuses") or ():
        state = each.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            return str(waiting["reason"])
        if ended:
            return str(ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}")
    return str(status.get("reason") or status.get("phase") or "Unknown")


def _initial(pod: Json) -> Iterator[str]:
    """What the first init container that is not over says."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    wanted = spec.get("initContainers") or ()
    sidecars = {each.get("name") for each in wanted if each.get("restartPolicy") == "Always"}
    for index, each in enumerate(status.get("initContainerStatuses") or ()):
        state = each.get("state") or {}
        ended, waiting = state.get("terminated") or {}, state.get("waiting") or {}
        if (ended and ended.get("exitCode") == 0) or (each.get("name") in sidecars and each.get("started")):
            continue
        if ended:
            yield f"Init:{ended.get('reason') or 'Error'}"
        elif waiting.get("reason") not in (None, "", "PodInitializing"):
            yield f"Init:{waiting['reason']}"
        else:
            yield f"Init:{index}/{len(wanted)}"
