"""A Rollout played forward in memory, by the controller's own core: what `rollouts plan` shows.

Every decision is `decide`'s, taken on a stand-in for a cluster; a person ends a pause at once. What is kept of each
turn is how things stood after it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rollouts.api import conditions as c
from rollouts.api.rollout import BlueGreenStrategy
from rollouts.api.status import RolloutStatus
from rollouts.core import conditions, cutover
from rollouts.core.cutover import Stage
from rollouts.core.decide import decide
from rollouts.core.observed import Seen
from rollouts.core.plan import Plan
from rollouts.core.roads import Routers
from rollouts.core.turn import turn
from rollouts.ctl import seeing
from rollouts.ctl.amounts import exact, retold
from rollouts.ctl.family import Json
from rollouts.ctl.rehearsed_cluster import Cast, Cluster

TURNS_MAX = 5000  # a plan that is not at its end by then is not going to be


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How things stood after a turn; counts are available pods, `at` seconds since the new version was wanted."""

    at: int
    status: RolloutStatus
    words: str
    """What the Rollout says it waits for."""
    new: int
    old: int
    total: int
    """Pods asked for, of all versions and of experiments."""
    workload: int = 0
    """Pods of the workload whose pod template is used."""
    stage: Stage | None = None
    """How far a blue-green update is; None: there is none."""
    is_person_needed: bool = False


class Rehearsal:
    """One play. `available_after` is in seconds: until a pod is ready, and minReadySeconds."""

    def __init__(self, cast: Cast, routers: Routers, *, available_after: int) -> None:
        self._routers = routers
        self._cluster = Cluster(cast, available_after=available_after)
        self._began = self._cluster.now
        self._requeue_at: datetime | None = None

    def want(self, spec: Json) -> None:
        """Somebody applies a new spec of the Rollout now."""
        self._cluster.apply(self._cluster.rollout, spec)
        self._began = self._cluster.now

    def want_template(self, template: Json) -> None:
        """Somebody applies a new pod template now, to the workload that has it."""
        workload = self._cluster.workload
        assert workload is not None
        self._cluster.apply_template(workload, template)
        self._began = self._cluster.now

    def moments(self) -> Iterator[Moment]:
        """Play until nothing moves any more, through every pause that a person has to end."""
        for _ in range(TURNS_MAX):
            before = self._cluster.version
            self._cluster.fill()
            seen, plan = self._turn()
            yield self._moment(seen, plan)
            if self._cluster.version != before:
                continue
            due = self._next()
            if due is not None:
                self._cluster.now = due
            elif plan.status.pause_conditions:
                yield self._moment(seen, plan, is_person_needed=True)
                self._cluster.resume()
            else:
                return

    def _turn(self) -> tuple[Seen, Plan[RolloutStatus]]:
        seen, roads = seeing.seen(self._cluster.family(), self._routers)
        seen = dataclasses.replace(seen, step_answers=self._cluster.step_answers)
        plan = decide(seen, now=self._cluster.now)
        for action in plan.actions:
            self._cluster.carry_out(action, roads)
        self._cluster.report(self._cluster.rollout, plan.status.to_json())
        self._requeue_at = plan.requeue_at
        return seen, plan

    def _next(self) -> datetime | None:
        """The next moment at which something happens by itself."""
        asked = self._requeue_at
        ahead = () if asked is None or asked <= self._cluster.now else (asked,)
        return min((*ahead, *self._cluster.next_moments()), default=None)

    def _moment(self, seen: Seen, plan: Plan[RolloutStatus], *, is_person_needed: bool = False) -> Moment:
        ready = conditions.get(plan.status.conditions, c.READY)
        current = f"-{plan.status.current_pod_hash}"
        sets = self._cluster.replica_sets
        available = {name: int(each["status"]["availableReplicas"]) for name, each in sets.items() if "status" in each}
        new = sum(count for name, count in available.items() if name.endswith(current))
        words = ready.message if ready is not None else plan.status.message
        return Moment(
            at=int((self._cluster.now - self._began).total_seconds()),
            status=plan.status,
            words=retold(words, lambda moment: f"{exact((moment - self._began).total_seconds())} after the start"),
            new=new,
            old=sum(available.values()) - new,
            total=self._cluster.wanted_pods(),
            workload=self._cluster.workload_pods(),
            stage=self._stage(seen, plan.status),
            is_person_needed=is_person_needed,
        )

    def _stage(self, seen: Seen, status: RolloutStatus) -> Stage | None:
        strategy = seen.rollout.spec.strategy
        if not isinstance(strategy, BlueGreenStrategy) or status.stable_rs in ("", status.current_pod_hash):
            return None
        return cutover.stage(turn(seen, strategy=strategy, now=self._cluster.now), status)
