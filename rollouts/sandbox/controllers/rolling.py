"""The arithmetic of a Deployment's rolling update. Pure: sizes in, sizes out.

`Sizes` are wanted replica counts by ReplicaSet name. When a new ReplicaSet is made and which one it is belongs to
`deployment.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Sizes = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a rolling update may leave the desired count, in pods."""

    surge: int
    unavailable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One ReplicaSet of a Deployment: what it was told to have, and what it has."""

    name: str
    wanted: int
    available: int
    created: str
    allowed_max: int | None = None
    """desired + surge at the time it was last sized, from its max-replicas annotation."""


def absolute(value: int | str, *, of: int, round_up: bool) -> int:
    """An int-or-percent of a count. Raises ValueError for text that is neither."""
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError(f"{value!r} is neither a number nor a percentage")
    share = int(value[:-1]) * of
    return math.ceil(share / 100) if round_up else share // 100


def bounds(strategy: Mapping[str, int | str], *, desired: int) -> Bounds:
    """Surge rounds up, unavailable rounds down; when both come to nothing one pod may be unavailable."""
    surge = absolute(strategy.get("maxSurge", "25%"), of=desired, round_up=True)
    unavailable = absolute(strategy.get("maxUnavailable", "25%"), of=desired, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(surge=surge, unavailable=min(unavailable, desired))


def grown(new: Member, old: Sequence[Member], *, desired: int, limits: Bounds) -> int:
    """The next size of the new ReplicaSet: up while all stay within desired + surge; down if it is too large."""
    if new.wanted >= desired:
        return desired
    room = desired + limits.surge - new.wanted - sum(member.wanted for member in old)
    return min(desired, new.wanted + max(room, 0))


def shrunk(new: Member, old: Sequence[Member], *, desired: int, limits: Bounds) -> Sizes:
    """The next sizes of old ReplicaSets that change: first what was never available, then what can be spared."""
    total = new.wanted + sum(member.wanted for member in old)
    needed = desired - limits.unavailable
    spare = total - needed - (new.wanted - new.available)
    if spare <= 0:
        return {}
    sizes = {member.name: member.wanted for member in old}
    _drop_unhealthy(sizes, old, spare)
    available = new.available + sum(member.available for member in old)
    _drop_spare(sizes, old, available - needed)
    return {member.name: sizes[member.name] for member in old if sizes[member.name] != member.wanted}


def _drop_unhealthy(sizes: dict[str, int], old: Sequence[Member], spare: int) -> None:
    for member in sorted(old, key=lambda member: member.created):
        drop = min(spare, max(member.wanted - member.available, 0))
        sizes[member.name] -= drop
        spare -= drop


def _drop_spare(sizes: dict[str, int], old: Sequence[Member], spare: int) -> None:
    for member in sorted(old, key=lambda member: member.created):
        drop = min(max(spare, 0), sizes[member.name])
        sizes[member.name] -= drop
        spare -= drop


def spread(members: Sequence[Member], *, desired: int, limits: Bounds) -> Sizes:
    """Sizes after the desired count changed in the middle of an update: the change is shared out in proportion.

    Larger ReplicaSets come first and take the rounding's rest, so that the same input always gives the same sizes.
    """
    active = [member for member in members if member.wanted > 0]
    total = sum(member.wanted for member in active)
    if not active:
        return {}
    allowed = desired + limits.surge if desired else 0
    rest = allowed - total
    ordered = sorted(active, key=lambda member: (-member.wanted, member.created))
    sizes: dict[str, int] = {}
    for member in ordered:
        share = _share(member, total=total, allowed=allowed, rest=rest)
        sizes[member.name] = member.wanted + share
        rest -= share
    sizes[ordered[0].name] = max(sizes[ordered[0].name] + rest, 0)
    return {name: size for name, size in sizes.items()}


def _share(member: Member, *, total: int, allowed: int, rest: int) -> int:
    before = member.allowed_max or total
    share = round(member.wanted * allowed / before) - member.wanted
    return min(share, rest) if rest > 0 else max(share, rest, -member.wanted)
