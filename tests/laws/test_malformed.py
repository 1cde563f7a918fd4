"""Law 27: a malformed object costs itself.

Anything may stand anywhere in the spec and the status of our kinds, since a CRD can be older or looser than ours; of
metadata, and of kinds that Kubernetes itself checks, only texts are anybody's.
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollouts.api import codec
from rollouts.core.decide import decide
from rollouts.core.measured import decide_run
from rollouts.core.plan import Plan
from rollouts.kube.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, REPLICA_SETS, ROLLOUTS, Key, Kind
from rollouts.runtime.cache import Cache, Entry
from rollouts.runtime.readings import Readings
from rollouts.runtime.routes import Routes
from rollouts.runtime.snapshot import Snapshots
from tests.builders import Json
from tests.laws.plays import begin, happen, rollouts
from tests.world import World

JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from([[], {}, [{}], [None], {"": {}}, [[]], "-1", "100%", "1e9", "{{args.x}}", "\ud800"]),
)
TEXTS = st.one_of(st.text(max_size=4), st.sampled_from(["-1", "9" * 30, "²", "1.5", "true", "2026-13-01T00:00:00Z"]))
CHECKED = ("apiVersion", "kind", "metadata")
"""What no API server stores in another form."""

Objects = dict[Kind, list[Json]]


def a_moment(data: st.DataObject) -> World:
    """A world in the middle of things."""
    play = begin(data.draw(rollouts(), label="rollout"), lambda metric, now: [1.0])
    play.wait(20)
    for _ in range(data.draw(st.integers(1, 3), label="events")):
        happen(play, data.draw)
        play.wait(data.draw(st.sampled_from((0, 10)), label="seconds"))
    return play.world


def objects_of(world: World) -> Objects:
    """All objects there are, and a Rollout beside them that has nothing to do with any but the templates."""
    neighbour = copy.deepcopy(world.rollout)
    neighbour["metadata"] |= {"name": "api", "uid": "api-uid"}
    neighbour["spec"]["selector"] = {"matchLabels": {"app": "api"}}
    neighbour["spec"]["template"]["metadata"] = {"labels": {"app": "api"}}
    return {
        ROLLOUTS: [world.rollout, neighbour],
        REPLICA_SETS: list(world.replica_sets.values()),
        ANALYSIS_RUNS: list(world.runs.values()),
        ANALYSIS_TEMPLATES: list(world.templates.values()),
    }


def spoilt(stored: Json, data: st.DataObject) -> Json:
    """The object with junk at one place, at any depth."""
    bad = copy.deepcopy(stored)
    place: Any = bad
    while True:
        keys = [key for key in place if key not in CHECKED] if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return bad
        key = data.draw(st.sampled_from(keys), label="member")
        is_leaf = not isinstance(place[key], dict | list)
        if is_leaf or (place is not bad and data.draw(st.integers(0, 3), label="stop") == 0):
            place[key] = data.draw(JUNK, label="junk")
            return bad
        place = place[key]


def mislabelled(stored: Json, data: st.DataObject) -> Json:
    """The object with another text, or none, in one of its labels or annotations."""
    bad = copy.deepcopy(stored)
    texts = bad["metadata"].get(data.draw(st.sampled_from(["labels", "annotations"]), label="texts")) or {}
    if texts:
        key = data.draw(st.sampled_from(sorted(texts)), label="key")
        text = data.draw(st.one_of(st.none(), TEXTS), label="text")
        texts.pop(key) if text is None else texts.update({key: text})
    return bad


def plans(objects: Objects, world: World) -> dict[str, Plan[Any]]:
    """What is decided about every Rollout and every run, by name."""
    cache = Cache()
    for kind, stored in objects.items():
        for each in stored:
            cache.put(Entry(kind, Key("shop", each["metadata"]["name"]), each))
    routes = Routes({}, cache, unreadable=lambda kind: None)
    snapshots = Snapshots(
        cache, Readings(), routes, unreadable=lambda kind: None, keeps_verbs=lambda: True, instance_id=""
    )
    made: dict[str, Plan[Any]] = {}
    for key in sorted(cache.keys(ROLLOUTS)):
        found = snapshots.rollout(key)
        assert found is not None
        made[key.name] = decide(found[0], now=world.now)
    for key in sorted(cache.keys(ANALYSIS_RUNS)):
        run = snapshots.run(key)
        assert run is not None
        made[key.name] = decide_run(run, now=world.now)
    return made


@given(st.data())
def test_a_malformed_object_costs_itself(data: st.DataObject) -> None:
    """Whatever stands in an object, every turn ends in a plan whose status can be written, and a neighbour's is the
    plan it would have been."""
    world = a_moment(data)
    objects = objects_of(world)
    before = plans(objects, world)
    kind = data.draw(st.sampled_from([kind for kind in (ROLLOUTS, ANALYSIS_RUNS, REPLICA_SETS) if objects[kind]]))
    index = data.draw(st.integers(0, len(objects[kind]) - 1)) if kind != ROLLOUTS else 0
    is_checked = kind == REPLICA_SETS or data.draw(st.booleans(), label="metadata")
    objects[kind][index] = (mislabelled if is_checked else spoilt)(objects[kind][index], data)
    after = plans(objects, world)
    for plan in after.values():
        codec.encode(plan.status)
    assert after["api"] == before["api"]


@given(st.data())
def test_a_malformed_template_starts_and_ends_nothing(data: st.DataObject) -> None:
    """What a template says can be wrong for a while: no version is given up, promoted or begun because of it."""
    world = a_moment(data)
    objects = objects_of(world)
    index = data.draw(st.integers(0, len(objects[ANALYSIS_TEMPLATES]) - 1))
    objects[ANALYSIS_TEMPLATES][index] = spoilt(objects[ANALYSIS_TEMPLATES][index], data)
    plan = plans(objects, world)["web"]
    status = world.sight.seen(templates=(), pods=None, verb_owners={}).rollout.status
    assert (plan.status.abort, plan.status.stable_rs) == (status.abort, status.stable_rs)
