"""Commands that read files survive whatever stands in them: they report it, or say that they cannot go on."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollouts.ctl import plan
from rollouts.ctl.connection import CommandError
from rollouts.ctl.lint import lint
from tests.builders import (
    Json,
    a_deployment,
    a_rollout,
    a_template,
    an_analysis,
    analysis,
    blue_green,
    pause,
    referring,
)
from tests.ctl.families import CONTROLLER, ROUTERS, a_road, a_service, drawn, routed

JUNK: tuple[Any, ...] = (None, 7, -1, True, "x", "", [], [None], [7], {}, {"x": 1}, {"name": None}, 2.5)

STORIES: tuple[tuple[Json, ...], ...] = (
    (a_rollout(routed(20, analysis("rate"), pause("1m")), replicas=2), *a_road(), a_template("rate")),
    (
        referring(a_rollout(blue_green(prePromotionAnalysis=an_analysis("rate")), replicas=2), scale_down="onsuccess"),
        a_deployment(replicas=2),
        a_service("web-active"),
        a_service("web-preview"),
        a_template("rate"),
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in an object below its top."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*path, key)
        yield from places(member, (*path, key))


def spoilt(objects: tuple[Json, ...], place: tuple[Any, ...], junk: Any) -> list[Json]:
    """The objects with junk at one place."""
    copies: Any = copy.deepcopy(list(objects))
    at = copies
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = junk
    return list(copies)


@st.composite
def spoilt_stories(draw: st.DrawFn) -> list[Json]:
    """A story with junk somewhere in one of its objects."""
    story = draw(st.sampled_from(STORIES))
    number = draw(st.integers(0, len(story) - 1))
    place = draw(st.sampled_from(list(places(story[number]))))
    return spoilt(story, (number, *place), draw(st.sampled_from(JUNK)))


@given(objects=spoilt_stories())
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_lint_survives_any_file(objects: list[Json], tmp_path: Path) -> None:
    """Whatever is wrong is a line of its report, or nothing that it looks at."""
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump_all(objects))
    out = io.StringIO()
    assert lint([str(path)], out, CONTROLLER) == (1 if out.getvalue() else 0)


@given(objects=spoilt_stories())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_plan_survives_any_file(objects: list[Json]) -> None:
    """It plays the Rollout, or says why it does not."""
    for stored in objects:
        if stored.get("kind") == "Rollout":
            try:
                assert drawn(plan.plan(stored, objects, ROUTERS, way=plan.Way()))
            except CommandError as error:
                assert str(error)


@pytest.mark.parametrize("story", STORIES, ids=["routed", "referring"])
def test_the_stories_themselves_are_sound(story: tuple[Json, ...], tmp_path: Path) -> None:
    """So what is found is about the junk."""
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump_all(story))
    out = io.StringIO()
    assert lint([str(path)], out, CONTROLLER) == 0, out.getvalue()
