"""The kubectl plugin of Argo Rollouts as the controller meets it: what each command reads, and what it then sends.

Written down from the contract's table of mutations, request by request, in the order in which they arrive.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from rollouts.lib import timestamps
from tests.builders import Json
from tests.clients.wire import JSON_PATCH, PLAIN, Request, main, status

HASH = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"


def abort(rollout: Json) -> list[Request]:
    """`abort R`."""
    return [status({"abort": True})]


def retry(rollout: Json) -> list[Request]:
    """`retry rollout R`."""
    return [status({"abort": False})]


def pause(rollout: Json) -> list[Request]:
    """`pause R`."""
    return [main({"spec": {"paused": True}})]


def restart(rollout: Json, *, at: datetime) -> list[Request]:
    """`restart R [--in D]`."""
    return [main({"spec": {"restartAt": timestamps.render(at)}})]


def promote(rollout: Json) -> list[Request]:
    """`promote R`: the status first, then the spec."""
    sent = [status(change)] if (change := _onward(rollout)) else []
    return sent + _unpaused(rollout)


def promote_full(rollout: Json) -> list[Request]:
    """`promote R --full`."""
    seen = rollout.get("status") or {}
    is_wanted = seen.get("currentPodHash", "") != seen.get("stableRS", "")
    return ([status({"promoteFull": True})] if is_wanted else []) + _unpaused(rollout)


def skip_step(rollout: Json) -> list[Request]:
    """`promote R --skip-current-step`; the plugin refuses it without steps."""
    return [status({"currentStepIndex": _index(rollout) + 1})]


def skip_all(rollout: Json) -> list[Request]:
    """`promote R --skip-all-steps`."""
    return [status({"currentStepIndex": len(_steps(rollout))})]


def set_image(rollout: Json, container: str, image: str) -> Request:
    """`set image R C=IMAGE`: the whole object as it was read, `*` standing for every container."""
    body = copy.deepcopy(rollout)
    pods = body["spec"]["template"]["spec"]
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for each in pods.get(kind, []):
            if container in ("*", each["name"]):
                each["image"] = image
    return Request(method="PUT", media_type=PLAIN, body=body)


def undo(rollout: Json, replica_sets: Mapping[str, Json], *, revision: int = 0) -> list[Request]:
    """`undo R [--to-revision N]`; nothing is sent when the template is as it was."""
    uid = rollout["metadata"].get("uid")
    owned = [
        each
        for each in replica_sets.values()
        if any(owner.get("controller") and owner["uid"] == uid for owner in each["metadata"].get("ownerReferences", []))
    ]
    by_revision = {int(each["metadata"]["annotations"][REVISION]): each for each in owned}
    former = by_revision[revision or sorted(by_revision)[-2]]
    template = copy.deepcopy(former["spec"]["template"])
    template["metadata"]["labels"].pop(HASH, None)
    if template == rollout["spec"]["template"]:
        return []
    return [Request(body=[{"op": "replace", "path": "/spec/template", "value": template}], media_type=JSON_PATCH)]


def terminate(name: str, *, plural: str = "analysisruns") -> Request:
    """`terminate analysisrun X`, `terminate experiment X`."""
    return Request(body={"spec": {"terminate": True}}, plural=plural, name=name)


def retry_experiment(name: str) -> Request:
    """`retry experiment E`: its status goes away, on the object itself."""
    return Request(body={"status": None}, plural="experiments", name=name)


COMMANDS: Mapping[str, Callable[[Json], list[Request]]] = {
    "abort": abort,
    "retry": retry,
    "pause": pause,
    "promote": promote,
    "promote --full": promote_full,
}
"""The verbs that need nothing but the Rollout."""


def _onward(rollout: Json) -> Json | None:
    """The status that ends what is waited for; the first that fits."""
    seen = rollout.get("status") or {}
    is_held, index = bool(seen.get("pauseConditions")), _index(rollout)
    onward = min(index + 1, len(_steps(rollout)))
    run = (seen.get("canary") or {}).get("currentStepAnalysisRunStatus") or {}
    if run.get("status") == "Inconclusive" and is_held and seen.get("controllerPause"):
        return {"pauseConditions": None, "controllerPause": False, "currentStepIndex": onward}
    if is_held:
        return {"pauseConditions": None}
    return {"pauseConditions": None, "currentStepIndex": onward} if _steps(rollout) else None


def _unpaused(rollout: Json) -> list[Request]:
    return [main({"spec": {"paused": False}})] if rollout["spec"].get("paused") else []


def _steps(rollout: Json) -> list[Any]:
    found: list[Any] = (rollout["spec"]["strategy"].get("canary") or {}).get("steps") or []
    return found


def _index(rollout: Json) -> int:
    return int((rollout.get("status") or {}).get("currentStepIndex") or 0)
