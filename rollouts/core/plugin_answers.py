"""What a step plugin handed back, made fit for a status: strangers' code may return anything, of any size.

A value that is no answer, or whose notes cannot be stored, is an error of that call: nothing is known by it. What an
answer means for the update does not belong here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from rollouts.lib import nesting
from rollouts.ports import StepAnswer, StepPhase

MESSAGE_MAX = 1024  # characters; a status is read by people and kept in etcd
NOTES_MAX = 8 * 1024  # bytes of JSON; the status of a Rollout with many plugin steps stays far below etcd's limit
AGAIN_SECONDS = 30
AGAIN_SECONDS_MIN, AGAIN_SECONDS_MAX = 10, 3600  # often enough to be noticed, seldom enough not to be a load


class Unfit(ValueError):
    """Not an answer; the text says why, in words for the plugin's author."""


def fit(value: Any) -> StepAnswer:
    """The answer as it may be stored. Raises Unfit."""
    if not isinstance(value, StepAnswer):
        raise Unfit(f"it returned {type(value).__name__}, not a StepAnswer")
    if value.phase not in tuple(StepPhase):
        raise Unfit(f"its phase is {sentence(repr(value.phase))}, not one of {', '.join(StepPhase)}")
    return StepAnswer(
        phase=StepPhase(value.phase),
        message=sentence(str(value.message)),
        status=_notes(value.status),
        again_seconds=_again(value.again_seconds),
    )


def sentence(text: str) -> str:
    """The text as one line, or its beginning: terminals act on what cannot be printed, and encoders stumble over it."""
    kept = text if len(text) <= MESSAGE_MAX else f"{text[: MESSAGE_MAX - 1]}…"
    return "".join(char if char.isprintable() else " " for char in kept)


def _notes(value: Any) -> Mapping[str, Any] | None:
    """Notes as the API server holds them, so that what is handed back is what was handed in."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise Unfit(f"its status is {type(value).__name__}, not a mapping")
    try:
        text = json.dumps(dict(value), allow_nan=False).encode()
        stored = nesting.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unfit(f"its status is not JSON: {sentence(str(error))}") from None
    if len(text) > NOTES_MAX:
        raise Unfit(f"its status is {len(text)} bytes of JSON, more than {NOTES_MAX}")
    notes: Mapping[str, Any] = _storable(stored)
    return notes


def _storable(value: Any) -> Any:
    """Without nulls, which a merge patch drops. Raises Unfit for a number that no API server reads."""
    if isinstance(value, dict):
        return {key: _storable(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_storable(item) for item in value if item is not None]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise Unfit("its status has an integer beyond 64 bits")
    return value


def _again(seconds: Any) -> float:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds == seconds
    return math.ceil(min(max(seconds, AGAIN_SECONDS_MIN), AGAIN_SECONDS_MAX)) if is_number else AGAIN_SECONDS
