"""From live objects to what the core sees, so that a command can ask the core the controller's own questions.

The same reading as the controller's snapshot, of one Rollout, without caches. A kind that could not be read is
Unreadable, never absent. What the core answers is for the commands to show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rollouts.api import parse, validate
from rollouts.api.analysis import AnalysisRun, AnalysisTemplate, TemplateRef
from rollouts.core import naming
from rollouts.core.observed import Pod, ReplicaSet, Seen, Unreadable
from rollouts.ctl.family import BEGINNING, TEMPLATES, Family, Json, created_at, is_owned, name_of, uid_of
from rollouts.kube.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, PODS, REPLICA_SETS
from rollouts.lib import selectors


def seen(family: Family) -> Seen:
    """The family as a decision would see it, less verbs by annotation: whether one was answered is not played again."""
    parsed = parse.parse_rollout(_without_verbs(family.rollout))
    sets = [replica_set(each, family.rollout) for each in family.all(REPLICA_SETS)]
    return Seen(
        rollout=parsed.value,
        problems=validate.validate(parsed),
        replica_sets=tuple(each for each in sets if each.is_owned),
        names_taken={each.name: each for each in sets if not each.is_owned},
        analysis_runs=_runs(family),
        templates=_templates(family, parsed.value.meta.namespace),
        pods=_pods(family),
    )


def replica_set(stored: Json, rollout: Json) -> ReplicaSet:
    """A ReplicaSet as a decision needs it."""
    meta, spec, status = stored["metadata"], stored.get("spec") or {}, stored.get("status") or {}
    labels = meta.get("labels") or {}
    conditions = status.get("conditions") or ()
    return ReplicaSet(
        name=name_of(stored),
        uid=uid_of(stored),
        resource_version=str(meta.get("resourceVersion", "")),
        created_at=created_at(stored) or BEGINNING,
        is_deleting=bool(meta.get("deletionTimestamp")),
        is_owned=is_owned(stored, rollout),
        is_selected=selectors.matches((rollout.get("spec") or {}).get("selector") or {}, labels),
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


def templates_of(stored: Iterable[Json]) -> dict[TemplateRef, AnalysisTemplate | Unreadable]:
    """Analysis templates by the reference that means them."""
    parsed = [parse.parse_analysis_template(each).value for each in stored]
    return {TemplateRef(template_name=each.meta.name, cluster_scope=each.is_cluster_scoped): each for each in parsed}


def _without_verbs(rollout: Json) -> Json:
    annotations = rollout["metadata"].get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if not key.startswith(naming.VERB_PREFIX)}
    return {**rollout, "metadata": {**rollout["metadata"], "annotations": kept}}


def _runs(family: Family) -> tuple[AnalysisRun, ...] | Unreadable:
    why = family.unread.get(ANALYSIS_RUNS.plural)
    if why is not None:
        return Unreadable(why=why)
    return tuple(parse.parse_analysis_run(each).value for each in family.of(ANALYSIS_RUNS, family.rollout))


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
