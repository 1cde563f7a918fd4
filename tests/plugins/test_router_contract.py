"""What every traffic router keeps, whatever its dialect: one row per router.

A router is asked about objects that users and other programs write too. What it renders is what it reads back, it
touches nothing that is not its own, and where it cannot tell it says so.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.api.schema_routers import routers
from rollouts.ports import (
    Destination,
    Manifest,
    ObjectRef,
    Objects,
    Subject,
    TrafficIntent,
    TrafficRouter,
    TrafficSeen,
    Unknown,
)
from rollouts.routers.nginx import Nginx
from tests.plugins.ingresses import TEXTS, Json, a_path, a_rule, a_subject, an_ingress, ingresses, ref_of

ROOT = Path(__file__).parents[2]
MAXIMA = (1, 2, 3, 7, 10, 33, 50, 99, 100, 101, 128, 256, 1000)
SERVICES = ("web-stable", "api-stable", "static", "web-preview")


@dataclass(frozen=True)
class Row:
    """A router, a section for it, and the users' objects that the section names: plain ones, and any.

    All of them can be split for the Rollouts `web` and `api`.
    """

    name: str
    router: TrafficRouter[Any]
    section: Json
    plain: tuple[Json, ...]
    objects: st.SearchStrategy[tuple[Json, ...]]

    def config(self, subject: Subject) -> Any:
        """The section, which is sound, read."""
        config = self.router.parse(self.section, subject)
        assert not isinstance(config, tuple), config
        return config


ROWS = [
    Row(
        name="nginx",
        router=Nginx(),
        section={"stableIngresses": ["public", "internal"], "additionalIngressAnnotations": {"canary-by-header": "X"}},
        plain=(
            an_ingress("public", a_rule(a_path("web-stable"), a_path("api-stable", "/api"))),
            an_ingress("internal", a_rule(a_path("web-stable"))),
        ),
        objects=st.tuples(ingresses("public", services=SERVICES), ingresses("internal", services=SERVICES)),
    ),
]
every_router = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


def an_intent(subject: Subject, weight: int) -> TrafficIntent:
    """This weight for the canary, the rest for stable."""
    return TrafficIntent(
        canary=Destination(service=subject.canary_service, pod_hash="new", weight=weight),
        stable=Destination(service=subject.stable_service, pod_hash="old", weight=subject.weight_max - weight),
        weight_max=subject.weight_max,
    )


def written(objects: Objects, manifests: Iterable[Manifest]) -> dict[ObjectRef, Manifest | Unknown]:
    """The objects after these manifests were stored."""
    return {**objects, **{ref_of(manifest): manifest for manifest in manifests}}


def split(row: Row, subject: Subject, weight: int, objects: Objects) -> dict[ObjectRef, Manifest | Unknown]:
    """The objects after the router put a weight in force."""
    return written(objects, row.router.render(row.config(subject), an_intent(subject, weight), objects))


def drawn(row: Row, data: st.DataObject) -> dict[ObjectRef, Manifest | Unknown]:
    """Some users' objects."""
    return {ref_of(manifest): manifest for manifest in data.draw(row.objects)}


def test_every_router_has_a_row_and_an_example() -> None:
    """A plugin is a file, a test and something to copy from."""
    modules = (ROOT / "rollouts" / "routers").glob("*.py")
    assert {path.stem for path in modules if "def render(" in path.read_text()} == {row.name for row in ROWS}
    examples = "\n".join(path.read_text() for path in (ROOT / "examples").rglob("*.yaml"))
    for row in ROWS:
        assert f"\n        {row.name}:" in examples, f"{row.name} has no example"


@every_router
def test_the_crd_has_what_the_router_describes(row: Row) -> None:
    """The section that the API server keeps is the one that the router reads."""
    assert row.router.schema == routers()[row.name]


@every_router
@pytest.mark.parametrize("weight_max", MAXIMA)
def test_every_weight_is_read_back(row: Row, weight_max: int) -> None:
    """What was rendered is what is in force, for each weight of a small maximum, one after the other."""
    subject = a_subject(weight_max=weight_max)
    objects: dict[ObjectRef, Manifest | Unknown] = {ref_of(each): each for each in row.plain}
    for weight in range(weight_max + 1):
        objects = split(row, subject, weight, objects)
        seen = row.router.observe(row.config(subject), objects)
        assert seen == TrafficSeen(canary=weight, stable=weight_max - weight)


@every_router
@settings(max_examples=80, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_weight_of_any_maximum_is_read_back(row: Row, data: st.DataObject) -> None:
    """Up to 100,000,000, whatever the users' objects look like and whatever was in force before."""
    weight_max = data.draw(st.integers(1, 10**8))
    subject, weights = a_subject(weight_max=weight_max), st.integers(0, weight_max)
    objects = drawn(row, data)
    for weight in (0, data.draw(weights), weight_max, data.draw(weights)):
        objects = split(row, subject, weight, objects)
        seen = row.router.observe(row.config(subject), objects)
        assert seen == TrafficSeen(canary=weight, stable=weight_max - weight)


@every_router
@settings(max_examples=50, deadline=None, derandomize=True)
@given(data=st.data())
def test_weights_of_another_maximum_are_never_understated(row: Row, data: st.DataObject) -> None:
    """After maxTrafficWeight was changed, what is in force is a share of the new one, within its rounding."""
    before, after = data.draw(st.integers(1, 1000)), data.draw(st.integers(1, 1000))
    weight = data.draw(st.integers(0, before))
    objects = split(row, a_subject(weight_max=before), weight, drawn(row, data))
    low, high = span(row, a_subject(weight_max=after), objects)
    assert low * before <= weight * after <= high * before
    assert high - low <= 1


def span(row: Row, subject: Subject, objects: Objects) -> tuple[int, int]:
    """The least and the greatest weight of the canary that an observation leaves possible."""
    seen = row.router.observe(row.config(subject), objects)
    assert isinstance(seen, TrafficSeen)
    assert seen.canary + seen.stable + sum(seen.others.values()) == subject.weight_max
    return seen.canary, subject.weight_max - seen.stable


@every_router
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_rendering_twice_changes_nothing(row: Row, data: st.DataObject) -> None:
    """What is in force already is rendered as it is; and rendering changes none of what it is given."""
    subject, weight = a_subject(), data.draw(st.integers(0, 100))
    before = drawn(row, data)
    kept = copy.deepcopy(before)
    once = split(row, subject, weight, before)
    assert before == kept
    assert split(row, subject, weight, once) == once
    assert set(once) <= set(row.router.reads(row.config(subject)))


@every_router
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_foreign_fields_survive(row: Row, data: st.DataObject) -> None:
    """Labels, annotations, finalizers, owners, status and unknown members of rendered objects stay as they are."""
    subject, weights = a_subject(), st.integers(0, 100)
    objects = split(row, subject, data.draw(weights), drawn(row, data))
    rendered = row.router.render(row.config(subject), an_intent(subject, 0), objects)
    marked: list[Json] = []
    for manifest in rendered:
        marks = data.draw(TEXTS)
        changed: Json = copy.deepcopy(dict(manifest))
        changed["metadata"] |= {"labels": marks, "finalizers": ["example.com/kept"], "resourceVersion": "9"}
        changed["metadata"]["annotations"] = {**marks, **changed["metadata"].get("annotations", {})}
        changed["spec"]["unheardOf"] = {"of": ["us"]}
        changed["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
        marked.append(changed)
    stored = written(objects, marked)
    again = row.router.render(row.config(subject), an_intent(subject, 0), stored)
    assert [repr(each) for each in again] == [repr(each) for each in marked]
    moved = row.router.render(row.config(subject), an_intent(subject, data.draw(weights)), stored)
    for before, after in zip(marked, moved, strict=True):
        assert after["metadata"] | {"annotations": {}} == before["metadata"] | {"annotations": {}}
        assert after["metadata"]["annotations"].items() >= data_of(before).items()
        assert after["spec"]["unheardOf"] == {"of": ["us"]}
        assert after["status"] == before["status"]


def data_of(manifest: Json) -> dict[str, str]:
    """The annotations that somebody else wrote."""
    return {key: value for key, value in manifest["metadata"]["annotations"].items() if "example.com" in key}


@every_router
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_half_written_intent_is_a_range(row: Row, data: st.DataObject) -> None:
    """A crash between two writes: no weight that some object still has, or has already, is ruled out; then it heals."""
    subject, weights = a_subject(), st.integers(0, 100)
    before, after = data.draw(weights), data.draw(weights)
    objects = split(row, subject, before, drawn(row, data))
    manifests = row.router.render(row.config(subject), an_intent(subject, after), objects)
    for count in range(1, len(manifests)):
        half = written(objects, manifests[:count])
        low, high = span(row, subject, half)
        assert low <= min(before, after) <= max(before, after) <= high
        assert span(row, subject, split(row, subject, after, half)) == (after, after)


@every_router
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_two_rollouts_commute(row: Row, data: st.DataObject) -> None:
    """Two that split the same objects undo nothing of each other, in either order, and each sees its own weight."""
    web, api = a_subject("web"), a_subject("api")
    objects = drawn(row, data)
    first, second = data.draw(st.integers(0, 100)), data.draw(st.integers(0, 100))
    one = split(row, api, second, split(row, web, first, objects))
    other = split(row, web, first, split(row, api, second, objects))
    assert one == other
    assert span(row, web, one) == (first, first)
    assert span(row, api, one) == (second, second)
    assert split(row, web, first, one) == one


@every_router
def test_what_cannot_be_read_is_unknown_and_no_problem(row: Row) -> None:
    """A failed read is neither an absent object nor a wrong one."""
    subject = a_subject()
    config = row.config(subject)
    objects = split(row, subject, 10, {ref_of(each): each for each in row.plain})
    assert row.router.problems(config, objects) == ()
    for ref in row.router.reads(config):
        blind = {**objects, ref: Unknown(why="forbidden")}
        assert row.router.observe(config, blind) == Unknown(why="forbidden")
        assert row.router.problems(config, blind) == ()


@every_router
def test_objects_that_are_missing_are_problems(row: Row) -> None:
    """Without the users' objects nothing can be split, and each of them is named."""
    missing = row.router.problems(row.config(a_subject()), {})
    assert len(missing) == len(row.plain)
    assert isinstance(row.router.observe(row.config(a_subject()), {}), Unknown)


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)),
    max_leaves=3,
)


@every_router
@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_junk_in_a_section_is_a_problem_or_harmless(row: Row, data: st.DataObject) -> None:
    """Whatever is written in a member: a sound reading, or problems that say where."""
    name = data.draw(st.sampled_from(sorted(row.router.schema["properties"])))
    value = data.draw(JUNK)
    read = row.router.parse({**row.section, name: value}, a_subject())
    if isinstance(read, tuple):
        assert read
        assert all(problem.message for problem in read)
    else:
        assert all(ref.name for ref in row.router.reads(read))


@every_router
@pytest.mark.parametrize("weight_max", [0, -1])
def test_a_maximum_of_nothing_is_refused(row: Row, weight_max: int) -> None:
    """No share of it could be told."""
    assert isinstance(row.router.parse(row.section, a_subject(weight_max=weight_max)), tuple)
