"""What a pod asks of the node, read from its annotations and its spec. Pure; problems name the annotation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rollouts.sandbox.kinds import Json

DOMAIN = "sandbox.rollouts.io/"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")
_SLEEP = re.compile(r"\s*(?:exec\s+)?sleep\s+(\d+(?:\.\d+)?)s?\s*;?\s*")


class ScriptProblem(ValueError):
    """An annotation that cannot be followed; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The course that a pod's annotations choose; times in seconds."""

    program: str = ""
    ready_after: float | None = 0.0
    """None: never ready."""
    run_for: float | None = None
    """None: until it is stopped."""
    exit_code: int = 0
    stop_takes: float = 0.0
    has_image: bool = True


def annotation(pod: Json, name: str) -> str:
    """One of our annotations; empty when the pod does not carry it."""
    return str((pod["metadata"].get("annotations") or {}).get(DOMAIN + name, ""))


def script_of(pod: Json) -> Script:
    """Read the annotations. Raises ScriptProblem."""
    ends_by_itself = pod["spec"].get("restartPolicy", "Always") != "Always"
    return Script(
        program=annotation(pod, "program"),
        ready_after=_duration(pod, "ready-after", default=0.0, never="never"),
        run_for=_duration(pod, "run-for", default=0.0 if ends_by_itself else None, never="ever"),
        exit_code=_exit_code(pod),
        stop_takes=_stop_takes(pod),
        has_image=not _choice(pod, "image", "missing"),
    )


def is_schedulable(pod: Json) -> bool:
    """Whether a node may take the pod. Raises ScriptProblem."""
    return not _choice(pod, "schedule", "never")


def _choice(pod: Json, name: str, value: str) -> bool:
    text = annotation(pod, name)
    if text not in ("", value):
        raise ScriptProblem(f"annotation {DOMAIN}{name}: {text!r} is not {value!r}")
    return text == value


def _duration(pod: Json, name: str, *, default: float | None, never: str) -> float | None:
    text = annotation(pod, name)
    if not text:
        return default
    if text == never:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ScriptProblem(
            f"annotation {DOMAIN}{name}: {text!r} is no duration such as 3, 500ms or 2m, and not {never!r}"
        )
    return float(found[1]) * _UNITS[found[2]]


def _stop_takes(pod: Json) -> float:
    """For ever, for a program that ignores SIGTERM, means that the grace period decides."""
    seconds = _duration(pod, "stop-takes", default=0.0, never="ever")
    return float("inf") if seconds is None else seconds


def _exit_code(pod: Json) -> int:
    text = annotation(pod, "exit-code") or "0"
    if not text.isdigit() or int(text) > 255:
        raise ScriptProblem(f"annotation {DOMAIN}exit-code: {text!r} is no number from 0 to 255")
    return int(text)


def pre_stop_seconds(pod: Json) -> float:
    """How long the first container's preStop hook sleeps; hooks of other kinds take no time here."""
    hook = (pod["spec"]["containers"][0].get("lifecycle") or {}).get("preStop") or {}
    if "sleep" in hook:
        return float(hook["sleep"]["seconds"])
    command = (hook.get("exec") or {}).get("command") or ()
    found = _SLEEP.fullmatch(" ".join(command[2:] if command[1:2] == ["-c"] else command))
    return float(found[1]) if found else 0.0


def grace_seconds(pod: Json) -> float:
    """The time that the pod has to stop, as its deletion fixed it."""
    seconds = pod["metadata"].get("deletionGracePeriodSeconds")
    if seconds is None:
        seconds = pod["spec"].get("terminationGracePeriodSeconds", 30)
    return float(seconds)
