"""Getting one object and listing many: selectors, pages, and lists as they were at a revision.

A page's `continue` token carries the revision of the first page and the key to go on after, so that all pages show one
moment. When that moment is no longer known the client gets 410 with a token that continues in the present.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from rollouts.sandbox import conversion, errors
from rollouts.sandbox.backend import Backend
from rollouts.sandbox.calls import Call
from rollouts.sandbox.presentation import Presenter, Reply
from rollouts.sandbox.resources import Json
from rollouts.sandbox.selectors import Selector, compile_selector
from rollouts.sandbox.store import Compacted, Key, Record

LATEST = -1
"""The revision of a token that continues in the present."""


@dataclass(frozen=True, slots=True)
class _Page:
    """Where a list goes on: after a key, as of a revision."""

    revision: int
    after: Key

    def token(self) -> str:
        """The text a client hands back."""
        raw = json.dumps({"v": "meta.k8s.io/v1", "rv": self.revision, "start": list(self.after)})
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def _page(token: str) -> _Page:
    try:
        raw = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = raw["start"]
        return _Page(int(raw["rv"]), (namespace, name))
    except (ValueError, KeyError, TypeError) as failure:
        raise errors.bad_request(f"invalid continue token: continue key is not valid: {failure}") from failure


def selector_of(call: Call) -> Selector | None:
    """What the query selects, as a predicate over objects as the resource serves them; a name selects as a field."""
    selector = compile_selector(call.query.get("labelSelector", ""), call.query.get("fieldSelector", ""), call.resource)
    name = call.target.name
    if not name:
        return selector
    return lambda obj: obj["metadata"]["name"] == name and (selector is None or selector(obj))


def revision_of(text: str, *, refused: Callable[[str], errors.ApiError] = errors.broken) -> int:
    """A resourceVersion as a number; 0 for none. Raises what `refused` makes of the complaint about another text."""
    if text and not (text.isascii() and text.isdigit()):
        why = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise refused(why)
    return int(text or 0)


class Reader:
    """Answers get and list."""

    def __init__(self, backend: Backend, presenter: Presenter) -> None:
        self._backend = backend
        self._presenter = presenter

    def get(self, call: Call) -> Reply:
        """One object. Raises NotFound, and Timeout for a state that is yet to come."""
        asked = revision_of(call.query.get("resourceVersion", ""))
        if asked > self._backend.store.revision:
            raise errors.too_large_version(asked, self._backend.store.revision)
        return self._presenter.one(call, self._backend.require(call.resource, call.target.key))

    def list_many(self, call: Call) -> Reply:
        """The objects that the query selects, or a page of them."""
        revision, after = self._start(call)
        records = self._records(call, revision, after)
        limit = self._limit(call)
        meta: Json = {"resourceVersion": str(self._backend.store.revision if revision == LATEST else revision)}
        if limit and len(records) > limit:
            page = _Page(int(meta["resourceVersion"]), records[limit - 1][0])
            meta["continue"] = page.token()
            if not call.query.get("labelSelector") and not call.query.get("fieldSelector"):
                meta["remainingItemCount"] = len(records) - limit
            records = records[:limit]
        return self._presenter.many(call, [record for _, record in records], meta)

    def selected(self, call: Call) -> list[tuple[Key, Record]]:
        """Every object that the query selects now."""
        return self._records(call, LATEST, None)

    def _limit(self, call: Call) -> int:
        return max(int(call.query.get("limit") or 0), 0)

    def _start(self, call: Call) -> tuple[int, Key | None]:
        """The revision to show and the key to go on after."""
        token, match = call.query.get("continue", ""), call.query.get("resourceVersionMatch", "")
        asked = revision_of(call.query.get("resourceVersion", ""), refused=errors.bad_version)
        if token:
            if asked:
                raise errors.bad_request("specifying resource version is not allowed when using continue")
            page = _page(token)
            return page.revision, page.after
        if asked > self._backend.store.revision:
            raise errors.too_large_version(asked, self._backend.store.revision)
        return (asked if match == "Exact" else LATEST), None

    def _records(self, call: Call, revision: int, after: Key | None) -> list[tuple[Key, Record]]:
        collection, namespace = self._backend.collection(call.resource), call.target.namespace
        try:
            if revision in (LATEST, self._backend.store.revision):
                records = collection.records(namespace)
            else:
                records = collection.records_at(revision, namespace)
        except Compacted as gone:
            raise _expired(after) from gone
        if after is not None:
            records = records[bisect_right(records, after, key=lambda pair: pair[0]) :]
        selector = selector_of(call)
        if selector is None:
            return records
        resource = call.resource
        return [(key, record) for key, record in records if selector(conversion.served(record.object, resource))]


def _expired(after: Key | None) -> errors.ApiError:
    if after is None:
        return errors.expired("The resourceVersion for the provided list is too old.")
    return errors.expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        continue_token=_Page(LATEST, after).token(),
    )
