"""The order of traffic and pods, stated once.

1. *Traffic moves onto a version only as far as its available pods carry it.*
2. *Pods leave a version only down to what still may reach it, and the last ones only when nothing leads to it.*

`reach` is what may reach each version: what routes and Services were seen to say, and where that is unknown, all there
is. `carried` is what a version's available pods bear. Everything that moves traffic (traffic.py, services.py) or pods
(routed.py, doubled.py) asks these two and nothing else, and only ever about the picture that was seen, never about
what the same plan is going to write. So the writes of one plan may stop after any of them:

- a weight rises, or a Service turns, only towards pods that are available now, and the same plan takes none of them
  away: a version is led to only as far as the step, a promotion or an abort wants it led to, and just that is what its
  size is computed for. Where a step wants no pods of the canary, nothing is led to it;
- a ReplicaSet shrinks only by pods that no weight seen, and no weight about to be written, needs.

A write decided on an older picture is refused by the API server, because it names the version of the object it was
decided on. tests/laws plays all of this with stale caches, lost writes and crashes between any two writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rollouts.api.status import RolloutStatus
from rollouts.core import naming
from rollouts.core.observed import ReplicaSet, Service, Unreadable
from rollouts.core.turn import Turn, pod_hash_of
from rollouts.ports import TrafficSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What may reach each version.

    `weights` by pod hash, of `weight_max`. `everywhere` is the weight whose way could not be seen: it may reach any
    version. `named` are the versions that some Service of the strategy leads to, with or without traffic; with
    `is_hidden` one of these Services could not be read, and may lead to any.
    """

    weights: Mapping[str, int]
    named: frozenset[str]
    everywhere: int
    weight_max: int
    is_hidden: bool = False

    def weight(self, pod_hash: str) -> int:
        """The most that may reach this version."""
        return min(self.weight_max, self.weights.get(pod_hash, 0) + self.everywhere)

    def is_reached(self, pod_hash: str) -> bool:
        """Whether anything may lead to this version."""
        return self.is_hidden or pod_hash in self.named or self.weight(pod_hash) > 0


def reach(turn: Turn, services: Iterable[str], ways: Iterable[Mapping[str, int] | None]) -> Reach:
    """Put together what each router says.

    `services` are those of the strategy. Each of `ways` maps a version's hash to its weight, the empty hash standing
    for what no hash is known of; None is a router that could not tell. Routers are in series or side by side, so the
    greatest of their weights counts.
    """
    weights: dict[str, int] = {}
    everywhere = 0
    for way in ways:
        if way is None:
            everywhere = turn.weight_max
            continue
        everywhere = max(everywhere, way.get("", 0))
        for pod_hash, weight in way.items():
            weights[pod_hash] = max(weights.get(pod_hash, 0), weight)
    all_named = tuple(services)
    named = frozenset(filter(None, (hash_of(turn, name) for name in all_named)))
    is_hidden = any(isinstance(turn.seen.services.get(name), Unreadable) for name in all_named)
    return Reach(weights=weights, named=named, everywhere=everywhere, weight_max=turn.weight_max, is_hidden=is_hidden)


def way(turn: Turn, seen: TrafficSeen, *, canary: str, stable: str) -> Mapping[str, int]:
    """The weights one router gives, by version; `canary` and `stable` are the Services of these roles."""
    weights: dict[str, int] = {}
    split = (
        (seen.canary_hash or hash_of(turn, canary) or "", seen.canary),
        (seen.stable_hash or hash_of(turn, stable) or "", seen.stable),
        *((hash_of(turn, name) or "", weight) for name, weight in seen.others.items()),
    )
    for pod_hash, weight in split:
        weights[pod_hash] = weights.get(pod_hash, 0) + weight
    return weights


def hash_of(turn: Turn, service: str) -> str | None:
    """The version a Service leads to; None: it could not be read, does not exist, or leads to every version."""
    seen = turn.seen.services.get(service)
    return seen.selector.get(naming.POD_HASH_LABEL) or None if isinstance(seen, Service) else None


def carried(turn: Turn, rs: ReplicaSet | None, *, unavailable: int) -> int:
    """The most weight that a version's available pods bear.

    Where `unavailable` pods may lack, all traffic may meet that many fewer, and every pod so much more: no pod is ever
    given a larger share than that, however small the part of the traffic. No pod bears nothing, unless no pods are
    wanted at all.
    """
    if turn.desired == 0:
        return turn.weight_max
    if rs is None or steady(rs) == 0:
        return 0
    return min(turn.weight_max, steady(rs) * turn.weight_max // max(1, turn.desired - unavailable))


def least(turn: Turn, reach: Reach, rs: ReplicaSet) -> int:
    """The fewest pods a version must keep for what may reach it.

    For what is only feared, because its way could not be seen, pods stay, but none are made.
    """
    pod_hash = pod_hash_of(rs)
    seen = _pods(turn, reach.weights.get(pod_hash, 0))
    pods = max(seen, min(rs.wanted, _pods(turn, reach.weight(pod_hash))))
    return max(pods, 1) if rs.wanted and turn.desired and reach.is_reached(pod_hash) else pods


def _pods(turn: Turn, weight: int) -> int:
    """How many pods a weight needs."""
    return -(-weight * turn.desired // turn.weight_max)


def steady(rs: ReplicaSet) -> int:
    """Pods that are available and will stay: after a scale-down the old count lingers for a moment."""
    return min(rs.wanted, rs.available)


def is_stable_hash(turn: Turn, status: RolloutStatus, pod_hash: str | None) -> bool:
    """Whether this is the version that was promoted last."""
    return pod_hash is not None and pod_hash == status.stable_rs
