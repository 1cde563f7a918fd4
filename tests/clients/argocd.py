"""The resource actions of Argo CD: which it offers for a Rollout as it is, and what it sends for one.

An action changes a copy of the object that Argo CD read. The difference goes out as a merge patch: to the status
subresource if any of the status differs, then to the object with the rest. Without the subresource (404) all of it goes
to the object. Written down from the contract's table of actions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rollouts.lib import timestamps
from tests.builders import NOON, Json
from tests.clients.wire import Request, main, status


@dataclass(frozen=True, slots=True)
class Action:
    """When it is offered, and what it makes of the object."""

    is_offered: Callable[[Json], bool]
    run: Callable[[Json, datetime], None]


def offered(rollout: Json) -> set[str]:
    """The actions that can be clicked; the status must be there, or its script fails."""
    assert "status" in rollout, "the list of actions is an error"
    return {name for name, action in ACTIONS.items() if action.is_offered(rollout)}


def clicked(name: str, rollout: Json, *, now: datetime = NOON) -> list[Request]:
    """The requests of an action on the object as Argo CD read it."""
    changed = copy.deepcopy(rollout)
    ACTIONS[name].run(changed, now)
    change = _difference(rollout, changed)
    rest = {key: value for key, value in change.items() if key != "status"}
    return ([status(change["status"])] if "status" in change else []) + ([main(rest)] if rest else [])


def _difference(before: Json, after: Json) -> Json:
    """The merge patch from one object to another."""
    change: Json = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            if inner := _difference(old, value):
                change[key] = inner
        elif value != old:
            change[key] = value
    return change


def _is_promoted(rollout: Json) -> bool:
    """Also before the first reconcile, when both are missing."""
    return bool(_status(rollout).get("stableRS") == _status(rollout).get("currentPodHash"))


def _status(rollout: Json) -> Json:
    found: Json = rollout["status"]
    return found


def _steps(rollout: Json) -> int:
    return len((rollout["spec"]["strategy"].get("canary") or {}).get("steps") or [])


def _is_skippable(rollout: Json) -> bool:
    steps = _steps(rollout)
    return bool(steps) and int(_status(rollout)["currentStepIndex"]) < steps


def _restart(rollout: Json, now: datetime) -> None:
    rollout["spec"]["restartAt"] = timestamps.render(now)


def _resume(rollout: Json, now: datetime) -> None:
    _status(rollout).pop("pauseConditions", None)
    if rollout["spec"].get("paused"):
        rollout["spec"]["paused"] = False


def _abort(rollout: Json, now: datetime) -> None:
    _status(rollout)["abort"] = True


def _retry(rollout: Json, now: datetime) -> None:
    _status(rollout).pop("abort", None)


def _pause(rollout: Json, now: datetime) -> None:
    rollout["spec"]["paused"] = True


def _promote_full(rollout: Json, now: datetime) -> None:
    _status(rollout)["promoteFull"] = True


def _skip(rollout: Json, now: datetime) -> None:
    seen = _status(rollout)
    if seen["currentStepIndex"] < _steps(rollout):
        seen["currentStepIndex"] += 1
    seen.pop("pauseConditions", None)


ACTIONS: Mapping[str, Action] = {
    "restart": Action(lambda rollout: True, _restart),
    "resume": Action(
        lambda rollout: bool(_status(rollout).get("pauseConditions") or rollout["spec"].get("paused")), _resume
    ),
    "abort": Action(lambda rollout: not _is_promoted(rollout) and not _status(rollout).get("abort"), _abort),
    "retry": Action(lambda rollout: not _is_promoted(rollout) and bool(_status(rollout).get("abort")), _retry),
    "pause": Action(
        lambda rollout: not (_is_promoted(rollout) or _status(rollout).get("abort") or rollout["spec"].get("paused")),
        _pause,
    ),
    "promote-full": Action(lambda rollout: not _is_promoted(rollout), _promote_full),
    "skip-current-step": Action(_is_skippable, _skip),
}
