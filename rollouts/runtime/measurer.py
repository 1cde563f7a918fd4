"""Sends the queries of analysis runs to their providers, and keeps the answers for the next turn.

Secrets are read when a query is sent and are kept no longer than it takes. A query that could not be sent, because
the API server did not hand out a Secret in time or other backends kept all threads waiting, is withdrawn and decided on
again; only what a backend answered, or failed to answer within its deadline, becomes a reading. What a reading means
does not belong here.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from rollouts.core.actions import Measure
from rollouts.core.arguments import ArgumentError, with_secrets
from rollouts.core.observed import ReadingSeen
from rollouts.kube.errors import ApiError, Denied, NotFound
from rollouts.kube.kinds import Key
from rollouts.ports import MetricProvider, Pending, Query, Reading
from rollouts.runtime.clock import utc_now
from rollouts.runtime.fairpool import FairPool, NoTurn
from rollouts.runtime.readings import Readings

log = structlog.get_logger()

DEADLINE_SECONDS = 60.0  # for one call of a provider; its own timeout is usually shorter
GRACE_SECONDS = 2.0  # for a provider to notice its deadline itself
TURN_WAIT_SECONDS = 60.0  # for a thread, when a backend is asked more than it can answer

SecretReader = Callable[[Key], Awaitable[Mapping[str, Any]]]


class _Refused(Exception):
    """The query cannot be sent as it is; the text says why and becomes the reading's error."""


class Measurer:
    """Asks providers, each query in a task of its own."""

    def __init__(
        self,
        providers: Mapping[str, MetricProvider],
        readings: Readings,
        *,
        read_secret: SecretReader,
        on_answer: Callable[[Key], None],
        on_failure: Callable[[Key, float], None],
        pool: FairPool | None = None,
    ) -> None:
        self._providers = providers
        self._readings = readings
        self._read_secret = read_secret
        self._on_answer = on_answer
        self._on_failure = on_failure
        self._pool = pool or FairPool()
        self._tasks: dict[str, set[asyncio.Task[None]]] = {}

    def start(self, key: Key, action: Measure) -> None:
        """Send a query, unless it was sent before; the answer comes through the readings."""
        slot = (action.metric, action.ordinal)
        if not self._readings.ask(action.run_uid, slot):
            return
        task = asyncio.get_running_loop().create_task(self._measure(key, action))
        tasks = self._tasks.setdefault(action.run_uid, set())
        tasks.add(task)
        task.add_done_callback(lambda done: self._ended(action.run_uid, done))

    def drop(self, uid: str) -> None:
        """The run is over: nobody waits for its answers any more."""
        for task in tuple(self._tasks.get(uid, ())):
            task.cancel()
        self._readings.drop(uid)

    async def close(self) -> None:
        """Give up all queries."""
        tasks = [task for tasks in self._tasks.values() for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, uid: str, task: asyncio.Task[None]) -> None:
        tasks = self._tasks.get(uid, set())
        tasks.discard(task)
        if not tasks:
            self._tasks.pop(uid, None)

    async def _measure(self, key: Key, action: Measure) -> None:
        started = utc_now()
        secrets: tuple[str, ...] = ()
        try:
            values = await self._secrets(key.namespace, action.secrets)
            secrets = tuple(values.values())
            reading = await self._ask(key, action, values)
        except _Refused as refused:
            reading = Reading(error=str(refused))
        except ApiError as error:
            self._put_off(key, action, why=error.message, seconds=error.retry_after_seconds or 0.0)
            return
        except NoTurn:
            self._put_off(key, action, why="all threads wait for backends", seconds=0.0)
            return
        seen = ReadingSeen(
            metric=action.metric,
            ordinal=action.ordinal,
            started_at=started,
            finished_at=utc_now(),
            value=reading.value,
            text=reading.text,
            error=reading.error,
            metadata=reading.metadata,
            about=reading.about,
            secrets=secrets,
        )
        if self._readings.answer(action.run_uid, seen):
            self._on_answer(key)

    def _put_off(self, key: Key, action: Measure, *, why: str, seconds: float) -> None:
        """Nothing was asked, so nothing is known: have it decided on again."""
        log.info("query_not_sent", metric=action.metric, run=str(key), error=why)
        self._readings.withdraw(action.run_uid, (action.metric, action.ordinal))
        self._on_failure(key, seconds)

    async def _secrets(self, namespace: str, wanted: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        return {
            argument: await self._secret(Key(namespace, name), member) for argument, (name, member) in wanted.items()
        }

    async def _secret(self, key: Key, member: str) -> str:
        try:
            secret = await self._read_secret(key)
        except (NotFound, Denied) as error:
            raise _Refused(f"Secret {key}: {error.message}") from error
        encoded = (secret.get("data") or {}).get(member)
        if encoded is None:
            raise _Refused(f"key '{member}' does not exist in secret '{key.name}'")
        try:
            return base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise _Refused(f"Secret {key}: the value of {member} is not text") from error

    async def _ask(self, key: Key, action: Measure, secrets: Mapping[str, str]) -> Reading:
        name, section = self._provider_of(action)
        provider = self._providers[name]
        try:
            config = with_secrets(section, secrets)
        except ArgumentError as error:
            raise _Refused(str(error)) from error
        lane = f"{name} {section.get('address') or key.namespace}"
        pending: Pending | None = None
        while True:
            query = Query(
                config=config, now=utc_now(), deadline_seconds=DEADLINE_SECONDS, secrets=tuple(secrets.values())
            )
            answer = await self._call(lane, provider, query, pending)
            if isinstance(answer, Reading):
                return answer
            pending = answer
            await asyncio.sleep(max(0.0, (pending.resume_at - utc_now()).total_seconds()))

    def _provider_of(self, action: Measure) -> tuple[str, Mapping[str, Any]]:
        sections = action.spec.get("provider") or {}
        served = [name for name in sections if name in self._providers]
        if len(sections) != 1 or not served:
            raise _Refused(f"provider {', '.join(sections) or '(none)'}: not served by this version of the controller")
        section = sections[served[0]]
        return served[0], section if isinstance(section, Mapping) else {}

    async def _call(
        self, lane: str, provider: MetricProvider, query: Query, pending: Pending | None
    ) -> Reading | Pending:
        def work() -> Reading | Pending:
            return provider.begin(query) if pending is None else provider.resume(query, pending)

        try:
            return await self._pool.run(
                lane, work, wait_seconds=TURN_WAIT_SECONDS, run_seconds=query.deadline_seconds + GRACE_SECONDS
            )
        except TimeoutError:
            return Reading(error=f"no answer within {query.deadline_seconds:g} seconds")
        except NoTurn:
            raise
        except Exception as error:  # a provider's bug costs its own metric only
            log.error("provider_failed", lane=lane, error=type(error).__name__, exc_info=not query.secrets)
            return Reading(error=f"the provider failed with {type(error).__name__}; see the controller's log")
