"""Evictions: whether a pod may be deleted now, as far as disruption budgets go.

A budget is spent here and reckoned elsewhere: its status says how many disruptions it has to spare, a controller keeps
that true. A status that speaks of an older spec allows nothing.
"""

from __future__ import annotations

from rollouts.sandbox import errors, selectors
from rollouts.sandbox.backend import Backend
from rollouts.sandbox.resources import Json

_UNPROTECTED_PHASES = frozenset({"Pending", "Succeeded", "Failed"})
_STILL_PROCESSED_RETRY_SECONDS = 10


def permit(backend: Backend, pod: Json, *, is_dry_run: bool) -> None:
    """Take one disruption from the budget of the pod, if it has one and needs to ask it.

    Raises TooManyRequests when the budget has none to spare, and what is broken when several budgets cover the pod.
    """
    if pod["metadata"].get("deletionTimestamp") or _phase(pod) in _UNPROTECTED_PHASES:
        return
    resource = backend.registry.find("policy", "v1", "poddisruptionbudgets")
    assert resource is not None
    found = [
        (key, record.object)
        for key, record in backend.collection(resource).records(pod["metadata"]["namespace"])
        if _covers(record.object, pod)
    ]
    if len(found) > 1:
        raise errors.broken(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    for key, budget in found:
        if _may_go_unready(budget, pod):
            continue
        _check(budget)
        if not is_dry_run:
            backend.put(resource, key, {**budget, "status": _spent(budget, pod, backend.now())})


def marked(pod: Json, *, now: str) -> Json:
    """The pod, saying that it is evicted: so whoever replaces it knows that it did not fail by itself."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": now,
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    status = pod.get("status") or {}
    others = [each for each in status.get("conditions") or () if each["type"] != condition["type"]]
    return {**pod, "status": {**status, "conditions": [*others, condition]}}


def _phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _covers(budget: Json, pod: Json) -> bool:
    requirements = selectors.from_object(budget["spec"].get("selector"))
    return requirements is not None and selectors.matches_labels(requirements, pod)


def _may_go_unready(budget: Json, pod: Json) -> bool:
    """A pod that is not ready protects nobody: it may go while the others suffice, or always if the budget says so."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status: Json = budget.get("status") or {}
    return bool(0 < status.get("desiredHealthy", 0) <= status.get("currentHealthy", 0))


def _check(budget: Json) -> None:
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 1):
        why = f"The disruption budget {name} is still being processed by the server."
        raise _refusal(why, retry_after=_STILL_PROCESSED_RETRY_SECONDS)
    if status.get("disruptionsAllowed", 0) <= 0:
        needed, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _refusal(f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently")


def _refusal(why: str, *, retry_after: int = 0) -> errors.ApiError:
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    causes = [{"reason": "DisruptionBudget", "message": why}]
    return errors.too_many_requests(message, retry_after=retry_after, causes=causes)


def _spent(budget: Json, pod: Json, now: str) -> Json:
    """The budget's status with one disruption less."""
    status = budget["status"]
    left = status["disruptionsAllowed"] - 1
    others = [each for each in status.get("conditions") or () if each["type"] != "DisruptionAllowed"]
    condition = {
        "type": "DisruptionAllowed",
        "status": "True" if left else "False",
        "observedGeneration": budget["metadata"]["generation"],
        "lastTransitionTime": now,
        "reason": "SufficientPods" if left else "InsufficientPods",
        "message": "",
    }
    disrupted = {**(status.get("disruptedPods") or {}), pod["metadata"]["name"]: now}
    return {**status, "disruptionsAllowed": left, "disruptedPods": disrupted, "conditions": [*others, condition]}
