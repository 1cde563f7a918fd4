"""Conditions against a dumb twin: the same expressions, fully parenthesised, evaluated by Python.

The generator builds a tree and two texts: one in the language, with as few parentheses as precedence allows, and the
value by plain recursion. If parser, precedence or short-circuiting is wrong, the two disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.core.expression import ExpressionError, evaluate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RESULT = [0.5, 2.0, 7.0]


@dataclass(frozen=True)
class Twin:
    """An expression: how tightly it binds, its text, and its value."""

    strength: int
    text: str
    value: Any

    def inside(self, strength: int) -> str:
        """The text as an operand of something that binds so tightly."""
        return self.text if self.strength >= strength else f"({self.text})"


ATOM = 1000
NUMBERS = st.one_of(
    st.integers(0, 50).map(lambda n: Twin(ATOM, str(n), n)),
    st.sampled_from([0.5, 1.25, 3.0]).map(lambda x: Twin(ATOM, str(x), x)),
    st.integers(0, 2).map(lambda i: Twin(ATOM, f"result[{i}]", RESULT[i])),
    st.sampled_from([Twin(ATOM, "len(result)", 3), Twin(ATOM, "max(result)", 7.0), Twin(ATOM, "sum(result)", 9.5)]),
)
ARITHMETIC = {"+": 30, "-": 30, "*": 60, "/": 60}
ORDER = ["<", "<=", ">", ">=", "==", "!="]


def calculated(sign: str, left: Any, right: Any) -> Any:
    """The twin's arithmetic and order."""
    if sign == "/":
        if right == 0:
            return (
                math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)
            )
        return left / right
    table = {
        "+": left + right, "-": left - right, "*": left * right, "<": left < right, "<=": left <= right,
        ">": left > right, ">=": left >= right, "==": left == right, "!=": left != right,
    }  # fmt: skip
    return table[sign]


def binary(sign: str, strength: int, left: Twin, right: Twin) -> Twin:
    """A left-associative operator."""
    text = f"{left.inside(strength)} {sign} {right.inside(strength + 1)}"
    return Twin(strength, text, calculated(sign, left.value, right.value))


def negative(operand: Twin) -> Twin:
    """Unary minus."""
    return Twin(90, f"-{operand.inside(91)}", -operand.value)


def numbers(children: st.SearchStrategy[Twin]) -> st.SearchStrategy[Twin]:
    """Larger numeric expressions."""
    operators = st.sampled_from(sorted(ARITHMETIC.items()))
    joined = st.builds(lambda op, a, b: binary(op[0], op[1], a, b), operators, children, children)
    return st.one_of(joined, children.map(negative))


NUMERIC = st.recursive(NUMBERS, numbers, max_leaves=8)
COMPARISONS = st.builds(lambda sign, a, b: binary(sign, 20, a, b), st.sampled_from(ORDER), NUMERIC, NUMERIC)
BOOLS = st.one_of(
    COMPARISONS,
    st.booleans().map(lambda value: Twin(ATOM, str(value).lower(), value)),
    st.integers(0, 8).map(lambda n: Twin(ATOM, f"all(result, # < {n})", all(x < n for x in RESULT))),
    st.integers(0, 8).map(lambda n: Twin(ATOM, f"any(result, {{# > {n}}})", any(x > n for x in RESULT))),
)


def logic(children: st.SearchStrategy[Twin]) -> st.SearchStrategy[Twin]:
    """Larger conditions."""

    def joined(sign: str, left: Twin, right: Twin) -> Twin:
        strength = 15 if sign in ("and", "&&") else 10
        value = (left.value and right.value) if strength == 15 else (left.value or right.value)
        return Twin(strength, f"{left.inside(strength)} {sign} {right.inside(strength + 1)}", value)

    def chosen(condition: Twin, then: Twin, otherwise: Twin) -> Twin:
        text = f"{condition.inside(1)} ? {then.inside(0)} : {otherwise.inside(0)}"
        return Twin(0, text, then.value if condition.value else otherwise.value)

    return st.one_of(
        st.builds(joined, st.sampled_from(["and", "or", "&&", "||"]), children, children),
        st.builds(
            lambda sign, a: Twin(50, f"{sign}{a.inside(51)}", not a.value), st.sampled_from(["!", "not "]), children
        ),
        st.builds(chosen, children, children, children),
    )


CONDITIONS = st.recursive(BOOLS, logic, max_leaves=8)


def is_alike(found: Any, wanted: Any) -> bool:
    """Equal, of one type, NaN equal to itself."""
    if isinstance(wanted, float) and math.isnan(wanted):
        return isinstance(found, float) and math.isnan(found)
    return type(found) is type(wanted) and bool(found == wanted)


@settings(max_examples=400, deadline=None)
@given(st.one_of(NUMERIC, CONDITIONS))
def test_value_is_the_twin_s(twin: Twin) -> None:
    """Precedence, associativity, number types and logic agree with plain recursion."""
    found = evaluate(twin.text, result=RESULT, now=NOON).value
    assert is_alike(found, twin.value), twin.text


TOKENS = st.sampled_from(
    ["result", "[0]", "(", ")", "[", "]", "{", "}", ".a", "?.", "#", "1", "1.5", "'x'", "nil", "true", " and ", " or ",
     "!", "not ", "-", "+", "*", "/", "%", "**", "==", "<", " in ", " matches ", "..", "?", ":", "??", "|", ",",
     "all(", "map(", "max(", "len(", "isNaN(", "default(", "duration(", "now()", "string("]
)  # fmt: skip
RESULTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)


@settings(max_examples=600, deadline=None)
@given(st.one_of(st.lists(TOKENS, max_size=15).map("".join), st.text(max_size=30)), RESULTS)
def test_nothing_but_an_expression_error_comes_out(text: str, result: Any) -> None:
    """Whatever is written, over whatever came back: a value or an ExpressionError."""
    try:
        evaluate(text, result=result, now=NOON)
    except ExpressionError as error:
        assert str(error)
