"""Watches: what happened to a resource since a revision, told as it happens.

A watch is a cursor into the changes that its collection keeps. It sleeps until something changes, sends all that came
after its revision in one go, and ends when its time is up, when the client leaves, or with 410 when the changes it
needs are gone. So a slow client costs no memory. An object that stops matching the selector is told as deleted, one
that begins to match as added.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from rollouts.sandbox import conversion, errors
from rollouts.sandbox.backend import Backend
from rollouts.sandbox.calls import Call
from rollouts.sandbox.faults import Faults
from rollouts.sandbox.presentation import Presenter, encoded, transform_of
from rollouts.sandbox.reading import Reader, revision_of, selector_of
from rollouts.sandbox.resources import Json
from rollouts.sandbox.routing import is_true
from rollouts.sandbox.selectors import Selector
from rollouts.sandbox.store import Change, Compacted, Record, encode

BOOKMARK_SECONDS = 60.0
WATCH_SECONDS_DEFAULT = 1800.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Dropped(Exception):
    """The connection of this watch is to be cut."""


@dataclass(slots=True, kw_only=True)
class _Watch:
    """One watch: what it wants, and how far it is."""

    call: Call
    selector: Selector | None
    revision: int
    sends_initial: bool
    marks_initial: bool
    bookmarks: bool
    ends_at: float
    drops: int
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    is_first_table: bool = True


class Watcher:
    """Answers watch."""

    def __init__(self, backend: Backend, presenter: Presenter, reader: Reader, faults: Faults) -> None:
        self._backend = backend
        self._presenter = presenter
        self._reader = reader
        self._faults = faults
        self._is_closing = False
        self._open: set[asyncio.Event] = set()

    def close(self) -> None:
        """End every watch, as a server that goes down does."""
        self._is_closing = True
        for woken in self._open:
            woken.set()

    def reopen(self) -> None:
        """Take watches again."""
        self._is_closing = False

    def begin(self, call: Call) -> AsyncIterator[bytes]:
        """Check the request, then give the lines of its stream in chunks. Raises ApiError before the first one."""
        transform_of(call)
        return self._stream(self._opened(call))

    def _opened(self, call: Call) -> _Watch:
        query = call.query
        version = query.get("resourceVersion", "")
        asked, initial = revision_of(version), query.get("sendInitialEvents")
        bookmarks = is_true(query.get("allowWatchBookmarks"))
        sends = is_true(initial) if initial is not None else asked == 0
        if sends and asked > self._backend.store.revision:
            raise errors.too_large_version(asked, self._backend.store.revision)
        return _Watch(
            call=call,
            selector=selector_of(call),
            revision=asked if asked and not sends else self._backend.store.revision,
            sends_initial=sends,
            marks_initial=is_true(initial) and bookmarks,
            bookmarks=bookmarks,
            ends_at=asyncio.get_running_loop().time() + _seconds(query.get("timeoutSeconds", "")),
            drops=self._faults.drops,
        )

    async def _stream(self, watch: _Watch) -> AsyncIterator[bytes]:
        collection = self._backend.collection(watch.call.resource)
        collection.listen(watch.woken)
        self._faults.listen(watch.woken)
        self._open.add(watch.woken)
        try:
            if watch.sends_initial:
                yield self._initial(watch)
            async for chunk in self._follow(watch):
                yield chunk
        finally:
            self._open.discard(watch.woken)
            self._faults.ignore(watch.woken)
            collection.ignore(watch.woken)

    def _initial(self, watch: _Watch) -> bytes:
        records = self._reader.selected(watch.call)
        lines = [self._line(watch, "ADDED", record) for _, record in records]
        watch.revision = self._backend.store.revision
        if watch.marks_initial:
            lines.append(self._bookmark(watch, {INITIAL_EVENTS_END: "true"}))
        return b"".join(lines)

    async def _follow(self, watch: _Watch) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        bookmark_at = loop.time() + BOOKMARK_SECONDS
        who = (watch.call.resource.plural, watch.call.user_agent)
        while not self._is_closing:
            if self._faults.is_dropped(*who, since=watch.drops):
                raise Dropped
            watch.woken.clear()
            if not self._faults.is_held(*who):
                try:
                    chunk = self._news(watch)
                except Compacted as gone:
                    yield encode({"type": "ERROR", "object": _too_old(gone).status()}) + b"\n"
                    return
                if chunk:
                    yield chunk
                if watch.bookmarks and loop.time() >= min(bookmark_at, watch.ends_at):
                    bookmark_at = loop.time() + BOOKMARK_SECONDS
                    yield self._bookmark(watch, {})
            if loop.time() >= watch.ends_at:
                return
            await self._wait(watch, until=min(bookmark_at, watch.ends_at))

    async def _wait(self, watch: _Watch, *, until: float) -> None:
        """Sleep until there may be something to do."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await watch.woken.wait()

    def _news(self, watch: _Watch) -> bytes:
        changes = self._backend.collection(watch.call.resource).changes_after(watch.revision)
        watch.revision = max(watch.revision, self._backend.store.revision)
        return b"".join(line for change in changes if (line := self._told(watch, change)) is not None)

    def _told(self, watch: _Watch, change: Change) -> bytes | None:
        """The line for one change, or None when the watch does not want to know."""
        namespace = watch.call.target.namespace
        if namespace is not None and change.key[0] != namespace:
            return None
        if watch.selector is None:
            return self._line(watch, change.type, change.record)
        now = change.type != "DELETED" and self._matches(watch, change.record)
        before = change.previous is not None and self._matches(watch, change.previous)
        match before, now:
            case False, False:
                return None
            case False, True:
                return self._line(watch, "ADDED", change.record)
            case True, True:
                return self._line(watch, "MODIFIED", change.record)
            case _:
                return self._line(watch, "DELETED", _left(change))

    def _matches(self, watch: _Watch, record: Record) -> bool:
        return watch.selector is None or watch.selector(conversion.served(record.object, watch.call.resource))

    def _line(self, watch: _Watch, event: str, record: Record) -> bytes:
        call = watch.call
        if transform_of(call) is None:
            body = encoded(record, call.resource)
        else:
            body = encode(self._transformed(watch, conversion.served(record.object, call.resource)))
        return b'{"type":"' + event.encode() + b'","object":' + body + b"}\n"

    def _transformed(self, watch: _Watch, obj: Json) -> Json:
        document = self._presenter.transformed(watch.call, obj)
        if document["kind"] == "Table":
            if not watch.is_first_table:
                document["columnDefinitions"] = None
            watch.is_first_table = False
        return document

    def _bookmark(self, watch: _Watch, annotations: Json) -> bytes:
        resource = watch.call.resource
        meta: Json = {"resourceVersion": str(watch.revision)}
        if annotations:
            meta["annotations"] = annotations
        obj: Json = {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": meta}
        transform = transform_of(watch.call)
        if transform is not None:
            obj |= {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        if transform == "Table":
            obj = self._marked_row(watch, obj)
        return encode({"type": "BOOKMARK", "object": obj}) + b"\n"

    def _marked_row(self, watch: _Watch, mark: Json) -> Json:
        """A bookmark in a watch of tables: a row without values that carries it."""
        table = self._presenter.table(watch.call, [], list_meta={"resourceVersion": str(watch.revision)})
        empty = {"cells": [""] * len(table["columnDefinitions"]), "object": mark}
        return table | {"columnDefinitions": None, "rows": [empty]}


def _left(change: Change) -> Record:
    """The last state that matched, at the revision of the change that ended it."""
    if change.type == "DELETED" or change.previous is None:
        return change.record
    obj = change.previous.object
    return Record({**obj, "metadata": {**obj["metadata"], "resourceVersion": str(change.revision)}}, change.revision)


def _seconds(text: str) -> float:
    return float(text) if text and int(text) > 0 else WATCH_SECONDS_DEFAULT


def _too_old(gone: Compacted) -> errors.ApiError:
    return errors.expired(f"too old resource version: {gone.revision} ({gone.oldest})")
