"""Conditions: what every form of the language comes to, and what each misuse is answered with."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollouts.core.expression import ExpressionError, evaluate, moment, require_bool

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAN = math.nan
INF = math.inf

VALUES: list[tuple[str, Any, Any]] = [
    # literals
    ("1", None, 1),
    ("1.5", None, 1.5),
    (".5", None, 0.5),
    ("1e3", None, 1000.0),
    ("2.5E-1", None, 0.25),
    ("1_000", None, 1000),
    ("0x1F", None, 31),
    ("'a'", None, "a"),
    ('"a"', None, "a"),
    ("`a\\n`", None, "a\\n"),
    (r"'it\'s'", None, "it's"),
    (r'"\u00e9\x41\n"', None, "éA\n"),
    ("true", None, True),
    ("false", None, False),
    ("nil", None, None),
    ("[]", None, []),
    ("[1, 'a', nil]", None, [1, "a", None]),
    ("[1, 2,]", None, [1, 2]),
    ("{}", None, {}),
    ("{a: 1, 'b': 2}", None, {"a": 1, "b": 2}),
    ("{('a' + 'b'): 1}", None, {"ab": 1}),
    # arithmetic
    ("1 + 2", None, 3),
    ("1 + 2.5", None, 3.5),
    ("5 - 7", None, -2),
    ("2 * 3", None, 6),
    ("7 / 2", None, 3.5),
    ("4 / 2", None, 2.0),
    ("7 % 3", None, 1),
    ("-7 % 3", None, -1),
    ("7 % -3", None, 1),
    ("2 ** 3", None, 8.0),
    ("2 ^ 3", None, 8.0),
    ("2 ** 3 ** 2", None, 512.0),
    ("-2 ** 2", None, -4.0),
    ("1 / 0", None, INF),
    ("-1 / 0", None, -INF),
    ("10 ** 400", None, INF),
    ("1 + 2 * 3", None, 7),
    ("(1 + 2) * 3", None, 9),
    ("10 - 3 - 2", None, 5),
    ("-(1 + 2)", None, -3),
    ("+1", None, 1),
    ("'a' + 'b'", None, "ab"),
    # comparison
    ("1 == 1.0", None, True),
    ("1 != 2", None, True),
    ("0.1 + 0.2 == 0.3", None, False),
    ("1 < 2", None, True),
    ("2 <= 2.0", None, True),
    ("3 > 2", None, True),
    ("3 >= 4", None, False),
    ("'a' < 'b'", None, True),
    ("'a' == 'a'", None, True),
    ("true == false", None, False),
    ("nil == nil", None, True),
    ("1 == nil", None, False),
    ("nil != 'a'", None, True),
    ("[1, 2] == [1, 2.0]", None, True),
    ("[1, 2] == [1]", None, False),
    ("{a: 1} == {a: 1}", None, True),
    ("{a: 1} != {b: 1}", None, True),
    # logic
    ("true and false", None, False),
    ("true && true", None, True),
    ("false or true", None, True),
    ("false || false", None, False),
    ("not true", None, False),
    ("!false", None, True),
    ("not false and false", None, False),
    ("true or true and false", None, True),
    ("1 > 2 or 3 > 2", None, True),
    ("true ? 1 : 2", None, 1),
    ("false ? 1 : true ? 2 : 3", None, 2),
    ("true ?: false", None, True),
    ("nil ?? 5", None, 5),
    ("0 ?? 5", None, 0),
    ("nil ?? nil ?? 7", None, 7),
    # what need not be looked at is not
    ("false and result[0] > 1", [], False),
    ("true or result[0] > 1", [], True),
    ("len(result) == 0 || result[0] > 1", [], True),
    ("len(result) > 0 && result[0] > 1", [], False),
    ("true ? 1 : result[0]", [], 1),
    ("1 ?? result[0]", [], 1),
    # membership and text
    ("1 in [1, 2]", None, True),
    ("1 in ['1', 1.0]", None, True),
    ("3 not in [1, 2]", None, True),
    ("not (3 in [1, 2])", None, True),
    ("'a' in {a: 1}", None, True),
    ("1 in {a: 1}", None, False),
    ("1 in nil", None, False),
    ("'abc' contains 'b'", None, True),
    ("'abc' startsWith 'ab'", None, True),
    ("'abc' endsWith 'bc'", None, True),
    ("'abc' matches '^a.c$'", None, True),
    ("'abc' matches 'x'", None, False),
    ("1..3", None, [1, 2, 3]),
    ("3..1", None, []),
    ("1..1 + 2", None, [1, 2, 3]),
    # members
    ("result[0]", [1.5], 1.5),
    ("result[-1]", [1.0, 2.0], 2.0),
    ("result.a", {"a": 1.0}, 1.0),
    ("result['a']", {"a": 1.0}, 1.0),
    ("result.missing", {"a": 1.0}, None),
    ("result.a.b", {"a": {"b": "x"}}, "x"),
    ("result[0].Values[1]", [{"Values": [1.0, 2.0]}], 2.0),
    ("result?.a", None, None),
    ("result?.a.b.c", None, None),
    ("result.a?.b", {"a": None}, None),
    ("result.a?.[0]", {"a": None}, None),
    ("result.a?.b ?? 3", {"a": None}, 3),
    ("[1, 2, 3][1:]", None, [2, 3]),
    ("[1, 2, 3][:2]", None, [1, 2]),
    ("[1, 2, 3][1:2]", None, [2]),
    ("[1, 2, 3][-2:]", None, [2, 3]),
    ("[1, 2, 3][:]", None, [1, 2, 3]),
    ("[1, 2][1:99]", None, [2]),
    ("'hello'[1:3]", None, "el"),
    ("{a: [1]}.a[0]", None, 1),
    # predicates
    ("all(result, # < 1000)", [1.0, 2.0], True),
    ("all(result, {# < 2})", [1.0, 2.0], False),
    ("all([], # > 1)", None, True),
    ("any(result, # > 1)", [1.0, 2.0], True),
    ("any([], # > 1)", None, False),
    ("none(result, # > 5)", [1.0, 2.0], True),
    ("one(result, # > 1)", [1.0, 2.0], True),
    ("count(result, # > 1)", [1.0, 2.0, 3.0], 2),
    ("count([true, false])", None, 1),
    ("filter(result, # > 1)", [1.0, 2.0], [2.0]),
    ("map(result, # * 2)", [1.0, 2.0], [2.0, 4.0]),
    ("map([5, 6], #index)", None, [0, 1]),
    ("find(result, # > 1)", [1.0, 2.0, 3.0], 2.0),
    ("find(result, # > 9)", [1.0], None),
    ("findIndex([1, 2], # == 2)", None, 1),
    ("findLast([1, 2, 3], # > 1)", None, 3),
    ("reduce([1, 2, 3], #acc + #)", None, 6),
    ("reduce([1, 2], #acc + #, 10)", None, 13),
    ("sum([1, 2.5])", None, 3.5),
    ("sum([{v: 1}, {v: 2}], .v)", None, 3),
    ("all(result, .value > 1)", [{"value": 2.0}], True),
    ("all(result[0].Values, {# <= 0.01})", [{"Values": [0.01]}], True),
    ("all(result.x.values, {asFloat(.value) >= 9900})", {"x": {"values": [{"value": "9901"}]}}, True),
    ("all([[1], [2, 3]], all(#, # > 0))", None, True),
    ("map([1, 2], map([3], #))", None, [[3], [3]]),
    ("any(result, #.a?.b == 1)", [{"a": None}, {"a": {"b": 1.0}}], True),
    # pipes
    ("result | len()", [1.0], 1),
    ("result | filter(# > 1) | len()", [1.0, 2.0], 1),
    ("1..3 | map(# * 2) | sum()", None, 12),
    ("'a,b' | split(',') | last()", None, "b"),
    # functions
    ("len('héllo')", None, 5),
    ("len([1, 2])", None, 2),
    ("len({a: 1})", None, 1),
    ("abs(-2)", None, 2),
    ("abs(-2.5)", None, 2.5),
    ("ceil(1.2)", None, 2.0),
    ("floor(-1.2)", None, -2.0),
    ("round(2.5)", None, 3.0),
    ("round(-2.5)", None, -3.0),
    ("max(1, 2.5)", None, 2.5),
    ("max(result)", [1.0, 3.0, 2.0], 3.0),
    ("max(result, 9)", [1.0, 3.0], 9),
    ("min(result)", [1.0, 3.0], 1.0),
    ("mean(result)", [1.0, 2.0], 1.5),
    ("median([3, 1, 2])", None, 2.0),
    ("median([1, 2])", None, 1.5),
    ("int('42')", None, 42),
    ("int(-1.9)", None, -1),
    ("float('2.5')", None, 2.5),
    ("float(1)", None, 1.0),
    ("asInt('3')", None, 3),
    ("asInt(2.9)", None, 2),
    ("asFloat('0.5')", None, 0.5),
    ("asFloat(1)", None, 1.0),
    ("string(0.5)", None, "0.5"),
    ("string(1e21)", None, "1e+21"),
    ("string(3)", None, "3"),
    ("string(nil)", None, "<nil>"),
    ("string([1, true])", None, "[1 true]"),
    ("string({b: 1, a: 2})", None, "map[a:2 b:1]"),
    ("upper('a') + lower('B')", None, "Ab"),
    ("trim('  a ')", None, "a"),
    ("trim('xax', 'x')", None, "a"),
    ("trimPrefix('ab', 'a')", None, "b"),
    ("replace('aba', 'a', 'c')", None, "cbc"),
    ("indexOf('abc', 'c')", None, 2),
    ("hasPrefix('abc', 'a')", None, True),
    ("split('a,b', ',')", None, ["a", "b"]),
    ("join(['a', 'b'], '-')", None, "a-b"),
    ("first([1, 2])", None, 1),
    ("first([])", None, None),
    ("last([1, 2])", None, 2),
    ("take([1, 2, 3], 2)", None, [1, 2]),
    ("keys({b: 1, a: 2})", None, ["a", "b"]),
    ("values({b: 1, a: 2})", None, [2, 1]),
    ("get([1], 5)", None, None),
    ("get({a: 1}, 'a')", None, 1),
    ("reverse([1, 2])", None, [2, 1]),
    ("sort([2, 1])", None, [1, 2]),
    ("concat([1], [2])", None, [1, 2]),
    ("fromJSON('{\"a\": [1]}').a[0]", None, 1.0),
    ("toJSON([1, 'a'])", None, '[1, "a"]'),
    ("type(1.5)", None, "float"),
    ("type([1])", None, "array"),
    # this API's own functions
    ("isNaN(result)", NAN, True),
    ("isNaN(1)", None, False),
    ("isInf(result)", -INF, True),
    ("isInf(1.0)", None, False),
    ("isNil(result)", None, True),
    ("isNil(5)", None, True),
    ("isNil(result)", 1.0, False),
    ("default(result, 0)", None, 0),
    ("default(result, 0) < 5", 3.0, True),
    ("default(7, 0)", 3.0, 3.0),
    # time
    ("now()", None, NOON),
    ('now() - duration("5m")', None, NOON - timedelta(minutes=5)),
    ('now() + duration("1h30m")', None, NOON + timedelta(minutes=90)),
    ('now() - now() == duration("0s")', None, True),
    ('duration("1h") > duration("59m")', None, True),
    ('duration("1m") * 2 == duration("2m")', None, True),
    ('date("2026-01-01T12:00:00Z") == now()', None, True),
    ('date("2026-01-01") < now()', None, True),
    # blanks
    ("  1\n+\t2 ", None, 3),
]


@pytest.mark.parametrize(("text", "result", "value"), VALUES)
def test_value(text: str, result: Any, value: Any) -> None:
    """Each form of the language has one value, of one type."""
    found = evaluate(text, result=result, now=NOON).value
    assert found == value
    assert type(found) is type(value)


def test_zero_divided_by_zero_is_nan() -> None:
    """As in Go's floats; no error."""
    assert math.isnan(evaluate("0 / 0", result=None, now=NOON).value)


def test_steps_are_bounded_over_large_results() -> None:
    """A result of many samples can be looked through once, not once for each of its samples."""
    result = [1.0] * 20_000
    assert evaluate("all(result, # < 2)", result=result, now=NOON).value is True
    with pytest.raises(ExpressionError, match="too many steps"):
        evaluate("all(result, max(result) < 2)", result=result, now=NOON)


@pytest.mark.parametrize(
    ("text", "result", "compared"),
    [
        ("result[0] > 1", [NAN], {"NaN"}),
        ("result[0] > 1", [INF], {"Inf"}),
        ("1 < result[0]", [-INF], {"Inf"}),
        ("result == 1", NAN, {"NaN"}),
        ("all(result, # < 1)", [0.5, NAN], {"NaN"}),
        ("max(result) < 1", [0.5, NAN, INF], {"NaN", "Inf"}),
        ("1 in result", [NAN], {"NaN"}),
        ("result == [1]", [NAN], {"NaN"}),
        ("isNaN(result[0]) || result[0] > 1", [NAN], set()),
        ("result[1] > 0", [NAN, 1.0], set()),
        ("len(result) == 1", [NAN], set()),
        ("result[0] > 1", [2.0], set()),
    ],
)
def test_what_is_no_number_is_noticed(text: str, result: Any, compared: set[str]) -> None:
    """The answer tells which of NaN and Inf a comparison looked at, so that nobody takes it for a verdict."""
    assert evaluate(text, result=result, now=NOON).compared == compared


@pytest.mark.parametrize("values", [[NAN, 1.0], [1.0, NAN], [2.0, NAN, 1.0]])
def test_extreme_of_nan_is_nan(values: list[float]) -> None:
    """Where the NaN stands among the numbers does not matter."""
    for function in ("max", "min", "median", "mean"):
        assert math.isnan(evaluate(f"{function}(result)", result=values, now=NOON).value)


def test_names_say_what_a_condition_uses() -> None:
    """Functions, nil and ??, wherever they stand."""
    names = evaluate("true || (result ?? nil) == len(map([1], isNaN(#)))", result=1.0, now=NOON).names
    assert names == {"??", "nil", "len", "map", "isNaN"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1, "int"),
        (1.0, "float64"),
        ("a", "string"),
        (None, "nil"),
        ([1.0], "[]float64"),
        ({}, "map[string]interface {}"),
    ],
)
def test_a_condition_must_be_a_bool(value: Any, shown: str) -> None:
    """Anything else is an error that names its type."""
    with pytest.raises(ExpressionError) as caught:
        require_bool(value)
    assert str(caught.value) == f"expected bool, but got {shown}"


def test_moment_must_be_a_time() -> None:
    """Times of range queries are expressions too."""
    assert moment('now() - duration("1h")', NOON) == NOON - timedelta(hours=1)
    with pytest.raises(ExpressionError, match="but got time"):
        moment('duration("1h")', NOON)
