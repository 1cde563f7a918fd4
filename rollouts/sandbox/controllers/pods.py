"""What controllers ask about a pod, and in which order they would rather lose pods. Pure: pods in, answers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from rollouts.sandbox.clock import NEVER, moment_of
from rollouts.sandbox.kinds import Json, is_terminating

FINISHED = ("Succeeded", "Failed")
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}


def phase_of(pod: Json) -> str:
    """The phase; a pod that no node has reported on is Pending."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_finished(pod: Json) -> bool:
    """All containers ended and none will be started again."""
    return phase_of(pod) in FINISHED


def is_active(pod: Json) -> bool:
    """The pod counts as a replica: not finished and not being deleted."""
    return not is_finished(pod) and not is_terminating(pod)


def ready_since(pod: Json) -> datetime | None:
    """When the Ready condition became true, `NEVER` if it does not say; None while it is not."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Ready" and condition["status"] == "True":
            return moment_of(condition.get("lastTransitionTime"))
    return None


def is_ready(pod: Json) -> bool:
    """The Ready condition is true."""
    return ready_since(pod) is not None


def available_at(pod: Json, min_ready_seconds: int) -> datetime | None:
    """From when on the pod counts as available, if it stays ready; None while it is not ready.

    Nor is it available after a while when nobody knows since when it is ready.
    """
    since = ready_since(pod)
    if since is None or (since == NEVER and min_ready_seconds):
        return None
    return since + timedelta(seconds=min_ready_seconds)


def pod_from(template: Json, owner: Json) -> Json:
    """A pod made from a template for an owner, named after it and without an owner reference yet."""
    metadata = template.get("metadata") or {}
    return {
        "metadata": {
            "generateName": f"{owner['metadata']['name'][:57]}-",
            "namespace": owner["metadata"].get("namespace", ""),
            "labels": dict(metadata.get("labels") or {}),
            "annotations": dict(metadata.get("annotations") or {}),
            "finalizers": list(metadata.get("finalizers") or ()),
        },
        "spec": template["spec"],
    }


def first_to_delete(candidates: Iterable[Json], *, related: Iterable[Json]) -> list[Json]:
    """Candidates in the order in which a ReplicaSet gives them up.

    Unassigned before assigned, pending before running, not ready before ready, cheaper deletion cost first, then those
    that share their node with more ready pods of the same owner (`related`), ready for a shorter time, more restarts,
    younger.
    """
    crowd = Counter(pod["spec"].get("nodeName", "") for pod in related if is_active(pod))
    return sorted(candidates, key=lambda pod: _worth(pod, crowd))


def _worth(pod: Json, crowd: Counter[str]) -> tuple[Any, ...]:
    node, since = pod["spec"].get("nodeName", ""), ready_since(pod)
    return (
        bool(node),
        _PHASE_RANK.get(phase_of(pod), 2),
        since is not None,
        deletion_cost(pod),
        -crowd[node],
        -since.timestamp() if since else 0.0,
        -restarts_of(pod),
        -_created(pod),
        pod["metadata"]["name"],
    )


def deletion_cost(pod: Json) -> int:
    """The cost annotation as a number; text that is none counts as 0."""
    text = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def restarts_of(pod: Json) -> int:
    """The restarts of the container that restarted most."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((int(status.get("restartCount", 0)) for status in statuses), default=0)


def _created(pod: Json) -> float:
    text = pod["metadata"].get("creationTimestamp")
    return moment_of(text).timestamp() if text else 0.0
