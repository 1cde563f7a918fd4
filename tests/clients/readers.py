"""What clients make of a Rollout's status, written down a second time from the contract: the kubectl plugin's words
and tree, Argo CD's health, kstatus.

Each is the client's own algorithm in its own order, with its own failures: what would be an error in the client is an
error here. None of it shares code with the controller or with our commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.builders import Json

HASH = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"
WORKLOAD_GENERATION = "rollout.argoproj.io/workload-generation"


@dataclass(frozen=True, slots=True)
class Said:
    """A word and a message."""

    word: str
    message: str = ""


# The kubectl plugin and the dashboard


def plugin_status(rollout: Json) -> Said:
    """The stored phase, unless the spec is newer than the status or a resume is under way."""
    status = rollout.get("status") or {}
    if _is_behind(rollout):
        return Said("Progressing", "waiting for rollout spec update to be observed")
    if status.get("controllerPause") and not status.get("pauseConditions"):
        return Said("Progressing", "waiting for rollout to unpause")
    generation = rollout["metadata"].get("annotations", {}).get(WORKLOAD_GENERATION, "")
    if rollout["spec"].get("workloadRef") and generation != status.get("workloadObservedGeneration", ""):
        return Said("Progressing", "waiting for rollout spec update to be observed for the reference workload")
    if status.get("phase"):
        return Said(status["phase"], status.get("message", ""))
    return computed(rollout)


def computed(rollout: Json) -> Said:
    """What a client that finds no phase computes itself from the rest of the status."""
    spec, status = rollout["spec"], rollout["status"]
    for each in status["conditions"]:
        if each["type"] == "InvalidSpec":
            return Said("Degraded", f"InvalidSpec: {each['message']}")
        if each["reason"] in ("RolloutAborted", "ProgressDeadlineExceeded"):
            return Said("Degraded", f"{each['reason']}: {each['message']}")
    if spec.get("paused"):
        return Said("Paused", "manually paused")
    if status.get("pauseConditions"):
        return Said("Paused", status["pauseConditions"][0]["reason"])
    waits = next((message for holds, message in _waits(spec, status) if holds), "")
    return Said("Progressing", waits) if waits else Said("Healthy")


def _waits(spec: Json, status: Json) -> Iterator[tuple[bool, str]]:
    """What a rollout that is neither held nor given up can still wait for."""
    updated, wanted = status.get("updatedReplicas", 0), status["currentPodHash"]
    restart_at = spec.get("restartAt")
    yield bool(restart_at) and restart_at != status.get("restartedAt"), "rollout is restarting"
    yield updated < spec.get("replicas", 1), "more replicas need to be updated"
    yield status.get("availableReplicas", 0) < updated, "updated replicas are still becoming available"
    if "blueGreen" in spec["strategy"]:
        active = (status.get("blueGreen") or {}).get("activeSelector")
        yield not active or active != wanted, "active service cutover pending"
        yield status.get("stableRS") != wanted, "waiting for post-promotion verification to complete"
        return
    is_routed = bool(spec["strategy"]["canary"].get("trafficRouting"))
    yield status.get("replicas", 0) > updated and not is_routed, "old replicas are pending termination"
    yield status.get("stableRS") != wanted, "waiting for all steps to complete"


@dataclass(frozen=True, slots=True)
class Branch:
    """A ReplicaSet in `get rollout`: its number, what it is called, and how it is."""

    revision: int
    tags: tuple[str, ...]
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What `get rollout` shows of numbers and versions."""

    step: str
    set_weight: int
    actual_weight: int
    counts: tuple[int, int, int, int, int]
    """Desired, current, updated, ready, available."""
    versions: tuple[Branch, ...]
    measured: tuple[tuple[str, int, int, int, int], ...]
    """Of each run its phase, and how many measurements were successful, failed, inconclusive, errors."""


def picture(rollout: Json, replica_sets: Iterable[Json], runs: Iterable[Json]) -> Picture:
    """`get rollout`, from the sources it reads; what belongs to it is told by the uid of an owner."""
    status, uid = rollout["status"], rollout["metadata"]["uid"]
    own = [each for each in replica_sets if _is_owned(each, uid)]
    names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    canary = rollout["spec"]["strategy"].get("canary") or {}
    steps, index = canary.get("steps") or [], status.get("currentStepIndex")
    return Picture(
        step=f"{index}/{len(steps)}" if index is not None and steps else "",
        set_weight=_set_weight(rollout, steps, index),
        actual_weight=_actual_weight(rollout, own),
        counts=(rollout["spec"].get("replicas", 1), *(status.get(name, 0) for name in names)),
        versions=tuple(_branch(each, rollout) for each in own),
        measured=tuple(_measured(each) for each in runs if _is_owned(each, uid)),
    )


def _set_weight(rollout: Json, steps: list[Json], index: int | None) -> int:
    if rollout["status"].get("abort"):
        return 0
    most = _weight_max(rollout)
    if index is None or index >= len(steps):
        return most
    weights = [step["setWeight"] for step in steps[: index + 1] if "setWeight" in step]
    return int(weights[-1]) if weights else 0


def _actual_weight(rollout: Json, own: list[Json]) -> int:
    status, most = rollout["status"], _weight_max(rollout)
    canary = rollout["spec"]["strategy"].get("canary") or {}
    steps, index = canary.get("steps") or [], status.get("currentStepIndex")
    if not steps or index is None or index >= len(steps):
        return most
    if status.get("availableReplicas", 0) == 0:
        return 0
    if not canary.get("trafficRouting"):
        new = (each for each in own if each["metadata"]["labels"][HASH] == status["currentPodHash"])
        available = sum(each.get("status", {}).get("availableReplicas", 0) for each in new)
        return int(available * most // status["availableReplicas"])
    weights = (status.get("canary") or {}).get("weights")
    return int(weights["canary"]["weight"]) if weights else _set_weight(rollout, steps, index)


def _weight_max(rollout: Json) -> int:
    routing = (rollout["spec"]["strategy"].get("canary") or {}).get("trafficRouting") or {}
    return int(routing.get("maxTrafficWeight") or 100)


def _branch(raw: Json, rollout: Json) -> Branch:
    status, mark = rollout["status"], raw["metadata"]["labels"][HASH]
    blue_green, tags = status.get("blueGreen") or {}, []
    if "canary" in rollout["spec"]["strategy"]:
        tags = ["stable"] if mark == status.get("stableRS") else ["canary"] if mark == status["currentPodHash"] else []
    else:
        named = (("stable", status.get("stableRS")), ("active", blue_green.get("activeSelector")))
        tags = [tag for tag, found in (*named, ("preview", blue_green.get("previewSelector"))) if found == mark]
    wanted, said = raw["spec"]["replicas"], raw.get("status", {})
    is_observed = said.get("observedGeneration", 0) >= raw["metadata"]["generation"]
    is_there = said.get("availableReplicas", 0) >= wanted and is_observed
    word = "ScaledDown" if wanted == 0 else "Healthy" if is_there else "Progressing"
    return Branch(int(raw["metadata"]["annotations"].get(REVISION, 0)), tuple(tags), word)


def _measured(run: Json) -> tuple[str, int, int, int, int]:
    status = run.get("status") or {}
    results = status.get("metricResults") or []
    sums = [sum(each.get(name, 0) for each in results) for name in ("successful", "failed", "inconclusive", "error")]
    return (status.get("phase", ""), sums[0], sums[1], sums[2], sums[3])


def _is_owned(raw: Json, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in raw["metadata"].get("ownerReferences", []))


def _is_behind(rollout: Json) -> bool:
    """Whether the status speaks of an earlier generation, as all clients tell."""
    observed, generation = (
        (rollout.get("status") or {}).get("observedGeneration", ""),
        rollout["metadata"]["generation"],
    )
    return bool(observed.isdigit() and int(observed) < generation)


# Argo CD


class ScriptError(Exception):
    """Argo CD's script of health or actions would fail on this object."""


def argocd_health(rollout: Json) -> Said:
    """Its decision on a Rollout's health, first hit first."""
    unseen = Said("Progressing", "Waiting for rollout spec update to be observed")
    status = rollout.get("status")
    if status is None or _is_behind_number(status.get("observedGeneration"), rollout["metadata"]["generation"]):
        return unseen
    annotations = rollout["metadata"].get("annotations")
    if rollout["spec"].get("workloadRef") and annotations is not None:
        noted = annotations.get(WORKLOAD_GENERATION)
        if _number(noted) != _number(status.get("workloadObservedGeneration")):
            return unseen
    if status.get("phase"):
        word = "Suspended" if status["phase"] == "Paused" else status["phase"]
        if word not in ("Healthy", "Degraded", "Progressing", "Suspended"):
            raise ScriptError(f"invalid health status {word}")
        return Said(word, status.get("message", ""))
    if "conditions" not in status:
        raise ScriptError("loops over nil")
    found = computed(rollout)
    return Said("Suspended" if found.word == "Paused" else found.word, found.message)


def argocd_run_health(run: Json) -> Said:
    """Its decision on the health of an AnalysisRun."""
    status = run.get("status")
    if status is None:
        return Said("Progressing", "Analysis run has not been reconciled.")
    words = {
        "Pending": "Progressing",
        "Running": "Progressing",
        "Successful": "Healthy",
        "Failed": "Degraded",
        "Error": "Degraded",
        "Inconclusive": "Unknown",
    }
    if status.get("phase") not in words:
        raise ScriptError(f"phase {status.get('phase')!r}")
    return Said(words[status["phase"]], status.get("message", ""))


def argocd_experiment_health(experiment: Json) -> Said:
    """Its decision on the health of an Experiment; of an inconclusive one it has none."""
    status = experiment.get("status")
    if status is None:
        return Said("Progressing", "Experiment has not been reconciled.")
    words = {
        "Pending": "Progressing",
        "Running": "Progressing",
        "Successful": "Healthy",
        "Failed": "Degraded",
        "Error": "Degraded",
    }
    return Said(words.get(status.get("phase", ""), ""), status.get("message", ""))


def _is_behind_number(observed: object, generation: int) -> bool:
    number = _number(observed)
    return number is not None and number <= generation and number != generation


def _number(text: object) -> float | None:
    """`tonumber`: also of 12e34, which is why a status must never hold a hash there."""
    try:
        return float(str(text))
    except ValueError:
        return None


# kstatus


class Unreadable(Exception):
    """kstatus cannot compute a status."""


def kstatus(raw: Json) -> str:
    """Current, InProgress, Failed or Terminating, by the rules that kstatus documents for kinds it does not know."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    if "deletionTimestamp" in metadata:
        return "Terminating"
    observed = status.get("observedGeneration")
    if observed is not None and not isinstance(observed, int):
        raise Unreadable("status.observedGeneration is of the type string, expected int64")
    if observed is not None and observed != metadata["generation"]:
        return "InProgress"
    is_true = {each["type"]: each["status"] == "True" for each in status.get("conditions", [])}
    if is_true.get("Reconciling"):
        return "InProgress"
    if is_true.get("Stalled"):
        return "Failed"
    return "Current" if is_true.get("Ready", True) else "InProgress"
