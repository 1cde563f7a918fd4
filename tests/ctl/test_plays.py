"""Whatever happened to a Rollout, it can be explained and drawn; and at rest nothing is said to be left undone."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from rich.console import Console

from rollouts.ctl import account, explain, get
from rollouts.ctl.drawing import UNICODE
from rollouts.ctl.family import Family
from rollouts.ports import Manifest, ObjectRef, Objects, Subject, TrafficIntent, TrafficSeen, Unknown
from tests import roads
from tests.cluster import Settings, merge
from tests.ctl.families import drawn, family_of
from tests.laws import plays, test_bluegreen, test_routed
from tests.laws.plays import Play
from tests.world import World

FEW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # to make a play small takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@dataclass(frozen=True)
class Played:
    """The router of a played world, whose one object stands for an Ingress here."""

    name: str
    schema: ClassVar[Mapping[str, Any]] = {}

    def parse(self, section: Mapping[str, Any], subject: Subject) -> Subject:
        """Whose traffic it splits is all there is to know."""
        return subject

    def reads(self, config: Subject) -> tuple[ObjectRef, ...]:
        """Its object."""
        return (
            ObjectRef(api_version="networking.k8s.io/v1", kind="Ingress", namespace=config.namespace, name=self.name),
        )

    def problems(self, config: Subject, objects: Objects) -> tuple[()]:
        """None."""
        return ()

    def observe(self, config: Subject, objects: Objects) -> TrafficSeen | Unknown:
        """What the object says of the Services that have the roles."""
        spec = self._object(config, objects)["spec"]
        parts = (config.canary_service or "canary", config.stable_service or "stable")
        canary, stable = (spec["split"].get(name, {}) for name in parts)
        weight = canary.get("weight", 0)
        return TrafficSeen(
            canary=weight,
            stable=stable.get("weight", spec["max"] - weight),
            canary_hash=canary.get("hash", ""),
            stable_hash=stable.get("hash", ""),
        )

    def render(self, config: Subject, intent: TrafficIntent, objects: Objects) -> tuple[Manifest, ...]:
        """The object with the intent in it."""
        whole = copy.deepcopy(dict(self._object(config, objects)))
        merge(whole, copy.deepcopy(dict(roads.rendered(whole, intent) or {})))
        return (whole,)

    def tell(self, config: Subject, intent: TrafficIntent, manifest: Manifest, live: Manifest | None) -> None:
        """Nothing more."""

    def _object(self, config: Subject, objects: Objects) -> Manifest:
        (found,) = objects.values()
        assert not isinstance(found, Unknown)
        return found


ROUTERS = {name: Played(name) for name in ("nginx", "smi", "istio")} | {"some": Played("plugins")}
"""By their names in a Rollout; a plugin goes by its own."""


def family(world: World) -> Family:
    """The world's, with the objects of its routers."""
    return family_of(world, words="", ingresses=tuple(copy.deepcopy(each) for each in world.routes.values()))


def look(world: World) -> None:
    """Explain and draw the Rollout; nothing is left undone."""
    if not world.rollout.get("status"):
        return
    seen, now = family(world), world.now
    told = account.account(seen, ROUTERS, now)
    assert all(told.waits[:1]), "it says something"
    assert drawn(explain.view(seen, told, now=now, signs=UNICODE, command=lambda words: words))
    assert drawn(get.view(seen, now=now, console=Console(file=io.StringIO(), width=120)))
    assert account.undone(seen, ROUTERS, now) == ""


def a_basic_play(data: st.DataObject) -> Play:
    """A canary without routers."""
    return plays.begin(data.draw(plays.rollouts()), lambda metric, now: [1.0])


BEGINNINGS: Mapping[str, Callable[[st.DataObject], Play]] = {
    "basic": a_basic_play,
    "routed": lambda data: test_routed.begun(data, [[1.0]]),
}


@pytest.mark.parametrize("kind", BEGINNINGS)
@given(data=st.data())
@FEW
def test_every_rest_can_be_explained(kind: str, data: st.DataObject) -> None:
    """In random plays, after each event and each wait."""
    play = BEGINNINGS[kind](data)
    play.wait(20)
    for _ in range(data.draw(st.integers(1, 6), label="events")):
        plays.happen(play, data.draw)
        play.rest()
        look(play.world)
        play.wait(data.draw(st.sampled_from([0, 1, 10, 45, 300]), label="seconds"))
        look(play.world)
    note(play.world.told())


EVENTS: tuple[Callable[[World], None], ...] = (
    lambda world: world.set_image("v2"),
    lambda world: world.set_image("slow"),
    lambda world: world.set_image("v1"),
    lambda world: world.patch_status({"pauseConditions": None}),
    lambda world: world.patch_status({"abort": True}),
    lambda world: world.patch_status({"promoteFull": True}),
    lambda world: world.edit({"spec": {"replicas": 3}}),
    lambda world: world.edit({"spec": {"paused": True}}),
    lambda world: world.edit({"spec": {"paused": False}}),
)


@given(data=st.data())
@FEW
def test_every_rest_of_blue_green_can_be_explained(data: st.DataObject) -> None:
    """Over all its options, after each event and each wait."""
    ready_after = plays.READY_AFTER
    world = World(
        data.draw(test_bluegreen.rollouts()),
        templates=plays.TEMPLATES,
        settings=Settings(ready_after=lambda image: ready_after[image]),
    )
    world.run(20)
    for _ in range(data.draw(st.integers(1, 6), label="events")):
        data.draw(st.sampled_from(EVENTS), label="event")(world)
        world.settle()
        look(world)
        world.run(data.draw(st.sampled_from([0, 1, 10, 45, 300]), label="seconds"))
        world.settle()
        look(world)
