"""Keeping a new version off the nodes of the stable one, while there are two.

The term goes into the new version's template when its ReplicaSet is made, and follows if another version becomes stable
before it does, or if the strategy says otherwise by then. It concerns pods that are yet to be placed, so none is
touched. A version that is stable keeps the term it was made with: by then it names pods that are gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollouts.api.status import RolloutStatus
from rollouts.core import injected, naming
from rollouts.core.actions import PatchReplicaSet
from rollouts.core.injected import PREFERRED, REQUIRED, Json
from rollouts.core.plan import Change
from rollouts.core.turn import Turn

TOPOLOGY = "kubernetes.io/hostname"


def with_term(turn: Turn, status: RolloutStatus, spec: Json) -> dict[str, Any]:
    """The pod spec of the new version with the term that it is to have; the author's own terms stay."""
    return injected.with_term(spec, _term(turn, status))


def keep(turn: Turn, status: RolloutStatus) -> Change[RolloutStatus]:
    """Bring the new version's term up to date. That ends the turn, as every write of its template does."""
    new = turn.new
    if new is None or new.is_deleting or status.stable_rs in ("", turn.pod_hash):
        return Change(status=status)
    spec = new.template.get("spec")
    before = spec if isinstance(spec, Mapping) else {}
    term = _term(turn, status)
    if [_said(each) for each in injected.injected_terms(before)] == ([_said(term[1])] if term else []):
        return Change(status=status)
    wanted = injected.with_term(before, term).get("affinity", {}).get("podAntiAffinity", {})
    rules = {kind: wanted.get(kind) for kind in (REQUIRED, PREFERRED)}
    patch = {"spec": {"template": {"spec": {"affinity": {"podAntiAffinity": rules}}}}}
    action = PatchReplicaSet(name=new.name, patch=patch, seen_version=new.resource_version)
    return Change(status=status, actions=(action,), is_final=True)


def _term(turn: Turn, status: RolloutStatus) -> tuple[str, Json] | None:
    """The list of podAntiAffinity that the term belongs to, and its entry there."""
    rule = turn.strategy.anti_affinity
    if rule is None or status.stable_rs in ("", turn.pod_hash):
        return None
    other = {"key": naming.POD_HASH_LABEL, "operator": "In", "values": [status.stable_rs]}
    term = {
        "labelSelector": {"matchExpressions": [other]},
        "namespaces": [turn.rollout.meta.namespace],
        "topologyKey": TOPOLOGY,
    }
    preferred = rule.preferred_during_scheduling_ignored_during_execution
    if preferred is not None:
        return PREFERRED, {"weight": preferred.weight, "podAffinityTerm": term}
    return REQUIRED, term


def _said(entry: Json) -> tuple[Any, ...]:
    """What a term of ours says, whatever a server has filled in."""
    term = entry.get("podAffinityTerm") or entry
    selector = term.get("labelSelector") or {}
    values = [each.get("values") for each in selector.get("matchExpressions") or ()]
    return entry.get("weight"), term.get("topologyKey"), values
