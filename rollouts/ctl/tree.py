"""A Rollout and what belongs to it as a tree of plain values: who owns whom, and one line about each.

What each item shows and where it is read from is what the public plugin shows and reads; ownership goes by uid. Pure:
a family and a moment in, nodes out. How it looks on a terminal is drawing.py's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from rollouts.api import parse
from rollouts.api.analysis import AnalysisRun, Phase
from rollouts.api.rollout import CanaryStrategy, Rollout
from rollouts.core import naming
from rollouts.ctl import measurements, pods, summary
from rollouts.ctl.amounts import age, brief
from rollouts.ctl.family import (
    Family,
    Json,
    annotation,
    created_at,
    hash_of,
    name_of,
    revision_of,
)
from rollouts.kube.kinds import ANALYSIS_RUNS, EXPERIMENTS, PODS, REPLICA_SETS
from rollouts.lib import timestamps

EXPERIMENT_TEMPLATE = "experiment.argoproj.io/template-name"


class Mark(Enum):
    """How something is, at a glance."""

    GOOD = "good"
    BUSY = "busy"
    HELD = "held"
    BAD = "bad"
    UNCLEAR = "unclear"
    IDLE = "idle"


MARKS = {
    "Healthy": Mark.GOOD,
    "Successful": Mark.GOOD,
    "Progressing": Mark.BUSY,
    "Running": Mark.BUSY,
    "Pending": Mark.BUSY,
    "Paused": Mark.HELD,
    "Inconclusive": Mark.UNCLEAR,
    "ScaledDown": Mark.IDLE,
    "Degraded": Mark.BAD,
    "Failed": Mark.BAD,
    "Error": Mark.BAD,
    "ReplicaFailure": Mark.BAD,
}
COUNTER_MARKS = {
    Phase.SUCCESSFUL: Mark.GOOD,
    Phase.FAILED: Mark.BAD,
    Phase.INCONCLUSIVE: Mark.UNCLEAR,
    Phase.ERROR: Mark.BAD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One line: what it is called, what it is, how it is, since when, and what else there is to say."""

    name: str
    kind: str = ""
    status: str = ""
    mark: Mark | None = None
    age: str = ""
    info: tuple[str, ...] = ()
    counters: tuple[tuple[Phase, int], ...] = ()
    children: tuple[Node, ...] = ()


def tree(family: Family, now: datetime) -> Node:
    """The whole family, newest revision first."""
    rollout = parse.parse_rollout(family.rollout).value
    said = summary.said(rollout)
    members = [
        *family.of(REPLICA_SETS, family.rollout),
        *family.of(EXPERIMENTS, family.rollout),
        *family.of(ANALYSIS_RUNS, family.rollout),
    ]
    revisions = sorted({revision_of(each) for each in members}, reverse=True)
    return Node(
        name=rollout.meta.name,
        kind="Rollout",
        status=said.phase,
        mark=MARKS.get(said.phase),
        age=age(rollout.meta.creation_timestamp, now),
        children=tuple(_revision(family, rollout, number, now) for number in revisions),
    )


def roles(rollout: Rollout, pod_hash: str) -> tuple[str, ...]:
    """What a version is for: stable or canary, active or preview, and which Service of a pair it has."""
    status = rollout.status
    if not pod_hash:
        return ()
    if isinstance(rollout.spec.strategy, CanaryStrategy):
        return _canary_roles(rollout, pod_hash)
    preview, active = status.blue_green.preview_selector, status.blue_green.active_selector
    is_named = {"stable": status.stable_rs, "active": active, "preview": "" if preview == active else preview}
    return tuple(role for role, named in is_named.items() if named == pod_hash)


def template_tag(replica_set: Json) -> tuple[str, ...]:
    """The template of an experiment that a ReplicaSet runs."""
    template = annotation(replica_set, EXPERIMENT_TEMPLATE)
    return (f"Σ:{template}",) if template else ()


def replica_set_status(replica_set: Json) -> str:
    """How a ReplicaSet is, in a word."""
    spec, status = replica_set.get("spec") or {}, replica_set.get("status") or {}
    conditions = status.get("conditions") or ()
    if any(each.get("type") == "ReplicaFailure" and each.get("status") == "True" for each in conditions):
        return "ReplicaFailure"
    is_behind = int(status.get("observedGeneration") or 0) < int(replica_set["metadata"].get("generation") or 0)
    wanted = int(spec.get("replicas", 1))
    if wanted == 0 and not is_behind:
        return "ScaledDown"
    return "Progressing" if is_behind or int(status.get("availableReplicas") or 0) < wanted else "Healthy"


def _canary_roles(rollout: Rollout, pod_hash: str) -> tuple[str, ...]:
    status, strategy = rollout.status, rollout.spec.strategy
    role = {status.current_pod_hash: "canary"} | {status.stable_rs: "stable"}
    if pod_hash not in role:
        return ()
    if not isinstance(strategy, CanaryStrategy) or strategy.ping_pong is None:
        return (role[pod_hash],)
    stable = status.canary.stable_ping_pong or "pong"
    other = "ping" if stable == "pong" else "pong"
    return role[pod_hash], stable if role[pod_hash] == "stable" else other


def _revision(family: Family, rollout: Rollout, number: int, now: datetime) -> Node:
    def mine(kind_of: tuple[Json, ...]) -> list[Json]:
        return [each for each in kind_of if revision_of(each) == number]

    current = _current_runs(rollout)
    sets = [_replica_set(family, each, now, rollout) for each in mine(family.of(REPLICA_SETS, family.rollout))]
    experiments = [_experiment(family, each, now) for each in mine(family.of(EXPERIMENTS, family.rollout))]
    runs = [
        _run(each, now, is_current=name_of(each) in current) for each in mine(family.of(ANALYSIS_RUNS, family.rollout))
    ]
    return Node(name=f"revision {number}", children=(*sets, *experiments, *runs))


def _current_runs(rollout: Rollout) -> frozenset[str]:
    canary, blue_green = rollout.status.canary, rollout.status.blue_green
    refs = (
        canary.current_step_analysis_run_status,
        canary.current_background_analysis_run_status,
        blue_green.pre_promotion_analysis_run_status,
        blue_green.post_promotion_analysis_run_status,
    )
    return frozenset(ref.name for ref in refs if ref is not None)


def _replica_set(family: Family, replica_set: Json, now: datetime, rollout: Rollout | None) -> Node:
    status = replica_set_status(replica_set)
    tags = roles(rollout, hash_of(replica_set)) if rollout is not None else ()
    return Node(
        name=name_of(replica_set),
        kind="ReplicaSet",
        status=status,
        mark=MARKS[status],
        age=age(created_at(replica_set), now),
        info=(*tags, *template_tag(replica_set), *_delay(replica_set, now)),
        children=tuple(_pod(pod, now) for pod in family.of(PODS, replica_set)),
    )


def _delay(replica_set: Json, now: datetime) -> tuple[str, ...]:
    """How long it is kept yet before it is scaled down."""
    deadline = timestamps.parse(annotation(replica_set, naming.SCALE_DOWN_DEADLINE))
    if deadline is None or not int((replica_set.get("spec") or {}).get("replicas", 1)):
        return ()
    return ("delay:passed",) if deadline <= now else (f"delay:{brief((deadline - now).total_seconds())}",)


def _pod(pod: Json, now: datetime) -> Node:
    found = pods.seen(pod)
    mark = Mark.GOOD if found.is_ready else Mark.BAD if found.is_in_trouble else Mark.BUSY
    restarts = (f"restarts:{found.restarts}",) if found.restarts else ()
    return Node(
        name=name_of(pod),
        kind="Pod",
        status=found.reason,
        mark=mark,
        age=age(created_at(pod), now),
        info=(f"ready:{found.ready}/{found.containers}", *restarts),
    )


def _experiment(family: Family, experiment: Json, now: datetime) -> Node:
    status = str((experiment.get("status") or {}).get("phase") or "Pending")
    sets = (_replica_set(family, each, now, None) for each in family.of(REPLICA_SETS, experiment))
    runs = (_run(each, now, is_current=status == "Running") for each in family.of(ANALYSIS_RUNS, experiment))
    return Node(
        name=name_of(experiment),
        kind="Experiment",
        status=status,
        mark=MARKS.get(status),
        age=age(created_at(experiment), now),
        children=(*sets, *runs),
    )


def _run(stored: Json, now: datetime, *, is_current: bool) -> Node:
    run = parse.parse_analysis_run(stored).value
    status = str(run.status.phase or Phase.PENDING)
    return Node(
        name=run.meta.name,
        kind="AnalysisRun",
        status=status,
        mark=MARKS.get(status),
        age=age(run.meta.creation_timestamp, now),
        counters=measurements.counters(run),
        children=(*_metrics(run, now, is_current=is_current), *_jobs(run, now)),
    )


def _metrics(run: AnalysisRun, now: datetime, *, is_current: bool) -> Sequence[Node]:
    if not is_current:
        return ()
    return [
        Node(
            name=metric.name,
            kind="Metric",
            status=str(metric.result.phase),
            mark=MARKS.get(str(metric.result.phase)),
            info=tuple(filter(None, (measurements.sparkline(metric.result.measurements), metric.latest))),
            age=f"{metric.result.count}/{metric.gauge.count}" if metric.gauge and metric.gauge.count else "",
        )
        for metric in measurements.seen(run)
    ]


def _jobs(run: AnalysisRun, now: datetime) -> Sequence[Node]:
    """Jobs are known by what the measurements say of them."""
    return [
        Node(
            name=each.metadata["job-name"],
            kind="Job",
            status=str(each.phase),
            mark=MARKS.get(str(each.phase)),
            age=age(each.started_at, now),
        )
        for result in run.status.metric_results
        for each in result.measurements
        if "job-name" in each.metadata
    ]
