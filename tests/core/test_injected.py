"""What is put into a template comes off again without a trace."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.api import template
from rollouts.core import injected, naming
from rollouts.core.injected import Metadata
from tests.builders import Json, a_pod_template
from tests.cluster import merge
from tests.core.turns import a_replica_set as a_replica_set_of
from tests.core.turns import a_turn

MAPS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["", "x", "y"]), max_size=4)
CLOTHES = st.builds(Metadata, MAPS, MAPS)
TERM = {
    "labelSelector": {"matchExpressions": [{"key": naming.POD_HASH_LABEL, "operator": "In", "values": ["x"]}]},
    "topologyKey": "kubernetes.io/hostname",
}


def a_replica_set(own: Metadata) -> Json:
    """A ReplicaSet whose template its author wrote so."""
    pods = a_pod_template()
    pods["metadata"] = {"labels": {"app": "web", **own.labels}, "annotations": {**own.annotations}}
    return {"metadata": {"annotations": {"kept": "1"}}, "spec": {"template": pods}}


def put(raw: Json, wanted: Metadata) -> None:
    """Write what it takes to wear this."""
    dress = injected.dress(raw["spec"]["template"], raw["metadata"]["annotations"], wanted)
    if dress is not None:
        metadata = {kind: dict(each) for kind, each in dress.template.items()}
        patch = {"metadata": {"annotations": dict(dress.notes)}, "spec": {"template": {"metadata": metadata}}}
        merge(raw, patch)


@settings(max_examples=100)
@given(CLOTHES, st.lists(CLOTHES, max_size=4))
def test_the_last_is_worn_and_all_come_off(own: Metadata, changes: list[Metadata]) -> None:
    """After any changes the template wears the last over the author's; nothing wanted leaves the author's alone."""
    raw = a_replica_set(own)
    plain: Any = json.loads(json.dumps(raw))
    for wanted in changes:
        put(raw, wanted)
        now = raw["spec"]["template"]["metadata"]
        assert now["labels"] == {"app": "web", **own.labels, **wanted.labels}
        assert now["annotations"] == {**own.annotations, **wanted.annotations}
        assert injected.dress(raw["spec"]["template"], raw["metadata"]["annotations"], wanted) is None
        assert injected.authored(raw["spec"]["template"], raw["metadata"]["annotations"]) == plain["spec"]["template"]
    put(raw, Metadata())
    assert raw == plain


def test_a_version_is_known_under_what_it_wears() -> None:
    """Also where ours covers a value of the author's: the template is compared as it was written."""
    wanted = a_pod_template()
    wanted["metadata"]["labels"]["role"] = "web"
    pods, notes = injected.dressed(wanted, Metadata({"role": "canary"}, {"note": "x"}))
    assert pods["metadata"]["labels"]["role"] == "canary"
    assert not template.is_same(pods, wanted)
    assert template.is_same(injected.authored(pods, notes), wanted)
    other = a_pod_template()
    other["metadata"]["labels"]["role"] = "api"
    assert not template.is_same(injected.authored(pods, notes), other)


def test_a_version_whose_hash_changed_is_found_under_what_it_wears() -> None:
    """By the meaning of its template, so that an upgrade replaces no pod."""
    old = a_replica_set_of("v1", 2, labels={naming.POD_HASH_LABEL: "older"})
    pods, notes = injected.dressed(old.template, Metadata({"role": "stable", "app": "web"}, {"note": "x"}))
    pods["spec"] = injected.with_term(pods["spec"], (injected.REQUIRED, TERM))
    worn = dataclasses.replace(old, template=pods, annotations={**old.annotations, **notes})
    assert a_turn(worn, image="v1").new is worn
    assert a_turn(worn, image="v2").new is None


def test_what_another_controller_put_on_comes_off() -> None:
    """It writes the same note down, and none of what it covered."""
    note = {naming.EPHEMERAL_METADATA: '{"labels":{"role":"canary"}}'}
    raw = {"metadata": {"annotations": note}, "spec": {"template": a_pod_template()}}
    raw["spec"]["template"]["metadata"]["labels"]["role"] = "canary"
    put(raw, Metadata())
    assert raw["spec"]["template"]["metadata"]["labels"] == {"app": "web"}
    assert raw["metadata"]["annotations"] == {}


@pytest.mark.parametrize("note", ["", "no json", "3", "[]", '{"labels": 3}', '{"labels": {"a": 1}}', "[" * 100_000])
def test_a_note_that_cannot_be_read_says_nothing(note: str) -> None:
    """Anyone can write annotations."""
    notes = {naming.EPHEMERAL_METADATA: note, naming.COVERED_METADATA: note}
    assert injected.worn(notes) == Metadata()
    assert injected.authored(a_pod_template(), notes) == a_pod_template()
    assert not any(injected.listed(note).values())


@pytest.mark.parametrize("kind", [injected.REQUIRED, injected.PREFERRED])
def test_only_the_term_of_ours_is_put_on_and_taken_off(kind: str) -> None:
    """The author's terms, of either list, and other affinities stay as they are."""
    apart = [{"key": naming.POD_HASH_LABEL, "operator": "Exists"}]
    own = {"topologyKey": "zone", "labelSelector": {"matchExpressions": apart}}
    preferred = {"weight": 5, "podAffinityTerm": own}
    affinity = {
        "podAntiAffinity": {injected.REQUIRED: [own], injected.PREFERRED: [preferred]},
        "nodeAffinity": {"a": 1},
    }
    spec: Json = {**a_pod_template()["spec"], "affinity": affinity}
    entry = TERM if kind == injected.REQUIRED else {"weight": 1, "podAffinityTerm": TERM}
    marked = injected.with_term(spec, (kind, entry))
    assert marked["affinity"]["podAntiAffinity"][kind][-1] == entry
    assert injected.injected_terms(marked) == (entry,)
    assert injected.with_term(marked, None) == spec
    assert injected.authored({"spec": marked}, {}) == {"spec": spec}
    bare = a_pod_template()["spec"]
    assert injected.with_term(injected.with_term(bare, (kind, entry)), None) == bare
