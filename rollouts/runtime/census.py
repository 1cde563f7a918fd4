"""Counting what the cluster really holds: when the copy is complete, and what in it is a ghost.

A watch tells what changed, not that everything has been told; and deletions during a gap are never told. So the names
of each kind are listed, at the start, after every sign of a relist and now and then: what the list has and the cache
lacks is still to come, what the cache had before and the list lacks is gone. A list that fails says nothing at all,
and a kind that is not installed or not permitted is unreadable, which is not the same as empty. Whoever could not see
a kind looks again when that changes, although no object did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from rollouts.kube.client import Json, KubeClient
from rollouts.kube.discovery import Served, served
from rollouts.kube.errors import ApiError, Denied, NotFound
from rollouts.kube.kinds import CLUSTER_ANALYSIS_TEMPLATES, WATCHED, Key, Kind, label_selector
from rollouts.runtime.cache import Cache, Change, metadata
from rollouts.runtime.pump import Event, Scope

log = structlog.get_logger()

NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
PAGE = "500"
PERIOD_SECONDS = 600.0
ABSENT_KIND_PERIOD_SECONDS = 2.0
RETRY_SECONDS = 1.0
RETRY_MAX_SECONDS = 8.0
RELIST_PAUSE_SECONDS = 2.0  # a relist comes as many events: one count answers them all
DELIVERY_PATIENCE_SECONDS = 5.0  # then what is still missing may have been deleted meanwhile: count again


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Who is told what a census finds out."""

    changed: Callable[[Change], None]
    """A ghost was dropped."""
    served: Callable[[Kind, Served], None]
    """A kind is served so."""
    installed: Callable[[], None]
    """A kind was installed that was not there before."""
    sight: Callable[[], None]
    """A kind can be seen that could not, or cannot be seen any more."""


class Census:
    """Knows for each kind of a scope whether the cache holds all of it, or why it cannot."""

    def __init__(self, client: KubeClient, cache: Cache, scope: Scope, *, news: News) -> None:
        self._client = client
        self._cache = cache
        self._scope = scope
        self._news = news
        self._absent: set[Kind] = set()
        self._reasons: dict[Kind, str] = {
            kind: "a controller of one namespace does not read cluster-scoped kinds"
            for kind in WATCHED
            if kind not in scope.kinds
        }
        self._awaited: dict[Kind, set[Key]] = {}
        self._delivered: dict[Kind, asyncio.Event] = {}
        self._recount: dict[Kind, asyncio.Event] = {kind: asyncio.Event() for kind in scope.kinds}
        self._known: dict[Kind, asyncio.Event] = {kind: asyncio.Event() for kind in scope.kinds}

    def is_complete(self, kinds: tuple[Kind, ...]) -> bool:
        """Whether each of these kinds was counted once and is either all in the cache or unreadable."""
        return all(self._known[kind].is_set() for kind in kinds if kind in self._known)

    def unreadable(self, kind: Kind) -> str | None:
        """Why the cache says nothing about a kind; None: it is complete, or was and is kept up to date."""
        if kind in self._known and not self._known[kind].is_set():
            return f"{kind.plural} have not been listed yet"
        return self._reasons.get(kind)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that are counted."""
        return self._scope.kinds

    async def complete(self, kinds: tuple[Kind, ...]) -> None:
        """Wait until each of these kinds is either all in the cache or unreadable."""
        for kind in kinds:
            if kind in self._known:
                await self._known[kind].wait()

    def heard(self, event: Event, *, was_known: bool) -> None:
        """Take note of a message: it may be one that was awaited, or the sign of a relist."""
        kind = event.entry.kind
        awaited = self._awaited.get(kind)
        if awaited:
            awaited.discard(event.entry.key)
            if not awaited:
                self._delivered[kind].set()
        is_news_of_kind = kind in self._reasons
        if (event.type is None and was_known and self._known[kind].is_set()) or is_news_of_kind:
            self._recount[kind].set()

    def refused(self, kind: Kind) -> None:
        """Take note that a kind could not be watched: perhaps it cannot be listed any more either."""
        self._recount[kind].set()

    async def run(self) -> None:
        """Count every kind now and then, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind in self._scope.kinds:
                group.create_task(self._keep_counting(kind))

    async def _keep_counting(self, kind: Kind) -> None:
        retry, said = RETRY_SECONDS, ""
        while True:
            self._recount[kind].clear()
            try:
                await self._count(kind)
                pause = ABSENT_KIND_PERIOD_SECONDS if kind in self._reasons else PERIOD_SECONDS
                retry = RETRY_SECONDS
                if said:
                    log.info("census_resumed", kind=kind.name)
                said = ""
            except ApiError as error:
                # once for each reason: an API server that is away is away for all kinds, and perhaps for hours
                say = log.debug if error.reason == said else log.warning
                say("census_failed", kind=kind.name, reason=error.reason, error=error.message)
                said = error.reason
                pause = max(retry, error.retry_after_seconds or 0.0)
                retry = min(2 * retry, RETRY_MAX_SECONDS)
            try:
                async with asyncio.timeout(pause):
                    await self._recount[kind].wait()
                await asyncio.sleep(RELIST_PAUSE_SECONDS)
            except TimeoutError:
                pass

    async def _count(self, kind: Kind) -> None:
        before = {key: entry.uid for key in self._cache.keys(kind) if (entry := self._cache.get(kind, key))}
        how = await served(self._client, kind)
        if how is None:
            self._absent.add(kind)
            self._set_unreadable(kind, f"{kind.plural}.{kind.group} are not installed in this cluster")
            return
        if kind in self._absent:
            self._absent.discard(kind)
            self._news.installed()
        self._news.served(kind, how)
        try:
            listed = await self._names(kind)
        except Denied as error:
            self._set_unreadable(kind, f"{kind.plural} cannot be listed: {error.message}")
            return
        except NotFound:
            self._absent.add(kind)
            self._set_unreadable(kind, f"{kind.plural}.{kind.group} are not served by this cluster")
            return
        for key, uid in before.items():
            if key not in listed:
                self._drop_ghost(kind, key, uid)
        await self._await_delivery(kind, {key for key in listed if self._cache.get(kind, key) is None})
        was_hidden = self.unreadable(kind) is not None
        self._reasons.pop(kind, None)
        self._known[kind].set()
        if was_hidden:
            self._news.sight()

    async def _names(self, kind: Kind) -> set[Key]:
        query = {"limit": PAGE}
        selector = label_selector(kind, self._scope.instance_id)
        if selector:
            query["labelSelector"] = selector
        found: set[Key] = set()
        while True:
            page = await self._client.get(kind.path(self._namespace(kind)), query=query, accept=NAMES_ONLY)
            found.update(_key(item) for item in page.get("items") or ())
            following = metadata(page).get("continue")
            if not following:
                return found
            query["continue"] = str(following)

    def _namespace(self, kind: Kind) -> str:
        return "" if kind == CLUSTER_ANALYSIS_TEMPLATES else self._scope.namespace

    async def _await_delivery(self, kind: Kind, missing: set[Key]) -> None:
        if not missing:
            return
        self._delivered[kind] = asyncio.Event()
        self._awaited[kind] = missing
        try:
            async with asyncio.timeout(DELIVERY_PATIENCE_SECONDS):
                await self._delivered[kind].wait()
        except TimeoutError:
            if not self._known[kind].is_set():
                self._recount[kind].set()
                raise _Incomplete(f"{len(missing)} of the {kind.plural} have not arrived by watch yet") from None
        finally:
            self._awaited.pop(kind, None)

    def _drop_ghost(self, kind: Kind, key: Key, uid: str) -> None:
        change = self._cache.drop(kind, key, uid=uid)
        if change is not None:
            log.info("ghost_dropped", kind=kind.name, key=str(key))
            self._news.changed(change)

    def _set_unreadable(self, kind: Kind, why: str) -> None:
        is_news = self.unreadable(kind) != why
        self._reasons[kind] = why
        self._known[kind].set()
        if is_news:
            log.warning("kind_unreadable", kind=kind.name, why=why)
            self._news.sight()


class _Incomplete(ApiError):
    """The watch has not told everything yet."""


def _key(item: Json) -> Key:
    meta = metadata(item)
    return Key(str(meta.get("namespace", "")), str(meta.get("name", "")))
