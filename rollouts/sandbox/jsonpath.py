"""The simple JSONPath that a CustomResourceDefinition's printer columns are written in.

A path is compiled once into a tuple of steps; a step turns one value into any number of values. Missing fields give no
value: an object that lacks something is not an error. Fields (`.a.b`, `['a.b']`, `.a\\.b`), indices, slices, wildcards
and filters (`[?(@.type=="Ready")]`) are what columns use; recursive descent and templates are not part of it.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterator[Any]]

_FIELD = re.compile(r"\.?((?:\\.|[^.\[\]\\'\"\s*])+)")
_BRACKET = re.compile(r"\.?\[(\?\(.*?\)|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\]]*)\]")
_WILDCARD = re.compile(r"\.\*")
_SLICE = re.compile(r"^(-?\d*):(-?\d*)$")
_FILTER = re.compile(r"^\?\(\s*@(.*?)\s*(?:(==|!=|<=|>=|<|>)\s*(.*?)\s*)?\)$")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@lru_cache(maxsize=1024)
def compile_path(path: str) -> tuple[Step, ...]:
    """The steps of a path such as `.status.replicas`; raises ValueError for what is not a path."""
    rest = path.strip()
    if rest.startswith("{") and rest.endswith("}"):
        rest = rest[1:-1]
    rest = rest.removeprefix("$")
    steps: list[Step] = []
    while rest and rest != ".":
        step, length = _next_step(rest, path)
        steps.append(step)
        rest = rest[length:]
    return tuple(steps)


def find(path: str, value: Any) -> list[Any]:
    """Every value the path leads to, in order; empty when there is none."""
    values = [value]
    for step in compile_path(path):
        values = [found for each in values for found in step(each)]
    return values


def _next_step(rest: str, path: str) -> tuple[Step, int]:
    if match := _WILDCARD.match(rest):
        return _every, match.end()
    if match := _BRACKET.match(rest):
        return _bracket(match[1].strip(), path), match.end()
    if match := _FIELD.match(rest):
        return _field(re.sub(r"\\(.)", r"\1", match[1])), match.end()
    raise ValueError(f"{path!r} is not a JSONPath: cannot read {rest!r}")


def _bracket(inside: str, path: str) -> Step:
    if inside == "*":
        return _every
    if inside[:1] in ("'", '"'):
        return _field(re.sub(r"\\(.)", r"\1", inside[1:-1]))
    if match := _SLICE.match(inside):
        return _slice(*(int(bound) if bound else None for bound in match.groups()))
    if match := _FILTER.match(inside):
        return _filter(match[1], match[2], match[3])
    if re.fullmatch(r"-?\d+", inside):
        return _index(int(inside))
    raise ValueError(f"{path!r} is not a JSONPath: cannot read [{inside}]")


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _field(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and value.get(name) is not None:
            yield value[name]

    return step


def _index(index: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _slice(start: int | None, end: int | None) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[start:end]

    return step


def _filter(inner: str, comparison: str | None, literal: str | None) -> Step:
    wanted = _literal(literal) if literal is not None else None

    def step(value: Any) -> Iterator[Any]:
        for item in _every(value):
            found = find(inner, item)
            if found and (comparison is None or _holds(comparison, found[0], wanted)):
                yield item

    return step


def _holds(comparison: str, left: Any, right: Any) -> bool:
    try:
        return bool(_COMPARE[comparison](left, right))
    except TypeError:  # values of different types have no order, so no comparison of them holds
        return False


def _literal(text: str) -> Any:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a literal of a JSONPath filter") from error
