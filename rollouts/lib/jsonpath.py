"""A small JSONPath, as Kubernetes tools write it: `{.items[0].name}`, `$.a['b.c']`, `{..price}`, `{.a[*].b}`.

Finds values; it neither filters nor formats. What a path finds, in document order, is a list: an empty one means that
nothing is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PATH_LENGTH_MAX = 1000  # characters; nobody writes more by hand
FOUND_MAX = 100_000  # values; bounds what `..*` can cost
DEPTH_MAX = 200

_STEP = re.compile(
    r"\.\.(?P<deep>\*|[\w-]+)"
    r"|\.?\[(?:(?P<index>-?[0-9]{1,9})|(?P<all>\*)|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\""
    r"|(?P<start>-?[0-9]{0,9}):(?P<stop>-?[0-9]{0,9}))\]"
    r"|\.(?P<name>\*|[\w-]+)"
)


class BadPath(ValueError):
    """The text is no JSONPath of this dialect; the message names the place."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One step: a name, an index, a slice, or everything (name None); deep steps look at all levels below."""

    name: str | None = None
    index: int | slice | None = None
    is_deep: bool = False


def find(path: str, json: Any) -> list[Any]:
    """The values at `path`. Raises BadPath for what is no path, and for one that finds too much."""
    found = [json]
    for step in parse(path):
        nodes = (node for value in found for node in (_below(value) if step.is_deep else [value]))
        found = []
        for node in nodes:
            found += _matches(step, node)
            if len(found) > FOUND_MAX:
                raise BadPath(f"{path}: finds more than {FOUND_MAX} values")
    return found


def parse(path: str) -> tuple[_Step, ...]:
    """The steps of a path; braces and `$` around it are optional. Raises BadPath."""
    if len(path) > PATH_LENGTH_MAX:
        raise BadPath(f"longer than {PATH_LENGTH_MAX} characters")
    text = path.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    text = text.removeprefix("$").removeprefix("@")
    if text in ("", "."):
        return ()
    steps, position = [], 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise BadPath(f"{path}: cannot be read from {text[position:]!r} on")
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> _Step:
    if match["deep"] is not None:
        return _Step(name=None if match["deep"] == "*" else match["deep"], is_deep=True)
    if match["index"] is not None:
        return _Step(index=int(match["index"]))
    if match["start"] is not None:
        return _Step(index=slice(*(int(end) if end else None for end in (match["start"], match["stop"]))))
    quoted = match["single"] if match["single"] is not None else match["double"]
    if quoted is not None:
        return _Step(name=quoted)
    return _Step(name=None if match["all"] or match["name"] == "*" else match["name"])


def _matches(step: _Step, value: Any) -> list[Any]:
    if step.index is not None:
        return _at(step.index, value)
    if step.name is None:
        return _members(value)
    return [value[step.name]] if isinstance(value, Mapping) and step.name in value else []


def _at(index: int | slice, value: Any) -> list[Any]:
    if not isinstance(value, list):
        return []
    if isinstance(index, slice):
        return value[index]
    return [value[index]] if -len(value) <= index < len(value) else []


def _members(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _below(value: Any, depth: int = 0) -> Iterator[Any]:
    """The value and everything in it, parents first."""
    if depth > DEPTH_MAX:
        raise BadPath(f"the document is nested deeper than {DEPTH_MAX} levels")
    yield value
    for member in _members(value):
        yield from _below(member, depth + 1)
