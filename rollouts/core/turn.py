"""One turn of a rollout: the snapshot with its ReplicaSets told apart.

`new` runs the template the spec asks for, `stable` the last one promoted; everything else is an old version. Which one
is stable can change within a turn, when a phase promotes, so it is asked with the status in hand. Finding the three is
all that happens here; what becomes of them is for the phases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollouts.api import template
from rollouts.api.rollout import DEFAULT_REPLICAS, BlueGreenStrategy, CanaryStrategy, Rollout, Step
from rollouts.api.status import RolloutStatus
from rollouts.api.traffic import DEFAULT_MAX_WEIGHT, used_routers
from rollouts.core import injected, naming
from rollouts.core.observed import ReplicaSet, Seen
from rollouts.lib import hashing

REVISION_DIGITS_MAX = 18  # what an int64 holds; anyone can write the annotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What every phase may look at. `pod_hash` names the current template, whether or not its ReplicaSet exists yet."""

    seen: Seen
    now: datetime
    strategy: CanaryStrategy | BlueGreenStrategy
    pod_hash: str
    step_hash: str
    new: ReplicaSet | None

    @property
    def rollout(self) -> Rollout:
        """The Rollout as it was read."""
        return self.seen.rollout

    @property
    def canary(self) -> CanaryStrategy:
        """The strategy, for the phases of a canary."""
        assert isinstance(self.strategy, CanaryStrategy)
        return self.strategy

    @property
    def blue_green(self) -> BlueGreenStrategy:
        """The strategy, for the phases of a blue-green rollout."""
        assert isinstance(self.strategy, BlueGreenStrategy)
        return self.strategy

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of a canary; none means a rolling update. Blue-green has no steps."""
        return self.strategy.steps if isinstance(self.strategy, CanaryStrategy) else ()

    @property
    def desired(self) -> int:
        """Pods the user wants."""
        return DEFAULT_REPLICAS if self.rollout.spec.replicas is None else self.rollout.spec.replicas

    @property
    def weight_max(self) -> int:
        """The weight that means all traffic."""
        routing = self.strategy.traffic_routing if isinstance(self.strategy, CanaryStrategy) else None
        return routing.max_weight if routing else DEFAULT_MAX_WEIGHT

    @property
    def is_routed(self) -> bool:
        """Whether routers split traffic, so that weights and pods are two things."""
        return isinstance(self.strategy, CanaryStrategy) and bool(used_routers(self.strategy.traffic_routing))

    @property
    def revision(self) -> int:
        """The number of the current revision: its ReplicaSet's, or the next one free."""
        return revision_of(self.new) if self.new and revision_of(self.new) else next_revision(self)

    def is_beginning(self, status: RolloutStatus) -> bool:
        """Whether this status is about another template or other steps than the spec."""
        return (status.current_pod_hash, status.current_step_hash) != (self.pod_hash, self.step_hash)

    def stable(self, status: RolloutStatus) -> ReplicaSet | None:
        """The ReplicaSet of the version promoted last, if there is one and it still exists."""
        return self.version(status.stable_rs)

    def version(self, pod_hash: str) -> ReplicaSet | None:
        """The ReplicaSet of a version by its hash; None: there is none."""
        return next((rs for rs in self.owned if pod_hash and pod_hash_of(rs) == pod_hash), None)

    def others(self, status: RolloutStatus) -> tuple[ReplicaSet, ...]:
        """ReplicaSets that are neither new nor stable, oldest first."""
        stable = self.stable(status)
        kept = {rs.uid for rs in (self.new, stable) if rs is not None}
        return tuple(rs for rs in self.owned if rs.uid not in kept)

    @property
    def owned(self) -> tuple[ReplicaSet, ...]:
        """The ReplicaSets this Rollout controls, oldest first."""
        return tuple(rs for rs in self.seen.replica_sets if rs.is_owned)


def turn(seen: Seen, *, strategy: CanaryStrategy | BlueGreenStrategy, now: datetime) -> Turn:
    """Tell the ReplicaSets apart. The spec must be valid."""
    computed = hashing.pod_template_hash(pod_template(seen.rollout), seen.rollout.status.collision_count)
    new = _find_new(seen, computed)
    pod_hash = pod_hash_of(new) if new else computed
    return Turn(seen=seen, now=now, strategy=strategy, pod_hash=pod_hash, step_hash=_step_hash(seen.rollout), new=new)


def last_turn(seen: Seen, *, strategy: CanaryStrategy | BlueGreenStrategy, now: datetime) -> Turn:
    """A turn about the version acted on last, whatever template the spec asks for by now."""
    pod_hash = seen.rollout.status.current_pod_hash
    new = next((rs for rs in _candidates(seen) if pod_hash and pod_hash_of(rs) == pod_hash), None)
    return Turn(seen=seen, now=now, strategy=strategy, pod_hash=pod_hash, step_hash=_step_hash(seen.rollout), new=new)


def pod_template(rollout: Rollout) -> Mapping[str, Any]:
    """The pod template the spec asks for, as stored."""
    return rollout.spec.template or {}


def pod_hash_of(replica_set: ReplicaSet) -> str:
    """The hash that a ReplicaSet and its pods are labelled with."""
    return replica_set.labels.get(naming.POD_HASH_LABEL, "")


def revision_of(replica_set: ReplicaSet) -> int:
    """The number a ReplicaSet carries; 0 when it carries none."""
    return _number(replica_set.annotations.get(naming.REVISION, ""))


def first_revision_of(replica_set: ReplicaSet) -> int:
    """The lowest number a ReplicaSet ever carried; 0 when it carries none."""
    former = map(_number, replica_set.annotations.get(naming.REVISION_HISTORY, "").split(","))
    return min((number for number in (*former, revision_of(replica_set)) if number), default=0)


def next_revision(turn: Turn) -> int:
    """One more than any other ReplicaSet's number."""
    return 1 + max((revision_of(rs) for rs in turn.owned if rs is not turn.new), default=0)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= REVISION_DIGITS_MAX else 0


def _candidates(seen: Seen) -> list[ReplicaSet]:
    return [rs for rs in seen.replica_sets if rs.is_owned and not rs.is_deleting]


def _find_new(seen: Seen, computed: str) -> ReplicaSet | None:
    """By label first; else by equal template, oldest first, so that a change of the hash rolls nothing out."""
    candidates = _candidates(seen)
    labelled = (rs for rs in candidates if pod_hash_of(rs) == computed)
    wanted = pod_template(seen.rollout)
    authored = ((rs, injected.authored(rs.template, rs.annotations)) for rs in candidates if pod_hash_of(rs))
    equal = (rs for rs, pods in authored if template.is_same(pods, wanted))
    return next(labelled, None) or next(equal, None)


def _step_hash(rollout: Rollout) -> str:
    """Blue-green has none."""
    if isinstance(rollout.spec.strategy, BlueGreenStrategy):
        return ""
    spec = rollout.raw.get("spec")
    strategy = spec.get("strategy") if isinstance(spec, Mapping) else None
    canary = strategy.get("canary") if isinstance(strategy, Mapping) else None
    return hashing.step_hash(canary.get("steps") if isinstance(canary, Mapping) else None)
