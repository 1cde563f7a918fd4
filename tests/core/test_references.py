"""What a valid spec refers to, in the words that clients of this API know."""

from __future__ import annotations

import dataclasses

import pytest

from rollouts.core import naming, references
from rollouts.core.observed import Seen, Service, Unreadable
from tests.builders import Json, a_rollout, an_analysis, blue_green, canary, parsed_rollout
from tests.core.turns import V1, a_service

PAIR = {"pingService": "ping", "pongService": "pong"}


def texts(strategy: Json, *services: Service, unreadable: str = "") -> list[str]:
    """What is wrong, where these Services are there."""
    rollout = parsed_rollout(a_rollout(strategy))
    known: dict[str, Service | Unreadable] = {service.name: service for service in services}
    if unreadable:
        known[unreadable] = Unreadable(why="away")
    assert rollout.spec.strategy is not None
    seen = Seen(rollout=rollout, problems=(), replica_sets=(), services=known)
    return [finding.text for finding in references.problems(seen, rollout.spec.strategy)]


def not_found(path: str, name: str) -> str:
    """As clients know it."""
    return f'spec.strategy.{path}: Invalid value: "{name}": service "{name}" not found'


@pytest.mark.parametrize(
    ("strategy", "paths"),
    [
        (blue_green(), {"blueGreen.activeService": "web-active", "blueGreen.previewService": "web-preview"}),
        (
            canary(canaryService="a", stableService="b"),
            {"canary.canaryService": "a", "canary.stableService": "b"},
        ),
        (
            canary(pingPong=PAIR),
            {"canary.pingPong.pingService": "ping", "canary.pingPong.pongService": "pong"},
        ),
        (canary(), {}),
    ],
)
def test_services_must_exist(strategy: Json, paths: dict[str, str]) -> None:
    """Each is named with its path."""
    assert texts(strategy) == [not_found(path, name) for path, name in paths.items()]


def test_what_cannot_be_read_is_not_missing() -> None:
    """Law 23: nobody knows yet."""
    assert texts(blue_green(previewService=""), unreadable="web-active") == []


def test_a_service_selects_pods_of_this_rollout() -> None:
    """Every label but the version's is on the pods, with its value."""
    active = a_service("web-active", V1)
    preview = a_service("web-preview", selector={"app": "web", "tier": "front", naming.POD_HASH_LABEL: V1})
    assert texts(blue_green(), active, preview) == [
        'spec.strategy.blueGreen.previewService: Invalid value: "web-preview": '
        'Service "web-preview" has unmatch label "tier" in rollout'
    ]
    other = dataclasses.replace(preview, selector={"app": "shop"})
    assert texts(blue_green(), active, other) == [
        'spec.strategy.blueGreen.previewService: Invalid value: "web-preview": '
        'Service "web-preview" has unmatch label "app" in rollout'
    ]


def test_a_service_belongs_to_one_rollout() -> None:
    """One that another Rollout moves is not moved."""
    active, preview = a_service("web-active", annotations={}), a_service("web-preview")
    assert texts(blue_green(), active, preview) == []
    theirs = dataclasses.replace(active, annotations={naming.MANAGED_BY: "shop"})
    assert texts(blue_green(), theirs, preview) == [
        'spec.strategy.blueGreen.activeService: Invalid value: "web-active": '
        'Service "web-active" is managed by another Rollout'
    ]


@pytest.mark.parametrize("gate", ["prePromotionAnalysis", "postPromotionAnalysis"])
def test_templates_of_both_gates_must_exist(gate: str) -> None:
    """They are looked for before any pod is made."""
    strategy = blue_green(**{gate: an_analysis("smoke")})
    assert texts(strategy, a_service("web-active"), a_service("web-preview")) == [
        f'spec.strategy.blueGreen.{gate}.templates: Invalid value: "templateNames: [smoke]": '
        "AnalysisTemplate 'smoke' not found"
    ]
