"""What pods wear, at rest after anything: exactly what their version's part says, and their author's template."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.builders import Json, a_rollout, canary, pause
from tests.laws.plays import ANSWERS, Play, begin, happen, rollouts
from tests.laws.watch import HASH
from tests.world import World

TROUBLE = st.lists(st.sampled_from(["", "", "lost", "crash", "done, then lost", "done, then crash"]), max_size=20)
LATE = st.lists(st.sampled_from([(), (), ("rollout",), ("replica_sets",)]), max_size=12)
VALUES = st.dictionaries(st.sampled_from(["role", "tier", "zone"]), st.sampled_from(["x", "y", "shop"]), max_size=3)
METADATA = st.one_of(
    st.none(),
    st.fixed_dictionaries({}, optional={"labels": VALUES, "annotations": VALUES}),
)
PLACES: st.SearchStrategy[Json | None] = st.sampled_from(
    [
        None,
        {"requiredDuringSchedulingIgnoredDuringExecution": {}},
        {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 1}},
    ]
)
FIELDS = ("canaryMetadata", "stableMetadata")
OWN: Json = {"labels": {"app": "web", "tier": "shop"}, "annotations": {"zone": "own"}}


def dressed(world: World, fields: dict[str, Json | None]) -> None:
    """Change the metadata of the strategy to exactly this; None takes a field away."""
    world.edit({"spec": {"strategy": {"canary": dict.fromkeys(FIELDS)}}})
    world.edit({"spec": {"strategy": {"canary": {name: each for name, each in fields.items() if each is not None}}}})


def wanted(world: World, version: str) -> Json:
    """What the pods of a version are to wear, by the status that clients see."""
    status, strategy = world.status, world.rollout["spec"]["strategy"]["canary"]
    part: Json = {}
    if version == status["stableRS"]:
        part = strategy.get("stableMetadata", {})
    elif version == status["currentPodHash"]:
        part = strategy.get("canaryMetadata", {})
    return {kind: {**OWN[kind], **part.get(kind, {})} for kind in ("labels", "annotations")}


def check(world: World) -> None:
    """At rest."""
    for name, raw in world.replica_sets.items():
        version, notes = raw["metadata"]["labels"][HASH], raw["metadata"]["annotations"]
        expected = wanted(world, version)
        expected["labels"][HASH] = version
        for pod in world.pods[name].each:
            worn = {kind: pod.metadata.get(kind, {}) for kind in ("labels", "annotations")}
            assert worn == expected, f"{pod.name} wears {worn}, not {expected}"
        template = raw["spec"]["template"]["metadata"]
        assert {kind: template.get(kind, {}) for kind in ("labels", "annotations")} == expected
        assert "rollouts.io/metadata-pending" not in notes
        put = json.loads(notes.get("rollout.argoproj.io/ephemeral-metadata", "{}"))
        assert set(put) <= {"labels", "annotations"} and all(put.values())


def check_places(world: World) -> None:
    """At rest: a version beside another stable one keeps off that one's nodes, as far as the strategy asks for it."""
    status, rule = world.status, world.rollout["spec"]["strategy"]["canary"].get("antiAffinity", {})
    if status["currentPodHash"] == status["stableRS"]:
        return
    new = next(
        raw for raw in world.replica_sets.values() if raw["metadata"]["labels"][HASH] == status["currentPodHash"]
    )
    rules = new["spec"]["template"]["spec"].get("affinity", {}).get("podAntiAffinity", {})
    assert set(rules) == set(rule)
    for (term,) in rules.values():
        (avoided,) = term.get("podAffinityTerm", term)["labelSelector"]["matchExpressions"]
        assert avoided["values"] == [status["stableRS"]]


def an_author(rollout: Json) -> Json:
    """The Rollout with labels and annotations of its author's own, some of them named as ours are."""
    rollout["spec"]["template"]["metadata"] = {kind: dict(each) for kind, each in OWN.items()}
    return rollout


@given(st.data())
def test_pods_wear_what_their_part_says(data: st.DataObject) -> None:
    """Whatever happens, is lost or comes late, and however the metadata is edited meanwhile."""
    answers: list[Any] = [[1.0]]

    def answer(metric: str, now: datetime) -> Any:
        return answers[-1]

    play = begin(an_author(data.draw(rollouts(), label="rollout")), answer)
    play.world.edit({"spec": {"strategy": {"canary": {"antiAffinity": data.draw(PLACES, label="antiAffinity")}}}})
    dressed(play.world, {name: data.draw(METADATA, label=name) for name in FIELDS})
    play.wait(20)
    check(play.world)
    for _ in range(data.draw(st.integers(1, 6), label="events")):
        answers.append(data.draw(st.sampled_from(ANSWERS), label="answer"))
        play.troubles += data.draw(TROUBLE, label="troubles")
        play.laggards += data.draw(LATE, label="late")
        happen(play, data.draw)
        if data.draw(st.booleans(), label="edited"):
            place = data.draw(PLACES, label="antiAffinity")
            play.world.edit({"spec": {"strategy": {"canary": {"antiAffinity": None}}}})
            play.world.edit({"spec": {"strategy": {"canary": {"antiAffinity": place}}}})
            dressed(play.world, {name: data.draw(METADATA, label=name) for name in FIELDS})
        play.rest()
        play.wait(data.draw(st.sampled_from([0, 1, 10, 45]), label="seconds"))
        note(play.world.told())
        check(play.world)
        check_places(play.world)


STORY: dict[str, Json] = {"canaryMetadata": {"labels": {"role": "canary"}}, "stableMetadata": {"labels": {"role": "s"}}}


def a_story(trouble: str, at: int) -> tuple[Play, int]:
    """From v1 over v2 to v3, its metadata edited on the way, with this trouble at the write of this number."""
    play = begin(an_author(a_rollout(canary(50, pause(5), **STORY), replicas=3)), lambda metric, now: [1.0])
    play.troubles += [""] * at + [trouble]
    play.wait(10)
    play.world.set_image("v2")
    play.wait(6)
    play.world.set_image("v3")
    play.wait(3)
    dressed(play.world, {"stableMetadata": {"labels": {"tier": "x"}, "annotations": {"zone": "x"}}})
    play.wait(60)
    return play, play.world.writes


_, WRITES = a_story("", 0)


@pytest.mark.parametrize("trouble", ["crash", "done, then crash", "done, then lost"])
def test_no_write_that_fails_leaves_a_pod_behind(trouble: str) -> None:
    """One trouble at each write in turn: the end is the same, and is reached without another nudge."""
    for at in range(WRITES):
        play, _ = a_story(trouble, at)
        check(play.world)
        assert play.world.status["phase"] == "Healthy", at
        assert [raw["spec"]["replicas"] for raw in play.world.replica_sets.values()] == [0, 0, 3], at


def test_without_metadata_no_pod_is_read_or_written() -> None:
    """Neither a list nor a patch of pods, from the first version to the second."""
    world = World(an_author(a_rollout(canary(50), replicas=3)))
    written: list[str] = []
    world.before_write = written.append
    world.run(20)
    world.set_image("v2")
    world.run(60)
    assert world.status["phase"] == "Healthy"
    pods = {f"patch {pod.name}" for each in world.pods.values() for pod in each.each}
    assert world.pods_listed == 0 and not pods.intersection(written)
