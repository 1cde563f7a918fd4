"""The status of a Deployment: counts over its ReplicaSets, and the conditions Available and Progressing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rollouts.sandbox.clock import moment_of, stamp
from rollouts.sandbox.controllers.rolling import bounds
from rollouts.sandbox.kinds import Json

_DONE = "NewReplicaSetAvailable"
_LATE = "ProgressDeadlineExceeded"
_NO_DEADLINE = 2**31 - 1  # how a manifest says that there is none


def limits_of(deployment: Json, *, desired: int) -> tuple[int, int]:
    """Surge and unavailable in pods for this Deployment; a Recreate strategy has neither."""
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0, desired
    limits = bounds(strategy.get("rollingUpdate") or {}, desired=desired)
    return limits.surge, limits.unavailable


def status_of(deployment: Json, new: Json | None, sets: Sequence[Json], *, now: datetime) -> Json:
    """The status of a Deployment with these ReplicaSets."""
    before = deployment.get("status") or {}
    status: Json = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": _sum(sets, "replicas"),
        "updatedReplicas": _sum([new] if new else [], "replicas"),
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": _sum(sets, "availableReplicas"),
    }
    desired = int(deployment["spec"].get("replicas", 1))
    wanted = sum(int(owned["spec"].get("replicas", 1)) for owned in sets)
    status["unavailableReplicas"] = max(max(wanted, desired) - status["availableReplicas"], 0)
    if before.get("collisionCount"):
        status["collisionCount"] = before["collisionCount"]
    conditions = [_available(deployment, status, desired=desired, now=now)]
    if progressing := _progressing(deployment, new, status, now=now):
        conditions.append(progressing)
    return {name: value for name, value in status.items() if value} | {"conditions": conditions}


def _sum(sets: Sequence[Json], count: str) -> int:
    return sum(int((owned.get("status") or {}).get(count, 0)) for owned in sets)


def condition_of(obj: Json, kind: str) -> Json | None:
    """One condition of an object's status."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition["type"] == kind:
            found: Json = condition
            return found
    return None


def is_complete(deployment: Json, status: Json) -> bool:
    """Every desired replica is of the present template and available, and no other is left."""
    desired = int(deployment["spec"].get("replicas", 1))
    counts = ("replicas", "updatedReplicas", "availableReplicas")
    return all(status.get(count, 0) == desired for count in counts)


def _available(deployment: Json, status: Json, *, desired: int, now: datetime) -> Json:
    _, unavailable = limits_of(deployment, desired=desired)
    enough = status["availableReplicas"] >= desired - unavailable
    wording = "has" if enough else "does not have"
    return _condition(
        condition_of(deployment, "Available"),
        kind="Available",
        status=enough,
        because=(
            "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
            f"Deployment {wording} minimum availability.",
        ),
        now=now,
    )


def _progressing(deployment: Json, new: Json | None, status: Json, *, now: datetime) -> Json | None:
    before = condition_of(deployment, "Progressing")
    deadline = deployment["spec"].get("progressDeadlineSeconds", 600)
    if deadline >= _NO_DEADLINE:
        return before
    because = _progress(deployment, new, status, now=now)
    if before and before["reason"] == because[0] and not _moved(deployment.get("status") or {}, status):
        return before
    return _condition(before, kind="Progressing", status=because[0] != _LATE, because=because, now=now, moved=True)


def _progress(deployment: Json, new: Json | None, status: Json, *, now: datetime) -> tuple[str, str]:
    subject = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    before = condition_of(deployment, "Progressing")
    if is_complete(deployment, status):
        return _DONE, f"{subject} has successfully progressed."
    if deployment["spec"].get("paused"):
        return "DeploymentPaused", "Deployment is paused"
    if _moved(deployment.get("status") or {}, status) or before is None:
        return "ReplicaSetUpdated", f"{subject} is progressing."
    if before["reason"] == _LATE or _is_late(deployment, before, now=now):
        return _LATE, f"{subject} has timed out progressing."
    if before["reason"] == _DONE and _is_same_generation(deployment):
        return _DONE, before["message"]
    return "ReplicaSetUpdated", f"{subject} is progressing."


def _is_same_generation(deployment: Json) -> bool:
    observed = (deployment.get("status") or {}).get("observedGeneration", 0)
    return bool(observed == deployment["metadata"].get("generation", 0))


def _moved(before: Json, after: Json) -> bool:
    """Whether the counts say that the update has come further."""
    old_before = before.get("replicas", 0) - before.get("updatedReplicas", 0)
    old_after = after.get("replicas", 0) - after.get("updatedReplicas", 0)
    grew = any(
        after.get(count, 0) > before.get(count, 0)
        for count in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grew or old_after < old_before


def _is_late(deployment: Json, progressing: Json, *, now: datetime) -> bool:
    if progressing.get("reason") == _DONE:
        return False
    return now >= deadline_of(deployment, progressing)


def deadline_of(deployment: Json, progressing: Json) -> datetime:
    """When the lack of progress since the condition's last update becomes a failure."""
    seconds = deployment["spec"].get("progressDeadlineSeconds", 600)
    return moment_of(progressing.get("lastUpdateTime")) + timedelta(seconds=seconds)


def seconds_to_deadline(deployment: Json, status: Json, *, now: datetime) -> float | None:
    """When to look again though nothing happens; None when time alone changes nothing."""
    progressing = condition_of({"status": status}, "Progressing")
    if progressing is None or progressing.get("reason") in (_DONE, _LATE) or deployment["spec"].get("paused"):
        return None
    if deployment["spec"].get("progressDeadlineSeconds", 600) >= _NO_DEADLINE:
        return None
    return max((deadline_of(deployment, progressing) - now).total_seconds(), 0.0) + 0.01


def _condition(
    before: Json | None, *, kind: str, status: bool, because: tuple[str, str], now: datetime, moved: bool = False
) -> Json:
    """A condition with reason and message; the old one when it says the same already."""
    reason, message = because
    told = "True" if status else "False"
    same = before is not None and before["status"] == told
    if before is not None and same and before.get("reason") == reason and not moved:
        return before
    since = before.get("lastTransitionTime") if before is not None and same else None
    return {
        "type": kind,
        "status": told,
        "reason": reason,
        "message": message,
        "lastUpdateTime": stamp(now),
        "lastTransitionTime": since or stamp(now),
    }
