"""Conditions that mean nothing: what each misuse is answered with, and that hostile ones end soon."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from rollouts.core.expression import ExpressionError, evaluate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAN = math.nan

ERRORS: list[tuple[str, Any, str]] = [
    # not the language
    ("", None, "unexpected end of expression at 1"),
    ("1 +", None, "unexpected end of expression at 4"),
    ("1 2", None, "unexpected token '2' at 3"),
    ("(1", None, "unexpected end of expression at 3"),
    ("[1", None, "unexpected end of expression at 3"),
    ("{a 1}", None, "unexpected token '1' at 4"),
    ("'abc", None, 'unrecognized character "\'" at 1'),
    ("a = 1", None, "unrecognized character '=' at 3"),
    ("result; 1", None, "unrecognized character ';' at 7"),
    ("result.", [], "unexpected end of expression at 8"),
    ("result[]", [], "unexpected token ']' at 8"),
    ("# > 1", None, "unexpected token '#' at 1"),
    ("1 in", None, "unexpected end of expression at 5"),
    ("true ? 1", None, "unexpected end of expression at 9"),
    ("9223372036854775808", None, "integer literal is too large at 1"),
    # names
    ("foo", None, "unknown name foo"),
    ("foo(1)", None, "unknown name foo"),
    ("__import__('os')", None, "unknown name __import__"),
    ("result.__class__", [], "cannot fetch __class__ from []interface {}"),
    ("'a'.upper", None, "cannot fetch upper from string"),
    # data
    ("result[0]", [], "index out of range: 0 (array length is 0)"),
    ("result[5] > 1", [1.0], "index out of range: 5 (array length is 1)"),
    ("result[-2]", [1.0], "index out of range: -2 (array length is 1)"),
    ("result[0]", None, "cannot fetch 0 from nil"),
    ("result.a.b", {}, "cannot fetch b from nil"),
    ("result[0.0]", [1.0], "cannot fetch 0.0 from []float64"),
    ("result[0][0]", [1.0], "cannot fetch 0 from float64"),
    ("result.a", [1.0], "cannot fetch a from []float64"),
    # types
    ("result > 0.5", [1.0], "invalid operation: > (mismatched types []float64 and float64)"),
    ("result == 'x'", 1.0, "invalid operation: == (mismatched types float64 and string)"),
    ("result != true", "true", "invalid operation: == (mismatched types string and bool)"),
    ("1 < '2'", None, "invalid operation: < (mismatched types int and string)"),
    ("true < false", None, "invalid operation: < (mismatched types bool and bool)"),
    ("nil < 1", None, "invalid operation: < (mismatched types nil and int)"),
    ("1 + '2'", None, "invalid operation: + (mismatched types int and string)"),
    ("'2' * 2", None, "invalid operation: * (mismatched types string and int)"),
    ("1 + true", None, "invalid operation: + (mismatched types int and bool)"),
    ("1.5 % 2", None, "invalid operation: % (mismatched types float64 and int)"),
    ("[1] + [2]", None, "invalid operation: + (mismatched types []interface {} and []interface {})"),
    ("not 1", None, "invalid operation: not (mismatched type int)"),
    ("!result > 5", 1.0, "invalid operation: not (mismatched type float64)"),
    ("1 and true", None, "invalid operation: and (mismatched type int)"),
    ("true and 1", None, "invalid operation: and (mismatched type int)"),
    ("nil || true", None, "invalid operation: or (mismatched type nil)"),
    ("1 ? 2 : 3", None, "invalid operation: ?: (mismatched type int)"),
    ("-'a'", None, "invalid operation: - (mismatched type string)"),
    ("1 in 5", None, 'operator "in" not defined on int'),
    ("1 contains 2", None, "invalid operation: contains (mismatched types int and int)"),
    ("'a' matches '('", None, "error parsing regexp: missing closing )"),
    ("1.5..3", None, "invalid operation: .. (mismatched types float64 and int)"),
    ("1[0:1]", None, "cannot slice int"),
    ("[1]['a':]", None, "invalid slice index of type string"),
    ("now() + now()", None, "invalid operation: + (mismatched types time.Time and time.Time)"),
    ("now() > 5", None, "invalid operation: > (mismatched types time.Time and int)"),
    ("now() * 2", None, "invalid operation: * (mismatched types time.Time and int)"),
    # functions
    ("len()", None, "not enough arguments to call len"),
    ("len([1], 2)", None, "too many arguments to call len"),
    ("len(5)", None, "invalid argument for len (type int)"),
    ("max([])", None, "not enough arguments to call max"),
    ("max(['a'])", None, "invalid argument for max (type string)"),
    ("mean([])", None, "not enough arguments to call mean"),
    ("sum(['a'])", None, "invalid argument for sum (type string)"),
    ("isNaN(result)", [NAN], "invalid argument for isNaN (type []float64)"),
    ("isInf(nil)", None, "invalid argument for isInf (type nil)"),
    ("asInt('x')", None, "invalid syntax: 'x' is no integer"),
    ("asInt(result)", NAN, "NaN has no integer value"),
    ("asInt(result)", 1e300, "integer overflow"),
    ("asFloat('x')", None, "invalid syntax: 'x' is no number"),
    ("asFloat(nil)", None, "invalid argument for float (type nil)"),
    ("all(1, # > 1)", None, "invalid argument for all (type int)"),
    ("all(result)", [True], "not enough arguments to call all"),
    ("all(result, #)", [1.0], "all: expected bool, but got float64"),
    ("filter([1], 'a')", None, "filter: expected bool, but got string"),
    ("reduce([], #acc)", None, "reduce of empty array with no initial value"),
    ("map([1], #nope)", None, "unknown pointer #nope"),
    ("duration('soon')", None, "time: invalid duration 'soon'"),
    ("date('soon')", None, "invalid date 'soon'"),
    ("fromJSON('{')", None, "fromJSON: invalid JSON"),
    ("split(1, 'a')", None, "invalid argument for split (type int)"),
    ("join([1], 'a')", None, "invalid argument for join (type int)"),
    ("keys([1])", None, "invalid argument for keys (type []interface {})"),
    ("sort([1, 'a'])", None, "invalid argument for sort (type []interface {})"),
    # numbers
    ("7 % 0", None, "integer divide by zero"),
    ("9223372036854775807 + 1", None, "integer overflow"),
    ("now() + duration('2000000h') * 1000", None, "time out of range"),
]


@pytest.mark.parametrize(("text", "result", "error"), ERRORS)
def test_error(text: str, result: Any, error: str) -> None:
    """What has no meaning is an error that names it; never a value, never another exception."""
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, result=result, now=NOON)
    assert str(caught.value) == error


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "(" * 300 + "1" + ")" * 300,
        "!" * 3000 + "true",
        "-" * 3000 + "1",
        "1" + " + 1" * 1000,
        "[" * 1000,
        "result" + "[0]" * 1000,
        "result" + ".a" * 1500,
        "a?" * 1000,
        "true ? " * 500,
        "nil ?? " * 500 + "1",
        "2 ** " * 800 + "2",
        "x" * 5000,
        "{a:" * 300,
        "'" + "a" * 5000 + "'",
        "map(" * 500,
        "1..99999999",
        "-9223372036854775807..9223372036854775807",
        "map(1..9999, map(1..9999, #))",
        "all(1..9999, all(1..9999, all(1..9999, # > 0)))",
        "reduce(1..9999, #acc + #acc, 'aaaaaaaaaaaaaaaaaaaa')",
        "reduce(1..9999, concat(#acc, #acc), [1])",
        "reduce(1..9999, #acc * 3, 3)",
        "'" + "a" * 40 + "' matches '(a+)+(a+)+(a+)+b{500}{500}'",
        "'a' matches '((((a{900}){900}){900}){900})'",
        "fromJSON(" + repr("[" * 3000) + ")",
        "\x00",
        "\ud800",
        "٣ + ٣",
    ],
)
def test_hostile_text_is_refused(text: str) -> None:
    """Deep, long, endless and odd expressions end in an error, soon, without exhausting stack or memory."""
    with pytest.raises(ExpressionError):
        evaluate(text, result=[1.0], now=NOON)
