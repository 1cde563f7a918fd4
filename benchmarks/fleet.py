"""The life of a fleet: all Rollouts are deployed, left alone, and updated.

Changes are sent at a steady rate, whether or not the controller keeps up, so that a lag shows. Moments are those at
which this process sent a request or heard of a change: they contain the cluster's share and ours.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.figures import Fleet, Phase, Spread, spread
from benchmarks.ground import Cost, Ground, ground
from benchmarks.manifests import PAUSE_SECONDS, ROLLOUTS, beside, change, rollout
from rollouts.sandbox.client import ApiClient
from rollouts.sandbox.informer import Informers
from rollouts.sandbox.kinds import NAMESPACES, REPLICA_SETS, Json, Key, controller_of, key_of

REVISION = "rollout.argoproj.io/revision"
PER_NAMESPACE = 50
REST_SECONDS = 15.0
STALLED_SECONDS = 120.0  # without any Rollout coming to rest
SAY_SECONDS = 5.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a fleet is driven: strategy and replicas of each Rollout, changes a second."""

    strategy: str
    replicas: int
    rate: float


async def measure(count: int, settings: Settings, folder: Path, say: Say) -> Fleet:
    """The figures of a fleet of that many Rollouts, on a cluster of its own."""
    keys = [(f"fleet-{number // PER_NAMESPACE}", f"web-{number}") for number in range(count)]
    async with ground(folder) as place, Watcher(place.api) as seen:
        for namespace in dict.fromkeys(key[0] for key in keys):
            metadata = {"name": namespace}
            await place.api.create(NAMESPACES, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        for key in keys:
            for kind, manifest in beside(key, strategy=settings.strategy):
                await place.api.create(kind, key[0], manifest)
        start = await place.cost()
        drive = _Drive(place, seen, keys, settings, say)
        say(f"{count:,} Rollouts are deployed")
        new = partial(rollout, strategy=settings.strategy, replicas=settings.replicas)
        deploy = await drive.phase(1, lambda key: place.api.create(ROLLOUTS, key[0], new(key)))
        deployed = await place.cost()
        say(f"they are left alone for {REST_SECONDS:.0f} s")
        await asyncio.sleep(REST_SECONDS)
        rested = await place.cost()
        say("they are updated")
        update = await drive.phase(2, lambda key: place.api.patch(ROLLOUTS, key, change(key, "web:2")))
        end = await place.cost()
        return Fleet(
            rollouts=count,
            deploy=deploy,
            update=update,
            pause_lateness=spread(seen.lateness),
            rest_seconds=REST_SECONDS,
            rest_requests=rested.requests - deployed.requests,
            rest_cpu_seconds=rested.cpu_seconds - deployed.cpu_seconds,
            memory_at_start=start.memory,
            memory_deployed=deployed.memory,
            memory_at_end=end.memory,
        )


class Watcher:
    """Notes when what was heard of; an async context manager. Moments are the event loop's seconds."""

    def __init__(self, api: ApiClient) -> None:
        self.first_write: dict[tuple[Key, int], float] = {}
        """When the ReplicaSet of a Rollout's revision was first heard of."""
        self.at_rest: dict[Key, float] = {}
        """Since when a Rollout has been healthy with the version it wants."""
        self.lateness: list[float] = []
        """How many seconds too long each timed pause was."""
        self._informers = Informers(api)
        self._informers.of(REPLICA_SETS).on_change(lambda old, new: self._note_replica_set(new))
        self._informers.of(ROLLOUTS).on_change(self._note_rollout)

    async def __aenter__(self) -> Self:
        await self._informers.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._informers.stop()

    def _note_replica_set(self, new: Json | None) -> None:
        owner = controller_of(new) if new else None
        if new is not None and owner is not None:
            revision = int((new["metadata"].get("annotations") or {}).get(REVISION, 0))
            key = (new["metadata"]["namespace"], owner["name"])
            self.first_write.setdefault((key, revision), asyncio.get_running_loop().time())

    def _note_rollout(self, old: Json | None, new: Json | None) -> None:
        if new is None:
            return
        if not is_at_rest(new):
            self.at_rest.pop(key_of(new), None)
        else:
            self.at_rest.setdefault(key_of(new), asyncio.get_running_loop().time())
        before = (old or {}).get("status", {}).get("pauseConditions")
        if before and not new["status"].get("pauseConditions"):
            due = datetime.fromisoformat(before[0]["startTime"]) + timedelta(seconds=PAUSE_SECONDS)
            self.lateness.append((datetime.now(UTC) - due).total_seconds())


def is_at_rest(rollout: Json) -> bool:
    """Whether it is healthy, and its status speaks of its spec."""
    status: dict[str, Any] = rollout.get("status") or {}
    is_fresh = str(status.get("observedGeneration")) == str(rollout["metadata"]["generation"])
    return is_fresh and status.get("phase") == "Healthy"


class _Drive:
    """Sends changes to a fleet and waits for what comes of them."""

    def __init__(self, place: Ground, seen: Watcher, keys: list[Key], settings: Settings, say: Say) -> None:
        self._place = place
        self._seen = seen
        self._keys = keys
        self._rate = settings.rate
        self._say = say

    async def phase(self, revision: int, send: Callable[[Key], Awaitable[object]]) -> Phase:
        """Change all Rollouts, wait until they are at rest, and say what it cost."""
        loop = asyncio.get_running_loop()
        before, began = await self._place.cost(), loop.time()
        self._seen.at_rest.clear()
        sent = await self._send(send)
        await self._until_at_rest()
        seconds = max(self._seen.at_rest.values()) - began
        after = await self._until_settled()
        return Phase(
            seconds=seconds,
            requests=after.requests - before.requests,
            cpu_seconds=after.cpu_seconds - before.cpu_seconds,
            to_first_write=self._to_first_write(revision, sent),
        )

    def _to_first_write(self, revision: int, sent: dict[Key, float]) -> Spread:
        return spread([self._seen.first_write[key, revision] - at for key, at in sent.items()])

    async def _send(self, send: Callable[[Key], Awaitable[object]]) -> dict[Key, float]:
        """When each change was sent: one after the other in time, whether or not the former were answered."""
        loop = asyncio.get_running_loop()
        sent: dict[Key, float] = {}
        async with asyncio.TaskGroup() as group:
            for key, due in zip(self._keys, self._moments(loop.time()), strict=False):
                await asyncio.sleep(due - loop.time())
                sent[key] = loop.time()
                group.create_task(_sent(send, key))
                self._say_now_and_then(len(sent))
        return sent

    def _moments(self, start: float) -> Iterator[float]:
        return (start + number / self._rate for number in itertools.count())

    def _say_now_and_then(self, sent: int) -> None:
        if sent % max(1, round(self._rate * SAY_SECONDS)) == 0:
            self._say(f"  {sent:,} changed, {len(self._seen.at_rest):,} at rest")

    async def _until_at_rest(self) -> None:
        """Wait until all are. Raises TimeoutError when none has come to rest for a long time."""
        known = -1
        while (now := len(self._seen.at_rest)) < len(self._keys):
            if now == known:
                raise TimeoutError(f"{len(self._keys) - now} Rollouts do not come to rest")
            known = now
            self._say(f"  all changed, {now:,} at rest")
            await self._until_more(now)

    async def _until_more(self, known: int) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while len(self._seen.at_rest) < len(self._keys):
            await asyncio.sleep(0.1)
            waited = loop.time() - began
            if waited > STALLED_SECONDS or (waited > SAY_SECONDS and len(self._seen.at_rest) != known):
                return

    async def _until_settled(self) -> Cost:
        """Wait until the controller sends nothing more: Events are delivered in their own time."""
        before = await self._place.cost()
        while True:
            await asyncio.sleep(2.0)
            now = await self._place.cost()
            if _but_leases(now) == _but_leases(before):
                return now
            before = now


async def _sent(send: Callable[[Key], Awaitable[object]], key: Key) -> None:
    await send(key)


def _but_leases(cost: Cost) -> dict[tuple[str, str], int]:
    """Requests that are no heartbeat."""
    return {call: count for call, count in cost.requests.items() if call[1] != "leases"}
