"""A pod template, or a step list, as Go would hold it: known members only, in Go's order, of the right type.

Tolerant by design: a value of the wrong type is dropped, a list with a bad element is dropped whole, and the rest of
the template stands. What the members mean, and which defaults the API server adds, does not belong here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.lib import podlayout, quantity

QuantityText = Callable[[object], str | None]

_ZERO: dict[str, Any] = {"s": "", "i": 0, "b": False, "x": 0, "q": "0", "r": None}
_BAD: Any = object()


def ordered(template: object, quantity_text: QuantityText = quantity.as_go_writes) -> dict[str, Any]:
    """The template as Go's JSON encoder would write it, as a dict in that order.

    `quantity_text` says how quantities are written; None for what is none.
    """
    return _Reader(quantity_text).struct(podlayout.ROOT, template if isinstance(template, Mapping) else {})


def ordered_steps(steps: object) -> list[Any] | None:
    """A canary's step list as Go's JSON encoder would write it; None for what is no list."""
    if not isinstance(steps, list | tuple):
        return None
    read = _Reader(quantity.as_go_writes)
    return [read.struct(podlayout.STEP, step if isinstance(step, Mapping) else {}) for step in steps]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads values by the types of the layout."""

    quantity_text: QuantityText

    def struct(self, name: str, value: Mapping[str, Any]) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for member in podlayout.structs()[name]:
            read = self.value(member.type, value.get(member.name))
            if read is _BAD:
                read = self.absent(member)
            if read is None and not member.is_always_written:
                continue
            if member.is_always_written or member.is_pointer or not _is_zero(member.type, read):
                written[member.name] = read
        return written

    def absent(self, member: podlayout.Member) -> Any:
        if member.is_pointer or member.type.startswith(("[", "{")):
            return None
        return _ZERO[member.type] if member.type in _ZERO else self.struct(member.type, {})

    def value(self, kind: str, value: Any) -> Any:
        """The value as `kind`; _BAD when it is absent or does not fit."""
        if value is None:
            return _BAD
        if kind.startswith("["):
            return self.sequence(kind[1:-1], value)
        if kind.startswith("{"):
            return self.mapping(kind[1:-1], value)
        if kind == "q":
            text = self.quantity_text(value)
            return _BAD if text is None else text
        if kind in _SCALARS:
            return _SCALARS[kind](value)
        return self.struct(kind, value) if isinstance(value, Mapping) else _BAD

    def sequence(self, kind: str, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return _BAD
        items = [self.value(kind, item) for item in value]
        is_whole = not any(item is _BAD for item in items)
        if kind == "EphemeralContainer":
            is_whole = is_whole and all(_has_sound_quantities(item) for item in value)
        return items if is_whole else _BAD

    def mapping(self, kind: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return _BAD
        items = {str(key): self.value(kind, value[key]) for key in sorted(value, key=str)}
        return {key: item for key, item in items.items() if item is not _BAD}


def _is_zero(kind: str, value: Any) -> bool:
    if kind in ("q", "r") or kind in podlayout.structs():
        return False  # Go never leaves out a struct, and a quantity is one
    return value in ("", 0, False) or value == [] or value == {}


def _has_sound_quantities(container: Mapping[str, Any]) -> bool:
    """Elsewhere a bad quantity costs itself; in an ephemeral container it has always cost the list."""
    resources = container.get("resources")
    amounts = resources.values() if isinstance(resources, Mapping) else ()
    return all(
        quantity.parse(each) is not None for kind in amounts if isinstance(kind, Mapping) for each in kind.values()
    )


def _string(value: Any) -> Any:
    return value if isinstance(value, str) else _BAD


def _integer(value: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else _BAD


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else _BAD


def _int_or_string(value: Any) -> Any:
    return value if isinstance(value, str) else _integer(value)


def _raw(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _raw(value[key]) for key in sorted(value, key=str)}
    return [_raw(item) for item in value] if isinstance(value, list | tuple) else value


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "s": _string,
    "i": _integer,
    "b": _boolean,
    "x": _int_or_string,
    "r": _raw,
}
