"""How many pods each version gets while a canary without traffic routing moves.

Without a router the share of traffic is the share of pods, so a weight becomes two counts. `split` answers what the
counts should be in the end; `next_counts` answers how far they may move *now* without having fewer than `desired -
unavailable` pods available or asking for more than `desired + surge`; `drain` takes pods from revisions that are no
longer wanted, and `trim` those that a lower `desired` leaves no room for. All of it is whole-number arithmetic on
observed counts: no clock, no status, no steps.

An available count is never believed beyond the size that was asked for: after a scale-down the old count lingers in the
ReplicaSet's status for a moment, and counting those pods twice would take too many away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rollouts.lib.intstr import IntOrPercent


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the user allows: `desired` pods, at most `surge` more, at most `unavailable` fewer available."""

    desired: int
    surge: int
    unavailable: int

    @property
    def total_max(self) -> int:
        """The most pods that may be asked for at once."""
        return self.desired + self.surge

    @property
    def available_min(self) -> int:
        """The fewest pods that must stay available."""
        return self.desired - self.unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One ReplicaSet: `wanted` is spec.replicas, `available` is status.availableReplicas."""

    wanted: int
    available: int

    @property
    def steady(self) -> int:
        """Pods that are available and will stay."""
        return min(self.wanted, self.available)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """spec.replicas for the canary and for stable."""

    canary: int
    stable: int


def bounds(*, desired: int, max_surge: IntOrPercent, max_unavailable: IntOrPercent) -> Bounds:
    """Resolve percentages of `desired`: surge rounds up, unavailable rounds down, and both cannot be 0 at once."""
    surge = max_surge.of(desired, round_up=True)
    unavailable = max_unavailable.of(desired, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(desired=desired, surge=surge, unavailable=min(unavailable, desired))


def split(bounds: Bounds, *, weight: int, weight_max: int) -> Counts:
    """The counts whose ratio comes nearest to weight / weight_max, using one pod of surge where that comes nearer.

    A weight strictly between 0 and the maximum never rounds to no canary or no stable pod, unless there is only one pod
    and no surge to hold a second.
    """
    desired = bounds.desired
    if desired == 0:
        return Counts(canary=0, stable=0)
    may_be_empty = weight in (0, weight_max) or (desired == 1 and bounds.surge == 0)
    low, high = desired * weight // weight_max, -(-desired * weight // weight_max)
    options: list[tuple[int, int]] = []
    if high < desired or may_be_empty:
        options.append((high, desired))
    if _rounds_down(desired, low, weight, weight_max, may_be_empty=may_be_empty):
        options.append((low, desired))
    if bounds.surge > 0:
        options.append((high, desired + 1))
        if _rounds_down(desired + 1, low, weight, weight_max, may_be_empty=may_be_empty):
            options.append((low, desired + 1))
    canary, total = min(
        options,
        key=lambda option: abs(Fraction(option[0] * weight_max, option[1]) - weight),
        default=(low, desired),  # rounding up would leave stable no pod
    )
    return Counts(canary=canary, stable=total - canary)


def next_counts(bounds: Bounds, *, target: Counts, canary: Size | None, stable: Size | None, old_wanted: int) -> Counts:
    """How far canary and stable may move towards `target` now.

    `old_wanted` is the sum of spec.replicas over all other revisions: while they still hold pods, canary and stable
    only grow, into whatever room is left. A missing ReplicaSet is None and stays at 0. Without a stable ReplicaSet the
    canary is all there is, whatever the target says.
    """
    if stable is None:
        target = Counts(canary=bounds.desired, stable=0)
    grown = _grow(bounds, target=target, canary=canary, stable=stable, old_wanted=old_wanted)
    if old_wanted > 0:
        return grown
    is_rising = canary is None or target.canary >= canary.wanted
    if not is_rising and canary is not None:
        leaving, staying = _exchange(
            bounds,
            leaving=_Side(canary, target.canary, grown.canary),
            staying=_Side(stable, target.stable, grown.stable),
        )
        return Counts(canary=leaving, stable=staying)
    if stable is not None:
        leaving, staying = _exchange(
            bounds,
            leaving=_Side(stable, target.stable, grown.stable),
            staying=_Side(canary, target.canary, grown.canary),
        )
        return Counts(canary=staying, stable=leaving)
    return grown


def drain(bounds: Bounds, *, old: Sequence[Size], others_available: int) -> tuple[int, ...]:
    """New sizes for revisions nobody wants, in the order given.

    Pods that are not available go at once, for they carry nothing. Available ones go only as far as all versions
    together stay above the minimum; `others_available` counts the available pods of canary and stable.
    """
    spare = others_available + sum(size.steady for size in old) - bounds.available_min
    sizes = []
    for size in old:
        leaving = max(0, min(size.steady, spare))
        spare -= leaving
        sizes.append(size.steady - leaving)
    return tuple(sizes)


def trim(
    bounds: Bounds, counts: Counts, *, target: Counts, canary: Size | None, stable: Size | None, old_wanted: int
) -> Counts:
    """`counts` less the pods for which `desired` became too low and that are not available: they carry nothing.

    `next_counts` leaves them until others are available, which with broken pods is never. The canary's go first, also
    below its target: after a crash between two writes that lower both versions there is no room for them.
    """
    surplus = max(0, old_wanted + counts.canary + counts.stable - bounds.total_max)
    less_canary = min(surplus, _idle(counts.canary, 0, canary))
    less_stable = min(surplus - less_canary, _idle(counts.stable, target.stable, stable))
    return Counts(canary=counts.canary - less_canary, stable=counts.stable - less_stable)


def _idle(count: int, target: int, size: Size | None) -> int:
    return max(0, count - max(target, size.steady if size else 0))


def _rounds_down(total: int, low: int, weight: int, weight_max: int, *, may_be_empty: bool) -> bool:
    is_half = (2 * total * weight) % (2 * weight_max) == weight_max
    return not is_half and (low != 0 or may_be_empty)


def _grow(bounds: Bounds, *, target: Counts, canary: Size | None, stable: Size | None, old_wanted: int) -> Counts:
    """Stable first: the version that is proven gets the room before the one that is not."""
    canary_now, stable_now = canary.wanted if canary else 0, stable.wanted if stable else 0
    room = max(0, bounds.total_max - (old_wanted + canary_now + stable_now))
    more_stable = min(room, max(0, target.stable - stable_now)) if stable else 0
    more_canary = min(room - more_stable, max(0, target.canary - canary_now)) if canary else 0
    return Counts(canary=canary_now + more_canary, stable=stable_now + more_stable)


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two versions in an exchange: what it is, what it should become, what it may already grow to."""

    size: Size | None
    target: int
    grown: int

    @property
    def available(self) -> int:
        return self.size.available if self.size else 0


def _exchange(bounds: Bounds, *, leaving: _Side, staying: _Side) -> tuple[int, int]:
    """New sizes (leaving, staying) when one version gives up pods for the other.

    The leaving version counts with all it was asked for: the ReplicaSet controller removes its unready pods first, so
    taking those costs no availability.
    """
    size = leaving.size
    counted = (size.wanted if size else 0) + (staying.size.steady if staying.size else 0)
    spare = counted - bounds.available_min
    if size is None or spare <= 0:
        return leaving.grown, staying.grown
    left = max(leaving.target, size.wanted - spare) if size.wanted > leaving.target else leaving.grown
    kept = staying.grown
    if staying.size is not None:
        kept -= max(0, left + kept - bounds.total_max)
        still_available = min(leaving.available, left) + min(staying.available, kept)
        kept += min(max(0, staying.available - kept), max(0, bounds.available_min - still_available))
    left -= max(0, left + kept - bounds.total_max)
    return left, kept
