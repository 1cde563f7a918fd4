"""Disruption budgets: what their status allows, and that evictions spend no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollouts.sandbox.client import ApiFailure
from rollouts.sandbox.clock import stamp
from rollouts.sandbox.controllers.disruption import BUDGETS, reckon
from rollouts.sandbox.kinds import PODS, REPLICA_SETS, Json
from tests.sandbox.a_cluster import Cluster, a_cluster, a_replica_set, a_template

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_pod(name: str, *, is_ready: bool = True) -> Json:
    condition = {"type": "Ready", "status": "True" if is_ready else "False", "lastTransitionTime": stamp(NOON)}
    status = {"phase": "Running", "conditions": [condition]}
    return {"metadata": {"name": name, "namespace": "ns", "uid": name}, "spec": {}, "status": status}


def allowed(spec: Json, pods: list[Json], scale: int = 4, **status: Any) -> tuple[int, int, int]:
    budget = {"metadata": {"generation": 1}, "spec": spec, "status": status}
    found = reckon(budget, pods, scale=scale, now=NOON)
    return found["disruptionsAllowed"], found["desiredHealthy"], found["expectedPods"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 3}, (1, 3, 4)),
        ({"minAvailable": 9}, (0, 9, 4)),
        ({"minAvailable": "50%"}, (2, 2, 4)),
        ({"minAvailable": "51%"}, (1, 3, 4)),
        ({"maxUnavailable": 1}, (1, 3, 4)),
        ({"maxUnavailable": "30%"}, (2, 2, 4)),
        ({"maxUnavailable": 9}, (4, 0, 4)),
    ],
)
def test_what_a_budget_allows(spec: Json, expected: tuple[int, int, int]) -> None:
    """Numbers and percentages, rounded up; never less than nothing."""
    assert allowed(spec, [a_pod(name) for name in "abcd"]) == expected


def test_pods_that_are_missing_or_not_ready_use_the_budget_up() -> None:
    """What is wanted counts, not what is there."""
    pods = [a_pod("a"), a_pod("b"), a_pod("c", is_ready=False)]
    assert allowed({"maxUnavailable": 2}, pods) == (0, 2, 4)
    assert allowed({"minAvailable": 1}, pods) == (1, 1, 3)
    assert allowed({"minAvailable": 0}, [], scale=0) == (0, 0, 0)


def test_an_eviction_counts_until_it_is_seen_or_failed() -> None:
    """A pod that was evicted a moment ago is lost already; after two minutes it is not."""
    pods = [a_pod("a"), a_pod("b")]
    recent, old = stamp(NOON - timedelta(seconds=5)), stamp(NOON - timedelta(minutes=3))
    assert allowed({"minAvailable": 1}, pods, disruptedPods={"a": recent})[0] == 0
    assert allowed({"minAvailable": 1}, pods, disruptedPods={"a": old})[0] == 1
    assert allowed({"minAvailable": 1}, pods, disruptedPods={"gone": recent})[0] == 1


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with a_cluster() as running:
        yield running


async def test_evictions_wait_for_replacements(cluster: Cluster) -> None:
    """One at a time, when one may be missing; the next when the replacement is ready."""
    await cluster.create(REPLICA_SETS, a_replica_set("web", 2, a_template("web")))
    await cluster.ready("web", 2)
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    await cluster.create(BUDGETS, {"metadata": {"name": "web"}, "spec": spec})
    await cluster.until(BUDGETS, "web", lambda budget: (budget.get("status") or {}).get("disruptionsAllowed") == 1)
    first, second = await cluster.pods_of("web")
    await evict(cluster, first)
    with pytest.raises(ApiFailure) as refused:
        await evict(cluster, second)
    assert refused.value.code == 429
    await cluster.gone(PODS, cluster.key(first["metadata"]["name"]))
    await cluster.until(BUDGETS, "web", lambda budget: budget["status"]["disruptionsAllowed"] == 1)
    await evict(cluster, second)


async def evict(cluster: Cluster, pod: Json) -> None:
    key = cluster.key(pod["metadata"]["name"])
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": key[1]}}
    await cluster.api.request("POST", PODS.item(key, "eviction"), body=body)
