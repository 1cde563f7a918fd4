"""What is wrong with an object, where, and in the words that clients of this API know.

Every finding has two paths. `path` is where it is in the JSON, for people and for line numbers. `field` is what the
text of the InvalidSpec condition shows; it leaves out the `canary` or `blueGreen` element, as it has always done.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rollouts.api.codec import Problem, join


class Kind(StrEnum):
    """What sort of wrong it is, as the text says."""

    INVALID = "Invalid value"
    REQUIRED = "Required value"
    FORBIDDEN = "Forbidden"
    DUPLICATE = "Duplicate value"
    UNSUPPORTED = "Unsupported value"
    NOT_FOUND = "Not found"
    INTERNAL = "Internal error"
    MALFORMED = "Malformed value"
    UNKNOWN = "Unknown field"
    UNSOUND = "Invalid"


_KINDS_WITH_VALUE = frozenset({Kind.INVALID, Kind.DUPLICATE, Kind.UNSUPPORTED, Kind.NOT_FOUND})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong; `text` is the whole of it on one line."""

    path: str
    field: str
    kind: Kind
    message: str = ""
    value: Any = None

    @property
    def text(self) -> str:
        """For example `spec.replicas: Invalid value: -1: must be greater than or equal to 0`."""
        shown = [self.field, self.kind.value]
        if self.kind in _KINDS_WITH_VALUE:
            shown.append(json.dumps(self.value, separators=(",", ":"), ensure_ascii=False, default=str))
        return ": ".join([*shown, self.message] if self.message else shown)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an object, by both paths; makes findings about it."""

    field: str
    path: str

    def __truediv__(self, name: str) -> Place:
        """The member `name` of the object here."""
        return Place(join(self.field, name), join(self.path, name))

    def __getitem__(self, index: int) -> Place:
        """The element of the list here."""
        return Place(f"{self.field}[{index}]", f"{self.path}[{index}]")

    def really_at(self, *names: str) -> Place:
        """The same for readers of the text, but found at another member of the JSON."""
        path = self.path
        for name in names:
            path = join(path, name)
        return replace(self, path=path)

    def invalid(self, value: Any, message: str) -> Finding:
        """The value here breaks a rule."""
        return self._finding(Kind.INVALID, message, value)

    def required(self, message: str = "") -> Finding:
        """There must be a value here."""
        return self._finding(Kind.REQUIRED, message)

    def forbidden(self, message: str) -> Finding:
        """There must be no value here."""
        return self._finding(Kind.FORBIDDEN, message)

    def duplicate(self, value: Any) -> Finding:
        """The value here must be unique."""
        return self._finding(Kind.DUPLICATE, "", value)

    def unsupported(self, value: Any, supported: Iterable[str]) -> Finding:
        """The value here is none of those allowed."""
        allowed = ", ".join(f'"{each}"' for each in sorted(supported))
        return self._finding(Kind.UNSUPPORTED, f"supported values: {allowed}", value)

    def not_found(self, value: Any) -> Finding:
        """The value here refers to nothing."""
        return self._finding(Kind.NOT_FOUND, "", value)

    def internal(self, message: str) -> Finding:
        """The value here contradicts another one."""
        return self._finding(Kind.INTERNAL, message)

    def unknown(self, known: Iterable[str]) -> Finding:
        """There is no such field; the nearest of those there are is suggested."""
        name = self.path.rpartition(".")[2]
        near = difflib.get_close_matches(name, list(known), n=1)
        return self._finding(Kind.UNKNOWN, f'did you mean "{near[0]}"?' if near else "")

    def _finding(self, kind: Kind, message: str, value: Any = None) -> Finding:
        return Finding(path=self.path, field=self.field, kind=kind, message=message, value=value)


def at(path: str) -> Place:
    """The place at a JSON path."""
    return Place(path, path)


def malformed(problem: Problem) -> Finding:
    """What could not even be read, as a finding."""
    return Finding(path=problem.path, field=problem.path, kind=Kind.MALFORMED, message=problem.message)
