"""The arithmetic of counts against dumb twins that follow the published rules word by word."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from rollouts.core.replicas import Bounds, Counts, Size, bounds, drain, next_counts, split, trim
from rollouts.lib.intstr import IntOrPercent

DESIRED = st.integers(0, 50)
MAXIMA = st.sampled_from([100, 1000, 10**8])


@st.composite
def limits(draw: st.DrawFn) -> Bounds:
    """Any bounds a valid spec can lead to."""
    desired = draw(DESIRED)
    shares = st.one_of(st.integers(0, 10), st.integers(0, 100).map(lambda share: f"{share}%"))
    return bounds(desired=desired, max_surge=IntOrPercent(draw(shares)), max_unavailable=IntOrPercent(draw(shares)))


@st.composite
def sizes(draw: st.DrawFn) -> Size | None:
    """A ReplicaSet in any state, its status late or not; None: it does not exist."""
    if draw(st.integers(0, 9)) == 0:
        return None
    wanted = draw(st.integers(0, 60))
    return Size(wanted=wanted, available=draw(st.integers(0, wanted + 2)))


def test_a_weight_that_comes_down_on_half_the_last_pod_keeps_both_sides() -> None:
    """Without surge 75 % of two pods is neither none nor all of them."""
    limit = Bounds(desired=2, surge=0, unavailable=1)
    assert split(limit, weight=75, weight_max=100) == Counts(canary=1, stable=1)


@given(limits(), MAXIMA, st.data())
def test_split_is_the_nearest_share(limit: Bounds, weight_max: int, data: st.DataObject) -> None:
    """No count that the rules allow comes nearer to the weight, and neither side is emptied by rounding."""
    weight = data.draw(st.integers(0, weight_max))
    counts = split(limit, weight=weight, weight_max=weight_max)
    total = counts.canary + counts.stable
    assert total in (limit.desired, limit.desired + min(1, limit.surge))
    if limit.desired == 0:
        assert counts == Counts(canary=0, stable=0)
    elif 0 < weight < weight_max and (limit.desired > 1 or limit.surge > 0):
        assert counts.canary > 0 and counts.stable > 0
        assert abs(counts.canary * weight_max - weight * total) <= weight_max * limit.desired
    elif weight in (0, weight_max):
        assert counts == Counts(canary=limit.desired if weight else 0, stable=0 if weight else limit.desired)


@given(limits(), sizes(), sizes(), st.integers(0, 5), st.integers(0, 100))
@example(Bounds(desired=10, surge=1, unavailable=1), Size(wanted=0, available=0), Size(wanted=10, available=10), 0, 10)
def test_next_counts_follow_the_published_rules(
    limit: Bounds, canary: Size | None, stable: Size | None, old: int, weight: int
) -> None:
    """For every state the counts are those of the contract's pseudo-code."""
    target = split(limit, weight=weight, weight_max=100)
    counts = next_counts(limit, target=target, canary=canary, stable=stable, old_wanted=old)
    assert (counts.canary, counts.stable) == twin(limit, target, canary, stable, old)


def test_a_write_that_was_lost_between_two_leaves_no_pods_too_many() -> None:
    """Law 13: stable was lowered from 9 to 5 of 6 pods, the canary's three unready ones are still to be."""
    limit, target = Bounds(desired=6, surge=0, unavailable=1), Counts(canary=6, stable=0)
    canary, stable = Size(wanted=3, available=0), Size(wanted=5, available=5)
    counts = next_counts(limit, target=target, canary=canary, stable=stable, old_wanted=0)
    trimmed = trim(limit, counts, target=target, canary=canary, stable=stable, old_wanted=0)
    assert trimmed == Counts(canary=1, stable=5)


@given(limits(), sizes(), sizes(), st.integers(0, 100))
def test_next_counts_keep_the_bounds(limit: Bounds, canary: Size | None, stable: Size | None, weight: int) -> None:
    """Law 5: what is taken away leaves the minimum available, what is added stays below the maximum."""
    target = split(limit, weight=weight, weight_max=100)
    counts = next_counts(limit, target=target, canary=canary, stable=stable, old_wanted=0)
    before = [size or Size(wanted=0, available=0) for size in (canary, stable)]
    after = [min(size.steady, count) for size, count in zip(before, (counts.canary, counts.stable), strict=True)]
    available = sum(size.steady for size in before)
    assert sum(after) >= min(available, limit.available_min)
    assert counts.canary + counts.stable <= max(limit.total_max, sum(size.wanted for size in before))


@given(limits(), st.lists(sizes(), max_size=4), st.integers(0, 60))
def test_drain_keeps_the_minimum(limit: Bounds, old: list[Size | None], others: int) -> None:
    """Old versions give up unready pods at once and ready ones only above the minimum; in the end they are gone."""
    present = [size for size in old if size is not None]
    left = drain(limit, old=present, others_available=others)
    assert others + sum(left) >= min(others + sum(size.steady for size in present), limit.available_min)
    assert all(size <= before.steady for size, before in zip(left, present, strict=True))
    if others >= limit.available_min:
        assert not any(left)


def twin(limit: Bounds, target: Counts, canary: Size | None, stable: Size | None, old: int) -> tuple[int, int]:
    """The contract's pseudo-code, line by line."""
    want_new, want_stable = (target.canary, target.stable) if stable else (limit.desired, 0)
    n, s = (canary.wanted if canary else 0), (stable.wanted if stable else 0)
    room = limit.desired + limit.surge - (old + n + s)
    if stable and s < want_stable and room > 0:
        grow = min(room, want_stable - s)
        s, room = s + grow, room - grow
    if canary and canary.wanted < want_new and room > 0:
        n = canary.wanted + min(room, want_new - canary.wanted)
    if old > 0:
        return n, s
    rising = canary is None or want_new >= canary.wanted
    down = _counted(canary, whole=not rising) + _counted(stable, whole=rising) - (limit.desired - limit.unavailable)
    if down <= 0:
        return n, s
    if not rising:
        drained, kept = _exchanged(limit, canary, stable, want_new, (n, s), down)
        return drained, kept
    if stable is None:
        return n, s
    drained, kept = _exchanged(limit, stable, canary, want_stable, (s, n), down)
    return kept, drained


def _counted(size: Size | None, *, whole: bool) -> int:
    if size is None:
        return 0
    return size.wanted if whole else min(size.wanted, size.available)


def _exchanged(
    limit: Bounds, drain_: Size | None, other: Size | None, want: int, so_far: tuple[int, int], down: int
) -> tuple[int, int]:
    assert drain_ is not None
    d = max(want, drain_.wanted - down) if drain_.wanted > want else so_far[0]
    a = so_far[1]
    over, total = max(0, d + a - (limit.desired + limit.surge)), min(drain_.available, d)
    if other is not None:
        a -= over
        total += min(other.available, a)
        lost, need = max(0, other.available - a), max(0, limit.desired - limit.unavailable - total)
        a += min(lost, need)
        d -= max(0, d + a - (limit.desired + limit.surge))
    return d, a
