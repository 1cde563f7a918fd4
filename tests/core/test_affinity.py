"""The new version keeps off the nodes of the stable one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollouts.core import actions, affinity, injected, naming, revisions
from rollouts.core.turn import Turn
from tests.builders import Json, canary
from tests.core.turns import V1, V2, a_replica_set, a_turn

REQUIRED: Json = {"requiredDuringSchedulingIgnoredDuringExecution": {}}
PREFERRED: Json = {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 7}}


def a_term(*versions: str) -> Json:
    """The term that keeps off these."""
    expression = {"key": naming.POD_HASH_LABEL, "operator": "In", "values": list(versions)}
    return {
        "labelSelector": {"matchExpressions": [expression]},
        "namespaces": ["shop"],
        "topologyKey": "kubernetes.io/hostname",
    }


def rules(rule: Json | None, *, stable: str = V1, image: str = "v2") -> tuple[Turn, Any]:
    """What a new version's template says of anti-affinity when it is made."""
    turn = a_turn(a_replica_set("v1", 2), strategy=canary(20, **({"antiAffinity": rule} if rule else {})), image=image)
    turn = dataclasses.replace(turn, new=None)
    change = revisions.ensure_new(turn, dataclasses.replace(turn.rollout.status, stable_rs=stable))
    created = next(action for action in change.actions if isinstance(action, actions.CreateReplicaSet))
    return turn, created.manifest["spec"]["template"]["spec"].get("affinity")


def test_a_new_version_is_made_with_the_term() -> None:
    """Required or preferred, as the strategy says, against the stable version."""
    assert rules(REQUIRED)[1] == {"podAntiAffinity": {injected.REQUIRED: [a_term(V1)]}}
    preferred = {"weight": 7, "podAffinityTerm": a_term(V1)}
    assert rules(PREFERRED)[1] == {"podAntiAffinity": {injected.PREFERRED: [preferred]}}


@pytest.mark.parametrize(("rule", "stable"), [(None, V1), (REQUIRED, ""), (REQUIRED, V2)])
def test_there_is_none_without_another_stable_version(rule: Json | None, stable: str) -> None:
    """Nor without the strategy asking for it."""
    assert rules(rule, stable=stable)[1] is None


def kept(rule: Json | None, spec: Json, *, stable: str = V1) -> Any:
    """What becomes of the new version whose pods are so."""
    new = a_replica_set("v2", 1)
    new = dataclasses.replace(new, template={**new.template, "spec": {**new.template["spec"], **spec}})
    turn = a_turn(
        a_replica_set("v1", 2), new, strategy=canary(20, **({"antiAffinity": rule} if rule else {})), image="v2"
    )
    change = affinity.keep(turn, dataclasses.replace(turn.rollout.status, stable_rs=stable))
    assert change.is_final == bool(change.actions)
    if not change.actions:
        return None
    (action,) = change.actions
    assert isinstance(action, actions.PatchReplicaSet)
    return action.patch["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]


def against(*versions: str, own: Json | None = None) -> Json:
    """A pod spec with the term in it, after a term of the author's."""
    return {"affinity": {"podAntiAffinity": {injected.REQUIRED: [*([own] if own else []), a_term(*versions)]}}}


def test_the_term_follows_the_stable_version() -> None:
    """And what the strategy says by now; the author's own terms stay where they are."""
    own = {"topologyKey": "zone"}
    assert kept(REQUIRED, against("v0", own=own)) == {injected.REQUIRED: [own, a_term(V1)], injected.PREFERRED: None}
    preferred = {"weight": 7, "podAffinityTerm": a_term(V1)}
    assert kept(PREFERRED, against(V1)) == {injected.REQUIRED: None, injected.PREFERRED: [preferred]}
    assert kept(None, against(V1)) == {injected.REQUIRED: None, injected.PREFERRED: None}
    assert kept(REQUIRED, {}) == {injected.REQUIRED: [a_term(V1)], injected.PREFERRED: None}


def test_a_term_that_is_right_is_left_alone() -> None:
    """Whatever the API server has filled into it; and a stable version keeps the one it was made with."""
    spec = against(V1)
    spec["affinity"]["podAntiAffinity"][injected.REQUIRED][0]["mismatchLabelKeys"] = []
    assert kept(REQUIRED, spec) is None
    assert kept(REQUIRED, against("v0"), stable=V2) is None
    assert kept(None, {}) is None
