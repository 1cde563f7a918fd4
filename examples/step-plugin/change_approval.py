"""A canary step that waits until people have approved the change, in a system that speaks four lines of HTTP.

    PUT    <address>/changes/<id>  opens a change request, or finds it: whoever opens it twice has one
    GET    <address>/changes/<id>  says {"state": "waiting" | "approved" | "refused", "by": "...", "why": "..."}
    DELETE <address>/changes/<id>  withdraws it

The id is made from the call's key, so that a crash, a lost answer or a second controller never opens another request
for the same attempt. Where the system is, is the operator's to say (CHANGE_APPROVAL_ADDRESS in the controller's
environment): an address in a Rollout would let everyone who may write one send the controller anywhere.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from rollouts.ports import Operation, StepAnswer, StepCall, StepPhase, Unanswered

ADDRESS = "CHANGE_APPROVAL_ADDRESS"
ANSWER_BYTES_MAX = 64 * 1024
PHASES = {"waiting": StepPhase.RUNNING, "approved": StepPhase.SUCCESSFUL, "refused": StepPhase.FAILED}


class ChangeApproval:
    """The step plugin `change-approval`. Its configuration: `summary` (what people are asked), an optional `every`
    (seconds between two looks)."""

    def __init__(self, address: str | None = None) -> None:
        self._address = (os.environ.get(ADDRESS, "") if address is None else address).rstrip("/")

    def start(self, call: StepCall) -> StepAnswer:
        """Open the change request, or find it."""
        summary = _config(call).get("summary")
        if not isinstance(summary, str) or not summary:
            return StepAnswer(phase=StepPhase.FAILED, message="plugin.config.summary must say what people are asked")
        meta = call.rollout["metadata"]
        change = {"summary": summary, "namespace": meta.get("namespace", ""), "rollout": meta["name"]}
        return self._said(call, self._ask("PUT", call, change))

    def poll(self, call: StepCall) -> StepAnswer:
        """See what people have said by now."""
        return self._said(call, self._ask("GET", call))

    def abort(self, call: StepCall) -> StepAnswer:
        """Withdraw the change request; one that was never opened is withdrawn."""
        self._ask("DELETE", call)
        why = "the update goes on without it" if call.operation is Operation.TERMINATE else "the update was given up"
        return StepAnswer(phase=StepPhase.SUCCESSFUL, message=f"{_id(call)} is withdrawn: {why}")

    def _said(self, call: StepCall, change: Mapping[str, Any]) -> StepAnswer:
        state, every = change.get("state"), _config(call).get("every")
        if not isinstance(state, str) or state not in PHASES:
            raise Unanswered(f"{_id(call)} is in a state that is not known here")
        by, why = (str(change.get(name) or "") for name in ("by", "why"))
        message = f"{_id(call)} is {state}{f' by {by}' if by else ''}{f': {why}' if why else ''}"
        again = float(every) if isinstance(every, int | float) and not isinstance(every, bool) else None
        return StepAnswer(phase=PHASES[state], message=message, status={"change": _id(call)}, again_seconds=again)

    def _ask(self, method: str, call: StepCall, body: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """One exchange within the call's deadline. Raises Unanswered, never with the address in it."""
        if not self._address:
            raise Unanswered(f"nobody has told the controller where changes are approved ({ADDRESS} is not set)")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        try:
            url = f"{self._address}/changes/{_id(call)}"
            request = urllib.request.Request(url, data=data, headers=headers, method=method)
            with urllib.request.urlopen(request, timeout=call.deadline_seconds) as answer:
                text = answer.read(ANSWER_BYTES_MAX)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.NOT_FOUND and method == "DELETE":
                return {}
            raise Unanswered(f"the change system answered {error.code}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unanswered(f"the change system does not answer ({type(error).__name__})") from None
        return {} if method == "DELETE" else _parsed(text)


def _config(call: StepCall) -> Mapping[str, Any]:
    return call.config if isinstance(call.config, Mapping) else {}


def _id(call: StepCall) -> str:
    """The same for every call about one step of one attempt, and for no other."""
    return f"rollout-{hashlib.sha256(call.key.encode()).hexdigest()[:16]}"


def _parsed(text: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, Mapping):
        raise Unanswered("the change system answered with something that is no change request")
    return value
