"""A pod template, or a step list, as Go would hold it: known members only, in Go's order, of the right type.

Tolerant by design: a value of the wrong type is dropped, a list with a bad element is dropped whole, and the rest of
the template stands. What the members mean, and which defaults the API server adds, does not belong here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rollouts.lib import podlayout, quantity

_ZERO: dict[str, Any] = {"s": "", "i": 0, "b": False, "x": 0, "q": "0", "r": None}
_BAD: Any = object()


def ordered(template: object) -> dict[str, Any]:
    """The template as Go's JSON encoder would write it, as a dict in that order."""
    return _struct(podlayout.ROOT, template if isinstance(template, Mapping) else {})


def ordered_steps(steps: object) -> list[Any] | None:
    """A canary's step list as Go's JSON encoder would write it; None for what is no list."""
    if not isinstance(steps, list | tuple):
        return None
    return [_struct(podlayout.STEP, step if isinstance(step, Mapping) else {}) for step in steps]


def _struct(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for member in podlayout.structs()[name]:
        read = _read(member.type, value.get(member.name))
        if read is _BAD:
            read = _absent(member)
        if read is None and not member.is_always_written:
            continue
        if member.is_always_written or member.is_pointer or not _is_zero(member.type, read):
            written[member.name] = read
    return written


def _absent(member: podlayout.Member) -> Any:
    if member.is_pointer or member.type.startswith(("[", "{")):
        return None
    return _ZERO[member.type] if member.type in _ZERO else _struct(member.type, {})


def _is_zero(kind: str, value: Any) -> bool:
    if kind in ("q", "r") or kind in podlayout.structs():
        return False  # Go never leaves out a struct, and a quantity is one
    return value in ("", 0, False) or value == [] or value == {}


def _read(kind: str, value: Any) -> Any:
    """The value as `kind`; _BAD when it is absent or does not fit."""
    if value is None:
        return _BAD
    if kind.startswith("["):
        return _list(kind[1:-1], value)
    if kind.startswith("{"):
        return _map(kind[1:-1], value)
    if kind in _SCALARS:
        return _SCALARS[kind](value)
    return _struct(kind, value) if isinstance(value, Mapping) else _BAD


def _list(kind: str, value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return _BAD
    items = [_read(kind, item) for item in value]
    is_whole = not any(item is _BAD for item in items)
    if kind == "EphemeralContainer":
        is_whole = is_whole and all(_has_sound_quantities(item) for item in value)
    return items if is_whole else _BAD


def _has_sound_quantities(container: Mapping[str, Any]) -> bool:
    """Elsewhere a bad quantity costs itself; in an ephemeral container it has always cost the list."""
    resources = container.get("resources")
    amounts = resources.values() if isinstance(resources, Mapping) else ()
    return all(
        quantity.parse(each) is not None for kind in amounts if isinstance(kind, Mapping) for each in kind.values()
    )


def _map(kind: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return _BAD
    items = {str(key): _read(kind, value[key]) for key in sorted(value, key=str)}
    return {key: item for key, item in items.items() if item is not _BAD}


def _string(value: Any) -> Any:
    return value if isinstance(value, str) else _BAD


def _integer(value: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else _BAD


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else _BAD


def _int_or_string(value: Any) -> Any:
    return value if isinstance(value, str) else _integer(value)


def _quantity(value: Any) -> Any:
    text = quantity.canonical(value)
    return _BAD if text is None else text


def _raw(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _raw(value[key]) for key in sorted(value, key=str)}
    return [_raw(item) for item in value] if isinstance(value, list | tuple) else value


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "s": _string,
    "i": _integer,
    "b": _boolean,
    "x": _int_or_string,
    "q": _quantity,
    "r": _raw,
}
