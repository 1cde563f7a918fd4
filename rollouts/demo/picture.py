"""One moment of the demo as values: what the live view shows, made from what was seen and counted. Pure.

Nothing is computed from what was asked for: shares are counted answers, pods are observed, the explanation is the
Rollout's own. How it looks is the screen's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from rollouts.demo.manifests import STEPS, Manifest
from rollouts.demo.sight import Pods, Run, Sight
from rollouts.demo.traffic import Share, Tally

SHARE_SECONDS = 3.0  # the shares shown are those of so many last seconds


class Mark(Enum):
    """How far a step is."""

    DONE = "done"
    NOW = "now"
    TO_COME = "to come"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One station on the way of a version."""

    label: str
    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One version: its share of the last requests, and its pods."""

    version: str
    role: str
    share: Share | None
    pods: Pods | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One moment."""

    chapter: str
    seconds: float
    version: str
    """The one that is being released."""
    steps: tuple[Step, ...]
    """None for a first version: nothing is stable yet that it could take over from in steps."""
    rows: tuple[Row, ...]
    run: Run | None
    explanation: str
    requests: int
    failures: int


def paint(sight: Sight, tally: Tally, *, chapter: str, version: str, seconds: float, now: float) -> Picture:
    """This moment: `seconds` since the start, `now` by the clock of the answers."""
    shares = tally.shares(now=now, seconds=SHARE_SECONDS)
    run = sight.run_of(version)
    return Picture(
        chapter=chapter,
        seconds=seconds,
        version=version,
        steps=way(sight, run) if len(sight.pods()) > 1 else (),
        rows=_rows(sight, shares, seen=set(tally.requests)),
        run=run,
        explanation=sight.explanation,
        requests=tally.requests.total() + len(tally.failures),
        failures=len(tally.failures),
    )


def way(sight: Sight, run: Run | None) -> tuple[Step, ...]:
    """The steps of the Rollout and its end, each marked with how far the version in release is."""
    is_over = sight.phase == "Healthy"
    done = len(STEPS) + 1 if is_over else sight.step
    steps = tuple(Step(label(step), _mark(index, done)) for index, step in enumerate((*STEPS, {"setWeight": 100})))
    if run is None or not sight.status.get("abort"):
        return steps
    failed = next(index for index, step in enumerate(STEPS) if "analysis" in step)
    marks = [Mark.DONE if index < failed else Mark.TO_COME for index in range(len(steps))]
    marks[failed] = Mark.FAILED
    return tuple(Step(step.label, mark) for step, mark in zip(steps, marks, strict=True))


def label(step: Manifest) -> str:
    """A step in a word."""
    return f"{step['setWeight']} %" if "setWeight" in step else next(iter(step))


def _mark(index: int, done: int) -> Mark:
    if index == done:
        return Mark.NOW
    return Mark.DONE if index < done else Mark.TO_COME


def _rows(sight: Sight, shares: Mapping[str, Share], *, seen: set[str]) -> tuple[Row, ...]:
    pods = {found.version: found for found in sight.pods()}
    versions = sorted(seen | set(pods))
    return tuple(
        Row(version=version, role=_role(sight, pods.get(version)), share=shares.get(version), pods=pods.get(version))
        for version in versions
    )


def _role(sight: Sight, pods: Pods | None) -> str:
    status = sight.rollout.get("status") or {}
    if pods is None or not pods.hash:
        return ""
    if pods.hash == status.get("stableRS"):
        return "stable"
    if pods.hash != status.get("currentPodHash"):
        return ""
    return "aborted" if status.get("abort") else "canary"
