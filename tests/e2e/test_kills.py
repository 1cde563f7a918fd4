"""A controller that is killed at any moment, again and again, loses neither a request nor its place in the story.

The moments are drawn with a seed that a failure prints; E2E_SEED=<seed> draws the same ones again, though not the same
interleaving: these are real processes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rollouts.demo.processes import Child
from rollouts.runtime.lifecycle import Ending
from rollouts.sandbox.kinds import NAMESPACES, Json, Kind
from tests.e2e.apps import a_rollout, a_service, pause, serving, weight
from tests.e2e.stage import Place, Stage, condition_of, kill, on_stage, phase, status, step_of, until, until_said
from tests.e2e.users import users
from tests.e2e.witness import Witness

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("e2e-kills")]

LEASES = Kind("coordination.k8s.io/v1", "Lease", "leases")
LEASE = ("default", "argo-rollouts-controller-lock")
BRISK = (
    "--leader-election-lease-duration=3s",
    "--leader-election-renew-deadline=2s",
    "--leader-election-retry-period=500ms",
)
ALONE = ("--leader-elect=false",)
TAKE_OVER_SECONDS_MAX = 15.0
LIFE_SECONDS_MAX = 1.2  # short, so that a canary outlives many controllers
KILLS = 8  # and two more after a verb
REPLICAS = 4
MOVING = (weight(25), pause("1s"), weight(50), pause("1s"), weight(75), pause(), weight(90))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A cluster without a controller: the stories bring theirs."""
    async with on_stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def place(stage: Stage) -> AsyncIterator[Place]:
    """A namespace of its own; its programs end with the story."""
    place = await stage.place()
    yield place
    await stage.kill_controllers()
    await stage.api.delete(NAMESPACES, ("", place.namespace))


@pytest.fixture
def chance() -> random.Random:
    """What the story leaves to chance."""
    seed = int(os.environ.get("E2E_SEED") or random.randrange(10**6))
    logging.getLogger(__name__).warning("E2E_SEED=%d", seed)
    return random.Random(seed)


async def one_life(stage: Stage, chance: random.Random) -> None:
    """A controller that works for a random while and is killed."""
    child = await stage.controller(*ALONE)
    await until_said(child, "work_started")
    await asyncio.sleep(chance.uniform(0.0, LIFE_SECONDS_MAX))
    await kill(child)


async def serve_first(place: Place) -> None:
    """web:1, deployed by a controller that then ends in good order."""
    first = await place.stage.controller(*ALONE)
    await place.apply(a_service(), version("web:1"))
    await place.until_stable("web:1")
    first.process.terminate()
    assert await first.process.wait() == Ending.STOPPED


def version(image: str) -> Json:
    """The Rollout in one of its versions."""
    return serving(a_rollout(*MOVING, image=image, replicas=REPLICAS))


async def test_a_canary_outlives_any_number_of_controllers(place: Place, chance: random.Random) -> None:
    """Killed ten times; a verb given while none lived is carried out once; no step twice, no request lost."""
    await serve_first(place)
    async with users(place) as tally, Witness(place) as witness:
        await place.apply(version("web:2"))
        for _ in range(KILLS):
            await one_life(place.stage, chance)
        last = await place.stage.controller(*ALONE)
        await place.until_at(5)
        await kill(last)
        await place.annotate("promote", "step")
        for _ in range(2):
            await one_life(place.stage, chance)
        last = await place.stage.controller(*ALONE)
        seen = await place.until_stable("web:2")
        await place.until_pods({"web:2": REPLICAS})
        await kill(last)
    assert tally.requests.keys() == {"web:1", "web:2"}
    before, *during = witness.steps
    assert before == len(MOVING)
    assert during == sorted(set(during))
    assert [each["outcome"] for each in status(seen)["verbs"]] == ["Done"]
    assert len(witness.stable) == 2
    assert witness.pods_wanted_max <= REPLICAS + 1
    assert [each["metadata"]["annotations"]["rollout.argoproj.io/revision"] for each in await place.replica_sets()] == [
        "1",
        "2",
    ]


async def test_an_abort_outlives_its_controllers(place: Place, chance: random.Random) -> None:
    """Killed while the canary goes up and while it goes back: stable serves every request that it gets."""
    await serve_first(place)
    async with users(place) as tally, Witness(place) as witness:
        await place.apply(version("web:2"))
        for _ in range(2):
            await one_life(place.stage, chance)
        await place.annotate("abort", "abort enough")
        for _ in range(3):
            await one_life(place.stage, chance)
        last = await place.stage.controller(*ALONE)
        seen = await place.until("the abort", lambda seen: phase(seen) == "Degraded" and step_of(seen) == 0)
        await place.until_pods({"web:1": REPLICAS})
        await kill(last)
    assert "web:1" in tally.requests
    assert [each["outcome"] for each in status(seen)["verbs"]] == ["Done"]
    assert condition_of(seen, "Progressing")["reason"] == "RolloutAborted"
    assert len(witness.stable) == 1
    assert witness.pods_wanted_max <= REPLICAS + 1


class Rivals:
    """Controllers that share a lease, and who of them leads."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.children: list[Child] = []

    async def another(self) -> None:
        """Start one more, and wait until it competes."""
        child = await self._stage.controller(*BRISK)
        self.children.append(child)
        await until_said(child, "caches_complete")

    async def leader(self, *, other_than: Child | None = None) -> Child:
        """The one whose name stands in the lease, and not this one's."""

        async def look() -> Child | None:
            holder = (await self._stage.api.get(LEASES, LEASE))["spec"].get("holderIdentity")
            found = (child for child in self.children if holder and f'"identity": "{holder}"' in child.log.read_text())
            return next((child for child in found if child is not other_than), None)

        return await until("a leader", look)

    async def succession(self, former: Child) -> float:
        """Seconds until another leads."""
        began = asyncio.get_running_loop().time()
        await self.leader(other_than=former)
        return asyncio.get_running_loop().time() - began


async def test_a_standby_takes_over_from_a_killed_leader(place: Place, chance: random.Random) -> None:
    """Two run, one acts; killed three times within a canary, a rival goes on within 15 s, and no request is lost."""
    rivals = Rivals(place.stage)
    await rivals.another()
    await rivals.another()
    await place.apply(a_service(), version("web:1"))
    await place.until_stable("web:1")
    async with users(place) as tally, Witness(place) as witness:
        await place.apply(version("web:2"))
        for _ in range(3):
            leader = await rivals.leader()
            await asyncio.sleep(chance.uniform(0.0, LIFE_SECONDS_MAX))
            await kill(leader)
            assert await rivals.succession(leader) < TAKE_OVER_SECONDS_MAX
            await rivals.another()
        await place.until_at(5)
        await place.annotate("promote", "full")
        await place.until_stable("web:2")
        await place.until_pods({"web:2": REPLICAS})
    assert tally.requests.keys() == {"web:1", "web:2"}
    assert len(witness.stable) == 2
    assert witness.pods_wanted_max <= REPLICAS + 1


async def test_a_leader_that_was_frozen_ends_instead_of_writing(place: Place) -> None:
    """It wakes up after its lease was taken: exit code 3, and the story is its successor's."""
    rivals = Rivals(place.stage)
    await rivals.another()
    leader = await rivals.leader()
    await rivals.another()
    await place.apply(a_rollout(weight(50), pause()))
    await place.until_stable("web:1")
    leader.process.send_signal(signal.SIGSTOP)
    said = leader.log.read_text()
    assert await rivals.succession(leader) < TAKE_OVER_SECONDS_MAX
    await place.apply(a_rollout(weight(50), pause(), image="web:2"))
    leader.process.send_signal(signal.SIGCONT)
    assert await leader.process.wait() == Ending.LEASE_LOST
    await place.until_at(1)
    assert '"event": "note"' not in leader.log.read_text().removeprefix(said)
