"""Conditions: users' expressions over `result`, evaluated with nothing at hand but the value and the time.

Evaluation is a walk over the tree of expression_tree.py with a budget of steps, so that no expression and no result can
hold the controller up. `and`, `or`, `??` and `? :` look only at the operands they need. What a condition's answer comes
to belongs to judging.py; functions are in expression_functions.py, operators in expression_values.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from rollouts.core import expression_values as values
from rollouts.core.expression_functions import FUNCTIONS, Function
from rollouts.core.expression_predicates import PREDICATES
from rollouts.core.expression_syntax import parse
from rollouts.core.expression_tree import (
    Binary,
    Call,
    Chain,
    Choice,
    ExpressionError,
    Items,
    Literal,
    Member,
    Name,
    Node,
    Pairs,
    Pointer,
    Slice,
    Unary,
    nodes,
)

__all__ = ["Answer", "ExpressionError", "check", "evaluate", "moment", "parse", "require_bool"]

STEPS_MAX = 200_000

_RESULT = "result"
_NOTHING = object()
"""What an optional member of nil is, up to the end of its chain."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an expression came to. `names`: see Program. `compared`: "NaN" and "Inf" where one was compared."""

    value: Any
    names: frozenset[str]
    compared: frozenset[str]


def evaluate(text: str, *, result: Any, now: datetime) -> Answer:
    """The value of an expression over `result`. Raises ExpressionError, and nothing else."""
    program = parse(text)
    walk = _Walk(result=result, now=now)
    value = walk.value(program.root)
    return Answer(value, program.names, frozenset(walk.compared))


def check(text: str) -> None:
    """Raise ExpressionError for what is wrong whatever the result is: syntax, names, numbers of arguments."""
    for node in nodes(parse(text).root):
        match node:
            case Name(name) if name != _RESULT:
                raise ExpressionError(f"unknown name {name}")
            case Call():
                _known(node)


def require_bool(value: Any) -> bool:
    """`value`, which a condition must make a bool. Raises ExpressionError."""
    if not isinstance(value, bool):
        raise ExpressionError(f"expected bool, but got {values.type_name(value)}")
    return value


def moment(text: str, now: datetime) -> datetime:
    """The time that an expression means, such as `now() - duration("5m")`. Raises ExpressionError."""
    value = evaluate(text, result=None, now=now).value
    if not isinstance(value, datetime):
        raise ExpressionError(f"expected time, but got {values.type_name(value)}")
    return value


def _known(call: Call) -> Function:
    """The function that is called. Raises ExpressionError when there is none, or none with so many arguments."""
    function = FUNCTIONS.get(call.name) or PREDICATES.get(call.name)
    if function is None:
        raise ExpressionError(f"unknown name {call.name}")
    if not function.args_min <= len(call.args) <= function.args_max:
        few = "not enough" if len(call.args) < function.args_min else "too many"
        raise ExpressionError(f"{few} arguments to call {call.name}")
    return function


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a predicate sees."""

    item: Any
    index: int
    acc: Any


class _Walk:
    """One evaluation: its budget, what it looks at, and what it has met."""

    def __init__(self, *, result: Any, now: datetime) -> None:
        self.result = result
        self.now = now
        self.steps = 0
        self.frames: list[_Frame] = []
        self.compared: set[str] = set()

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > STEPS_MAX:
            raise ExpressionError("expression takes too many steps")

    def note(self, *operands: Any) -> None:
        self.compared |= values.specials(*operands)

    def value(self, node: Node) -> Any:
        self.spend(1)
        match node:
            case Literal() | Name() | Pointer():
                return self.leaf(node)
            case Items() | Pairs() | Slice():
                return self.compound(node)
            case Member():
                return self.member(node)
            case Chain(of):
                found = self.value(of)
                return None if found is _NOTHING else found
            case Unary() | Binary() | Choice():
                return self.operation(node)
            case Call():
                return self.call(node)
            case _:
                assert_never(node)

    def leaf(self, node: Literal | Name | Pointer) -> Any:
        match node:
            case Literal(value):
                return value
            case Name(name):
                return self.variable(name)
            case Pointer(name):
                return self.pointed(name)
            case _:
                assert_never(node)

    def compound(self, node: Items | Pairs | Slice) -> Any:
        match node:
            case Items(items):
                return [self.value(item) for item in items]
            case Pairs(pairs):
                return {str(self.value(key)): self.value(member) for key, member in pairs}
            case Slice(of, start, end):
                bounds = [None if bound is None else self.value(bound) for bound in (start, end)]
                found = values.sliced(self.value(of), *bounds)
                self.spend(len(found))
                return found
            case _:
                assert_never(node)

    def operation(self, node: Unary | Binary | Choice) -> Any:
        match node:
            case Unary(sign, operand):
                return self.unary(sign, self.value(operand))
            case Binary(sign, left, right):
                return self.binary(sign, left, right)
            case Choice(condition, then, otherwise):
                return self.value(then if self.truth(self.value(condition), "?:") else otherwise)
            case _:
                assert_never(node)

    def variable(self, name: str) -> Any:
        if name == _RESULT:
            return self.result
        raise ExpressionError(f"unknown name {name}")

    def pointed(self, name: str) -> Any:
        if not self.frames:
            raise ExpressionError("cannot use # outside of a predicate")
        frame = self.frames[-1]
        found = {"#": frame.item, "#index": frame.index, "#acc": frame.acc}
        if name not in found:
            raise ExpressionError(f"unknown pointer {name}")
        return found[name]

    def member(self, node: Member) -> Any:
        of = self.value(node.of)
        if of is _NOTHING or (of is None and node.is_optional):
            return _NOTHING
        return values.fetched(of, self.value(node.key))

    def unary(self, sign: str, operand: Any) -> Any:
        if sign == "not":
            return not self.truth(operand, "not")
        return values.negated(operand) if sign == "-" else values.negated(values.negated(operand))

    def truth(self, value: Any, sign: str) -> bool:
        if not isinstance(value, bool):
            raise ExpressionError(f"invalid operation: {sign} (mismatched type {values.type_name(value)})")
        return value

    def binary(self, sign: str, left: Node, right: Node) -> Any:
        first = self.value(left)
        if sign in ("and", "or"):
            is_decided = self.truth(first, sign) == (sign == "or")
            return first if is_decided else self.truth(self.value(right), sign)
        if sign == "??":
            return self.value(right) if first is None else first
        return self.joined(sign, first, self.value(right))

    def joined(self, sign: str, left: Any, right: Any) -> Any:
        if sign in ("==", "!=", "<", "<=", ">", ">="):
            return self.comparison(sign, left, right)
        if sign in ("in", "not in"):
            self.look_through(right)
            return values.is_in(left, right) == (sign == "in")
        if sign == "..":
            return self.listed(values.span(left, right))
        if sign in ("contains", "startsWith", "endsWith", "matches"):
            return values.textual(sign, left, right)
        return values.arithmetic(sign, left, right)

    def comparison(self, sign: str, left: Any, right: Any) -> bool:
        self.note(left, right)
        if sign not in ("==", "!="):
            return values.ordered(sign, left, right)
        self.look_through(left)
        return values.equal(left, right) == (sign == "==")

    def look_through(self, value: Any) -> None:
        """Pay for, and note, the items that a comparison looks at."""
        if values.is_list(value) or isinstance(value, Mapping):
            self.spend(len(value))
            self.note(*(value.values() if isinstance(value, Mapping) else value))

    def listed(self, items: list[Any]) -> list[Any]:
        self.spend(len(items))
        return items

    def call(self, node: Call) -> Any:
        function = _known(node)
        if node.name in PREDICATES:
            return self.predicated(function, node)
        args = [self.value(arg) for arg in node.args]
        return function.run(self, *args)

    def predicated(self, function: Function, node: Call) -> Any:
        """A function that asks something of each item of its first argument."""
        first, *rest = node.args
        of = self.value(first)
        body = rest[0] if rest else Pointer("#")
        extra = [self.value(arg) for arg in rest[1:]]
        return function.run(self, of, self.asker(body), *extra)

    def asker(self, body: Node) -> Callable[..., Any]:
        """`body` as a function of (item, index, acc)."""

        def ask(item: Any, index: int, acc: Any = None) -> Any:
            self.frames.append(_Frame(item, index, acc))
            try:
                return self.value(body)
            finally:
                self.frames.pop()

        return ask
