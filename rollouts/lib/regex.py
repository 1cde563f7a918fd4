"""Regular expressions in time linear to the text: users' patterns must not be able to stop the controller.

A pattern becomes a non-deterministic automaton, and all its states advance together, one character at a time. The
answer is only whether the pattern occurs in the text; what it matched does not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from rollouts.lib import regex_syntax
from rollouts.lib.regex_syntax import BadPattern, Chars, Edge, Either, Node, Repeat, Sequence

__all__ = ["BadPattern", "occurs"]

STATES_MAX = 5000
WORK_MAX = 2_000_000  # states times characters


@dataclass(frozen=True, slots=True)
class _Fork:
    """A state that is in several places at once."""

    ways: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """The state of having matched."""


_State = Chars | Edge | _Fork | _Found


def occurs(pattern: str, text: str) -> bool:
    """Whether `pattern` matches anywhere in `text` (unanchored). Raises BadPattern."""
    program = _program(pattern)
    if len(program) * (len(text) + 1) > WORK_MAX:
        raise BadPattern("pattern and text are too large together")
    current: set[int] = set()
    for position in range(len(text) + 1):
        current = _reached(program, current | {0}, text, position)
        if len(program) - 1 in current:
            return True
        if position < len(text):
            current = _advanced(program, current, text[position])
    return False


def _advanced(program: tuple[_State, ...], states: set[int], char: str) -> set[int]:
    return {index + 1 for index in states if isinstance(state := program[index], Chars) and state.holds(char)}


def _reached(program: tuple[_State, ...], starts: set[int], text: str, position: int) -> set[int]:
    """All states that `starts` lead to without taking a character."""
    seen: set[int] = set()
    waiting = list(starts)
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        state = program[index]
        if isinstance(state, _Fork):
            waiting += state.ways
        elif isinstance(state, Edge) and _is_at(state, text, position):
            waiting.append(index + 1)
    return seen


def _is_at(edge: Edge, text: str, position: int) -> bool:
    before, after = text[max(0, position - 1) : position], text[position : position + 1]
    match edge.kind:
        case "^":
            return not before or (edge.is_multiline and before == "\n")
        case "$":
            return not after or (edge.is_multiline and after == "\n")
        case "A":
            return not before
        case "z":
            return not after
    is_boundary = _is_word(before) != _is_word(after)
    return is_boundary == (edge.kind == "b")


def _is_word(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


@lru_cache(maxsize=256)
def _program(pattern: str) -> tuple[_State, ...]:
    program: list[_State] = []
    _write(regex_syntax.parse(pattern), program)
    return (*program, _Found())


def _write(node: Node, program: list[_State]) -> None:
    """Append the states of `node`; what follows it comes right after them."""
    if len(program) > STATES_MAX:
        raise BadPattern("pattern is too large")
    match node:
        case Chars() | Edge():
            program.append(node)
        case Sequence(parts):
            for part in parts:
                _write(part, program)
        case Either(options):
            _write_either(options, program)
        case Repeat():
            _write_repeat(node, program)
        case _:
            assert_never(node)


def _write_either(options: tuple[Node, ...], program: list[_State]) -> None:
    fork = len(program)
    program.append(_Fork(()))
    starts, ends = [], []
    for option in options:
        starts.append(len(program))
        _write(option, program)
        ends.append(len(program))
        program.append(_Fork(()))
    program[fork] = _Fork(tuple(starts))
    for end in ends:
        program[end] = _Fork((len(program),))


def _write_repeat(node: Repeat, program: list[_State]) -> None:
    for _ in range(node.least):
        before = len(program)
        _write(node.part, program)
        if len(program) == before:
            break  # nothing, any number of times
    if node.most is None:
        loop = len(program)
        program.append(_Fork(()))
        _write(node.part, program)
        program.append(_Fork((loop,)))
        program[loop] = _Fork((loop + 1, len(program)))
        return
    skips = []
    for _ in range(node.most - node.least):
        skips.append(len(program))
        program.append(_Fork(()))
        _write(node.part, program)
    for skip in skips:
        program[skip] = _Fork((skip + 1, len(program)))
