"""The watcher of law 1 sees a breach when there is one: nothing else in the stories would tell."""

from __future__ import annotations

from typing import Any

from rollouts.demo.sight import ROLLOUTS
from rollouts.sandbox.kinds import PODS, SERVICES, Json
from tests.e2e.carrying import INGRESSES, WEIGHT, Picture, weighted
from tests.e2e.stage import HASH

WAY = weighted(stable="stable", canary="canary", ingress="split")


def an_object(name: str, *, spec: Json | None = None, **metadata: Any) -> Json:
    """The members that the watcher looks at."""
    return {"metadata": {"name": name, **metadata}, "spec": spec or {}}


def a_pod(version: str, number: int, **metadata: Any) -> Json:
    """A pod that is ready."""
    conditions = [{"type": "Ready", "status": "True"}]
    pod = an_object(f"{version}-{number}", uid=f"{version}-{number}", labels={HASH: version}, **metadata)
    return pod | {"status": {"conditions": conditions}}


def a_weight(percent: int) -> Json:
    """The canary's Ingress."""
    return an_object("split", annotations={WEIGHT: str(percent)})


def a_picture(*, canary_pods: int) -> Picture:
    """Four pods are wanted and stable has them; the canary has some, and no traffic."""
    picture = Picture(WAY)
    picture.take(ROLLOUTS, an_object("web", spec={"replicas": 4}))
    for name, version in (("stable", "old"), ("canary", "new")):
        picture.take(SERVICES, an_object(name, spec={"selector": {HASH: version}}))
    for version, count in (("old", 4), ("new", canary_pods)):
        for number in range(count):
            picture.take(PODS, a_pod(version, number))
    assert not list(picture.owing())
    return picture


def test_traffic_beyond_the_pods_is_seen() -> None:
    """One pod of four carries a quarter, and not a percent more."""
    picture = a_picture(canary_pods=1)
    picture.take(INGRESSES, a_weight(25))
    assert not list(picture.owing())
    picture.take(INGRESSES, a_weight(26))
    assert list(picture.owing()) == ["26% of the traffic of 4 pods reach new, which has 1"]


def test_pods_that_leave_too_early_are_seen() -> None:
    """Also when they are still there, but were told to leave."""
    picture = a_picture(canary_pods=2)
    picture.take(INGRESSES, a_weight(50))
    picture.take(PODS, a_pod("new", 0, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert list(picture.owing()) == ["50% of the traffic of 4 pods reach new, which has 1"]


def test_more_pods_are_owed_from_when_they_are_there() -> None:
    """Asking for eight makes nobody wrong; taking away one of the four that carried, does."""
    picture = a_picture(canary_pods=0)
    picture.take(ROLLOUTS, an_object("web", spec={"replicas": 8}))
    assert not list(picture.owing())
    picture.take(PODS, a_pod("old", 0, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert list(picture.owing()) == ["100% of the traffic of 8 pods reach old, which has 3"]
