"""The figures of one fleet, and how they are shown: as a table for people, as JSON for programs. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MEBIBYTE = 1 << 20

Requests = Counter[tuple[str, str]]
"""Requests to the API server by verb and resource."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Half of the values are at most `p50` seconds, 99 of 100 at most `p99`; `of` values were seen."""

    p50: float
    p99: float
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What one phase of a fleet's life cost the controller."""

    seconds: float
    """From the first change to the last Rollout at rest."""
    requests: Requests
    cpu_seconds: float
    to_first_write: Spread
    """From a change being sent until its ReplicaSet was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All figures of a run with `rollouts` Rollouts. Memory in bytes, times in seconds."""

    rollouts: int
    deploy: Phase
    update: Phase
    pause_lateness: Spread
    """From the moment a timed pause was due to end until the next step was seen."""
    rest_seconds: float
    rest_requests: Requests
    rest_cpu_seconds: float
    memory_at_start: int
    memory_deployed: int
    memory_at_end: int


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return Spread(p50=ordered[round(0.5 * last)], p99=ordered[round(0.99 * last)], of=len(ordered))


def as_json(fleets: Sequence[Fleet], *, settings: Mapping[str, object]) -> str:
    """Everything, for programs."""
    return json.dumps({"settings": settings, "fleets": [_plain(fleet) for fleet in fleets]}, indent=1)


def _plain(value: object) -> object:
    if isinstance(value, Counter):
        return {f"{verb} {resource}": count for (verb, resource), count in sorted(value.items())}
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def as_table(fleets: Sequence[Fleet]) -> str:
    """A Markdown table: one column for each fleet, and what the last is of the first where there are several."""
    heads = ["", *(f"{fleet.rollouts:,} Rollouts" for fleet in fleets)]
    rows = [heads + (["ratio"] if len(fleets) > 1 else [])]
    for label, places, values in _rows(fleets):
        ratio = [f"{values[-1] / values[0]:.2f}" if values[0] else "-"] if len(fleets) > 1 else []
        rows.append([label, *(f"{value:,.{places}f}" for value in values), *ratio])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _rows(fleets: Sequence[Fleet]) -> list[tuple[str, int, list[float]]]:
    """Label, decimal places, and the value of each fleet."""
    rows: list[tuple[str, int, list[float]]] = []
    for name in ("deploy", "update"):
        phases: list[tuple[Fleet, Phase]] = [(fleet, getattr(fleet, name)) for fleet in fleets]
        for call in sorted({call for _, phase in phases for call in phase.requests}):
            each = [phase.requests[call] / fleet.rollouts for fleet, phase in phases]
            rows.append((f"{name}: {' '.join(call)} / Rollout", 2, each))
        total = [phase.requests.total() / fleet.rollouts for fleet, phase in phases]
        rows.append((f"{name}: all requests / Rollout", 2, total))
        rows.append((f"{name}: change to first write, p50 (s)", 3, [phase.to_first_write.p50 for _, phase in phases]))
        rows.append((f"{name}: change to first write, p99 (s)", 3, [phase.to_first_write.p99 for _, phase in phases]))
        rows.append((f"{name}: CPU / Rollout (s)", 4, [phase.cpu_seconds / fleet.rollouts for fleet, phase in phases]))
        rows.append((f"{name}: all at rest after (s)", 1, [phase.seconds for _, phase in phases]))
    rows.append(("timed pause too long by, p50 (s)", 3, [fleet.pause_lateness.p50 for fleet in fleets]))
    rows.append(("timed pause too long by, p99 (s)", 3, [fleet.pause_lateness.p99 for fleet in fleets]))
    rows.append(("at rest: requests / minute", 1, [_a_minute(fleet.rest_requests.total(), fleet) for fleet in fleets]))
    rows.append(("at rest: CPU (s / minute)", 2, [_a_minute(fleet.rest_cpu_seconds, fleet) for fleet in fleets]))
    rows.append(("memory at start (MiB)", 1, [fleet.memory_at_start / MEBIBYTE for fleet in fleets]))
    rows.append(("memory, all deployed (MiB)", 1, [fleet.memory_deployed / MEBIBYTE for fleet in fleets]))
    rows.append(("memory, all updated (MiB)", 1, [fleet.memory_at_end / MEBIBYTE for fleet in fleets]))
    each = [(fleet.memory_at_end - fleet.memory_at_start) / fleet.rollouts / 1024 for fleet in fleets]
    rows.append(("memory / Rollout (KiB)", 1, each))
    return rows


def _a_minute(amount: float, fleet: Fleet) -> float:
    return 60.0 * amount / fleet.rest_seconds
