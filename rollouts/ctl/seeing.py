"""From live objects to what the core sees, so that a command can ask the core the controller's own questions.

The same reading as the controller's snapshot, of one Rollout, without caches. A kind that could not be read is
Unreadable (or Unknown, or Hidden), never absent. What the core answers is for the commands to show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollouts.api import parse
from rollouts.api.analysis import AnalysisRun, AnalysisTemplate, TemplateRef
from rollouts.api.experiment import Experiment
from rollouts.api.rollout import Rollout
from rollouts.api.status import RolloutStatus
from rollouts.core import naming, resolved, roles, served, sight
from rollouts.core.decide import decide
from rollouts.core.observed import Pod, ReplicaSet, Seen, Service, Unreadable
from rollouts.core.plan import Plan
from rollouts.core.roads import Roads, Routers, roads
from rollouts.core.sight import Hidden
from rollouts.ctl.family import BEGINNING, TEMPLATES, Family, Json, created_at, is_owned, name_of, uid_of
from rollouts.kube.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    EXPERIMENTS,
    PODS,
    REPLICA_SETS,
    ROUTED,
    SERVICES,
    Kind,
)
from rollouts.lib import selectors
from rollouts.ports import Manifest, ObjectRef, Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A plan, and what it was decided on. `seen` None: too little could be read to decide anything."""

    plan: Plan[RolloutStatus]
    seen: Seen | None
    roads: Roads


def decided(family: Family, routers: Routers, *, now: datetime) -> Decided:
    """What the controller would decide about the family as it is, verbs by annotation aside."""
    hidden = hides(family)
    if hidden is not None:
        rollout = parse.parse_rollout(family.rollout).value
        return Decided(plan=sight.wait(rollout, hidden, now=now), seen=None, roads=Roads())
    known, ways = seen(family, routers)
    return Decided(plan=decide(known, now=now), seen=known, roads=ways)


def hides(family: Family) -> Hidden | None:
    """What could not be read and without which nothing can be decided; None: nothing was."""
    why = family.unread.get(REPLICA_SETS.plural)
    if why is not None:
        return Hidden(reason=sight.VERSIONS_UNREADABLE, why=why)
    workload = family.workload
    return Hidden(reason=sight.WORKLOAD_UNREADABLE, why=workload.why) if isinstance(workload, Unreadable) else None


def seen(family: Family, routers: Routers) -> tuple[Seen, Roads]:
    """The family as a decision would see it, and its routers as they were seen; what hides something aside.

    Verbs by annotation are left out: whether one was answered is not played again.
    """
    workload = None if isinstance(family.workload, Unreadable) else family.workload
    rollout, problems = resolved.checked(parse.parse_rollout(_without_verbs(family.rollout)), workload)
    sets = [replica_set(each, family.rollout, rollout) for each in family.all(REPLICA_SETS)]
    ways = roads(rollout, routers, lambda ref: _object(family, rollout, ref))
    reference = rollout.spec.workload_ref
    known = Seen(
        rollout=rollout,
        problems=problems,
        replica_sets=tuple(each for each in sets if _is_mine(each)),
        names_taken={each.name: each for each in sets if not _is_mine(each)},
        analysis_runs=_runs(family),
        run_names_taken=_names_taken(family, ANALYSIS_RUNS),
        experiments=_experiments(family),
        experiment_names_taken=_names_taken(family, EXPERIMENTS),
        step_plugins=dict.fromkeys(served.plugins_named(rollout.spec), ""),  # which there are, its controller knows
        templates=_templates(family, rollout.meta.namespace),
        services=_services(family, rollout),
        routes={road.name: road.seen for road in ways.served},
        routers_unserved=ways.unserved,
        route_problems=ways.problems,
        workload=resolved.seen_workload(workload, reference.kind) if workload and reference else None,
        pods=_pods(family),
    )
    return known, ways


def replica_set(stored: Json, owner: Json, rollout: Rollout) -> ReplicaSet:
    """A ReplicaSet as a decision about its possible owner needs it."""
    meta, spec, status = stored["metadata"], stored.get("spec") or {}, stored.get("status") or {}
    labels = meta.get("labels") or {}
    conditions = status.get("conditions") or ()
    return ReplicaSet(
        name=name_of(stored),
        uid=uid_of(stored),
        resource_version=str(meta.get("resourceVersion", "")),
        created_at=created_at(stored) or BEGINNING,
        is_deleting=bool(meta.get("deletionTimestamp")),
        is_owned=is_owned(stored, owner),
        is_selected=bool(rollout.spec.selector) and selectors.matches(rollout.spec.selector or {}, labels),
        owners=tuple(meta.get("ownerReferences") or ()),
        labels=labels,
        annotations=meta.get("annotations") or {},
        template=spec.get("template") or {},
        generation=int(meta.get("generation") or 0),
        observed_generation=int(status.get("observedGeneration") or 0),
        min_ready_seconds=int(spec.get("minReadySeconds") or 0),
        wanted=int(spec.get("replicas", 1)),
        current=int(status.get("replicas") or 0),
        ready=int(status.get("readyReplicas") or 0),
        available=int(status.get("availableReplicas") or 0),
        failure=next((each for each in conditions if _is_true(each, "ReplicaFailure")), None),
    )


def _is_mine(replica_set: ReplicaSet) -> bool:
    """Whether it is the Rollout's, or nobody's and may be adopted."""
    is_orphan = not any(owner.get("controller") for owner in replica_set.owners)
    return replica_set.is_owned or (is_orphan and replica_set.is_selected)


def templates_of(stored: Iterable[Json]) -> dict[TemplateRef, AnalysisTemplate | Unreadable]:
    """Analysis templates by the reference that means them."""
    parsed = [parse.parse_analysis_template(each).value for each in stored]
    return {TemplateRef(template_name=each.meta.name, cluster_scope=each.is_cluster_scoped): each for each in parsed}


def _without_verbs(rollout: Json) -> Json:
    annotations = rollout["metadata"].get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if not key.startswith(naming.VERB_PREFIX)}
    return {**rollout, "metadata": {**rollout["metadata"], "annotations": kept}}


def _services(family: Family, rollout: Rollout) -> Mapping[str, Service | Unreadable]:
    """The Services that the strategy names, as far as they exist."""
    names = roles.named(rollout.spec.strategy) if rollout.spec.strategy is not None else ()
    why = family.unread.get(SERVICES.plural)
    if why is not None:
        return dict.fromkeys(names, Unreadable(why=why))
    return {name_of(each): _service(each) for each in family.all(SERVICES) if name_of(each) in names}


def _service(stored: Json) -> Service:
    meta = stored["metadata"]
    return Service(
        name=name_of(stored),
        resource_version=str(meta.get("resourceVersion", "")),
        selector=(stored.get("spec") or {}).get("selector") or {},
        annotations=meta.get("annotations") or {},
    )


def _object(family: Family, rollout: Rollout, ref: ObjectRef) -> Manifest | Unknown | None:
    """What a router looks at; None: it does not exist."""
    kind = _routed(ref)
    if kind is None or ref.namespace != rollout.meta.namespace:
        return Unknown(why=f"{ref.api_version} {ref.kind} in namespace {ref.namespace!r} is not looked at")
    why = family.unread.get(kind.plural)
    if why is not None:
        return Unknown(why=why)
    return next((each for each in family.all(kind) if name_of(each) == ref.name), None)


def _routed(ref: ObjectRef) -> Kind | None:
    return next((kind for kind in ROUTED if (kind.api_version, kind.name) == (ref.api_version, ref.kind)), None)


def _runs(family: Family) -> tuple[AnalysisRun, ...] | Unreadable:
    why = family.unread.get(ANALYSIS_RUNS.plural)
    if why is not None:
        return Unreadable(why=why)
    return tuple(parse.parse_analysis_run(each).value for each in family.of(ANALYSIS_RUNS, family.rollout))


def _names_taken(family: Family, kind: Kind) -> frozenset[str]:
    """Names that objects of others have."""
    return frozenset(name_of(each) for each in family.all(kind) if not is_owned(each, family.rollout))


def _experiments(family: Family) -> tuple[Experiment, ...] | Unreadable:
    why = family.unread.get(EXPERIMENTS.plural)
    if why is not None:
        return Unreadable(why=why)
    return tuple(parse.parse_experiment(each).value for each in family.of(EXPERIMENTS, family.rollout))


def _templates(family: Family, namespace: str) -> Mapping[TemplateRef, AnalysisTemplate | Unreadable]:
    """The templates there are; those a Rollout names of a kind that could not be read are Unreadable."""
    known = templates_of(each for kind in TEMPLATES for each in family.all(kind))
    for ref in _named((family.rollout.get("spec") or {}).get("strategy")):
        kind = TEMPLATES[1] if ref.cluster_scope else ANALYSIS_TEMPLATES
        why = family.unread.get(kind.plural)
        if why is not None:
            known[ref] = Unreadable(why=why)
    return known


def _named(value: Any) -> Iterable[TemplateRef]:
    if isinstance(value, Mapping):
        name = value.get("templateName")
        if isinstance(name, str) and name:
            yield TemplateRef(template_name=name, cluster_scope=value.get("clusterScope") is True)
        for member in value.values():
            yield from _named(member)
    elif isinstance(value, list):
        for member in value:
            yield from _named(member)


def _pods(family: Family) -> tuple[Pod, ...] | Unreadable:
    why = family.unread.get(PODS.plural)
    if why is not None:
        return Unreadable(why=why)
    owned = family.of(REPLICA_SETS, family.rollout)
    return tuple(_pod(pod, owner) for owner in owned for pod in family.of(PODS, owner))


def _pod(stored: Json, owner: Json) -> Pod:
    conditions = (stored.get("status") or {}).get("conditions") or ()
    return Pod(
        name=name_of(stored),
        uid=uid_of(stored),
        created_at=created_at(stored) or BEGINNING,
        is_deleting=bool(stored["metadata"].get("deletionTimestamp")),
        is_available=any(_is_true(each, "Ready") for each in conditions),
        replica_set_uid=uid_of(owner),
    )


def _is_true(condition: Json, kind: str) -> bool:
    return condition.get("type") == kind and condition.get("status") == "True"
