"""Commands ask the core about the same picture that the controller decides on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import pytest

from rollouts.core.observed import Seen, Service, Unreadable
from rollouts.ctl import account, seeing
from rollouts.ctl.family import Family
from rollouts.ports import Unknown
from tests.builders import Json, a_deployment, a_rollout, an_analysis, canary, pause, referring
from tests.ctl.families import (
    ROUTERS,
    a_blue_green_world,
    a_routed_world,
    a_world,
    an_experimenting_world,
    at_the_analysis,
    family_of,
)
from tests.world import World

ALIKE = ("services", "routes", "routers_unserved", "route_problems", "workload", "names_taken", "problems")


def _updated(world: World, seconds: int = 30) -> World:
    world.set_image("v2")
    world.run(seconds)
    return world


def _referring() -> World:
    rollout = referring(a_rollout(canary(50, pause()), replicas=4), scale_down="onsuccess")
    world = World(rollout, workload=a_deployment(replicas=4))
    world.run(2)
    return world


WORLDS: Mapping[str, Callable[[], World]] = {
    "basic": lambda: at_the_analysis(a_world()),
    "routed": lambda: _updated(a_routed_world(20, pause())),
    "blue-green": lambda: _updated(a_blue_green_world(prePromotionAnalysis=an_analysis("success-rate"))),
    "experimenting": an_experimenting_world,
    "referring": _referring,
}


def seen_in(family: Family) -> Seen:
    """What a command's question is decided on."""
    return seeing.seen(family, ROUTERS)[0]


@pytest.mark.parametrize("name", WORLDS)
def test_the_same_is_seen(name: str) -> None:
    """Versions, Services, weights, the workload, runs and templates."""
    world = WORLDS[name]()
    world.sight.deliver()
    mine, theirs = seen_in(family_of(world)), world.seen()
    for member in ALIKE:
        assert getattr(mine, member) == getattr(theirs, member), member
    assert mine.rollout.spec == theirs.rollout.spec
    assert {rs.name: rs for rs in mine.replica_sets} == {rs.name: rs for rs in theirs.replica_sets}
    assert not isinstance(mine.analysis_runs, Unreadable)
    assert not isinstance(theirs.analysis_runs, Unreadable)
    assert {run.meta.name for run in mine.analysis_runs} == {run.meta.name for run in theirs.analysis_runs}
    assert not isinstance(mine.experiments, Unreadable)
    assert not isinstance(theirs.experiments, Unreadable)
    assert {each.meta.name for each in mine.experiments} == {each.meta.name for each in theirs.experiments}
    assert dict(mine.templates) == dict(theirs.templates)


def test_what_cannot_be_read_is_not_absent() -> None:
    """Each kind by itself."""
    family = family_of(WORLDS["routed"]())
    kinds = ("services", "ingresses", "analysisruns", "pods")
    seen = seen_in(dataclasses.replace(family, unread={kind: f"{kind} is forbidden" for kind in kinds}))
    assert seen.services["web-canary"] == Unreadable(why="services is forbidden")
    assert seen.routes["nginx"] == Unknown(why="ingresses is forbidden")
    assert seen.analysis_runs == Unreadable(why="analysisruns is forbidden")
    assert seen.pods == Unreadable(why="pods is forbidden")
    assert seen.route_problems == ()


def test_without_its_versions_nothing_is_decided() -> None:
    """Nor is anything said to be left undone: all Rollouts would look like a first deployment."""
    world = _updated(a_world())
    hidden = dataclasses.replace(family_of(world), unread={"replicasets": "replicasets is forbidden"})
    decided = seeing.decided(hidden, ROUTERS, now=world.now)
    assert (decided.seen, decided.plan.actions) == (None, ())
    assert account.undone(hidden, ROUTERS, world.now) == ""
    assert (
        "replicasets could not be read: replicasets is forbidden"
        in account.account(hidden, ROUTERS, world.now).evidence
    )


def test_a_service_that_does_not_exist_is_absent() -> None:
    """Which is what the controller would complain of."""
    family = family_of(WORLDS["routed"]())
    left = tuple(each for each in family.objects["services"] if each["metadata"]["name"] != "web-canary")
    seen = seen_in(dataclasses.replace(family, objects={**family.objects, "services": left}))
    assert isinstance(seen.services.get("web-stable"), Service)
    assert "web-canary" not in seen.services


def test_an_orphan_that_matches_may_be_adopted() -> None:
    """One of somebody else only takes a name."""
    family = family_of(a_world())
    (version,) = family.objects["replicasets"]

    def owned_by(*owners: Json) -> Seen:
        changed = {**version, "metadata": {**version["metadata"], "ownerReferences": list(owners)}}
        return seen_in(dataclasses.replace(family, objects={**family.objects, "replicasets": (changed,)}))

    (found,) = owned_by().replica_sets
    assert (found.is_owned, found.is_selected) == (False, True)
    others = owned_by({"uid": "somebody", "controller": True})
    assert others.replica_sets == ()
    assert set(others.names_taken) == {version["metadata"]["name"]}
