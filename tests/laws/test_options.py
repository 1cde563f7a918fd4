"""Law 21 and all the others: every pair and every triple of options of every strategy, played to its end."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests import roads
from tests.builders import a_deployment
from tests.late import Late
from tests.laws import options
from tests.laws.events import AnyPlay, Outside
from tests.laws.options import SPACES, Row
from tests.laws.plays import begin
from tests.laws.switch_plays import SwitchPlay
from tests.world import World

EVENTS_MAX = 2
ROWS = {name: options.covering(space, 3) for name, space in SPACES.items()}


def begun(row: Row, answers: list[Any]) -> AnyPlay:
    """The play of one row, with the world around it that the row asks for."""
    rollout = options.rollout(row)
    workload = a_deployment(replicas=row["replicas"]) if row["workload"] else None
    play: AnyPlay
    if "previewService" in row:
        play = SwitchPlay(rollout, answers, workload=workload)
    else:
        play = begin(rollout, lambda metric, now: answers[-1], workload=workload, is_real=_is_real(row))
    late = row.get("late")
    play.world.late = Late(seconds=7 if late else 0, is_lying=late == "lying")
    return play


def _is_real(row: Row) -> bool:
    return row.get("router") in ("ingress", "ingresses")


def played(row: Row, dice: random.Random) -> None:
    """Some events with their troubles, and then a version that nothing is wrong with: it serves everything."""
    answers: list[Any] = [[1.0]]
    out = Outside(begun(row, answers), answers, dice)
    out.play.wait(20)
    out.world.set_image(out.pick(("v2", "v3", "slow", "broken")))
    for _ in range(dice.randint(1, EVENTS_MAX)):
        out.play.wait(out.pick((0, 1, 6, 10, 45)))
        out.happen()
        out.play.rest()
    out.play.wait(out.pick((0, 1, 45)))
    out.calm()
    out.world.set_image("last")
    for _ in range(4):
        out.play.wait(60)
        if out.world.status["phase"] == "Healthy":
            break
        out.canary_play.pauses.forget()
        out.waive("")
        out.world.patch_status({"pauseConditions": None})
    out.play.wait(90)
    _serves(out.world, "last")


def _serves(world: World, image: str) -> None:
    status, desired = world.status, world.rollout["spec"]["replicas"]
    assert status["phase"] == "Healthy", f"law 21: {status}"
    assert {name: size for name, size in world.sizes().items() if size} == ({image: desired} if desired else {})
    version = status["stableRS"]
    assert all(roads.hash_of(world.services, name) == version for name in world.services)
    for route in world.routes.values():
        assert all(way.get(version) == 1 for way in roads.ways(world.services, route))


@pytest.mark.parametrize("name", SPACES)
def test_rows_have_every_triple_of_options(name: str) -> None:
    """What is played below leaves no possible pair and no triple of values out."""
    assert options.missing(SPACES[name], ROWS[name], 2) == 0
    assert options.missing(SPACES[name], ROWS[name], 3) == 0


@pytest.mark.parametrize(("name", "place"), [(name, place) for name in SPACES for place in range(len(ROWS[name]))])
def test_every_triple_of_options_terminates(name: str, place: int) -> None:
    """Under all laws, with events, lost writes, crashes and caches that lag: in the end the good version serves."""
    played(ROWS[name][place], random.Random(f"{name} {place}"))
