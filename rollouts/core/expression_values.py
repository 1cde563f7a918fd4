"""Operators of conditions on values: what they mean, and the error where they mean nothing.

Values are nil, bool, int (64 bit), float, string, list, map, time and duration. Mixed numbers compare as numbers, `/`
is always float, and values of different types are never equal or unequal: comparing them is an error.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from rollouts.core.expression_tree import ExpressionError
from rollouts.lib import regex

INT_MAX = 2**63 - 1
RANGE_MAX = 10_000
STRING_MAX = 100_000

Value = Any
"""nil (None), bool, int, float, str, list, Mapping, datetime, timedelta."""


def type_name(value: Value) -> str:
    """The type as users of the language know it."""
    if value is None:
        return "nil"
    names: tuple[tuple[type, str], ...] = (
        (bool, "bool"),
        (int, "int"),
        (float, "float64"),
        (str, "string"),
        (Mapping, "map[string]interface {}"),
        (datetime, "time.Time"),
        (timedelta, "time.Duration"),
    )
    if isinstance(value, list | tuple):
        return "[]float64" if value and all(type(item) is float for item in value) else "[]interface {}"
    return next((name for kind, name in names if isinstance(value, kind)), type(value).__name__)


def is_number(value: Value) -> bool:
    """Whether it is an int or a float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_list(value: Value) -> bool:
    """Whether it is a list."""
    return isinstance(value, list | tuple)


def specials(*values: Value) -> set[str]:
    """Which of "NaN" and "Inf" are among the values."""
    found = set()
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            found.add("NaN" if math.isnan(value) else "Inf")
    return found


def mismatch(sign: str, left: Value, right: Value) -> ExpressionError:
    """The error of an operator between types it does not join."""
    return ExpressionError(f"invalid operation: {sign} (mismatched types {type_name(left)} and {type_name(right)})")


def equal(left: Value, right: Value) -> bool:
    """Whether two values of one type are equal; nil equals only nil. Raises ExpressionError on different types."""
    if left is None or right is None:
        return left is right
    if is_number(left) and is_number(right):
        return bool(left == right)
    if is_list(left) and is_list(right):
        return len(left) == len(right) and all(equal(one, two) for one, two in zip(left, right, strict=True))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    for kind in (bool, str, datetime, timedelta):
        if isinstance(left, kind) and isinstance(right, kind):
            return bool(left == right)
    raise mismatch("==", left, right)


def is_same(left: Value, right: Value) -> bool:
    """Whether two values are equal, where values of different types are simply not."""
    try:
        return equal(left, right)
    except ExpressionError:
        return False


_ORDER: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def ordered(sign: str, left: Value, right: Value) -> bool:
    """`< <= > >=` on numbers, strings, times and durations."""
    are_alike = is_number(left) and is_number(right)
    for kind in (str, datetime, timedelta):
        are_alike = are_alike or (isinstance(left, kind) and isinstance(right, kind))
    if not are_alike:
        raise mismatch(sign, left, right)
    return bool(_ORDER[sign](left, right))


def arithmetic(sign: str, left: Value, right: Value) -> Value:
    """`+ - * / % **` on numbers, `+` on strings, and sums of times and durations."""
    if is_number(left) and is_number(right):
        return _bounded(_numeric(sign, left, right))
    if sign == "+" and isinstance(left, str) and isinstance(right, str):
        return bounded_text(left + right)
    if sign in "+-*" and (isinstance(left, datetime | timedelta) or isinstance(right, datetime | timedelta)):
        return _temporal(sign, left, right)
    raise mismatch(sign, left, right)


def bounded_text(text: str) -> str:
    """`text`, unless it has grown out of all proportion."""
    if len(text) > STRING_MAX:
        raise ExpressionError("string is too long")
    return text


def negated(value: Value) -> Value:
    """`-value` of a number or duration."""
    if is_number(value) or isinstance(value, timedelta):
        return _bounded(-value)
    raise ExpressionError(f"invalid operation: - (mismatched type {type_name(value)})")


def span(left: Value, right: Value) -> list[int]:
    """`left..right`, both included."""
    if type(left) is not int or type(right) is not int:
        raise mismatch("..", left, right)
    if right - left >= RANGE_MAX:
        raise ExpressionError(f"range has more than {RANGE_MAX} items")
    return list(range(left, right + 1))


def is_in(item: Value, of: Value) -> bool:
    """`item in of` for lists and the keys of maps; nothing is in nil."""
    if of is None:
        return False
    if isinstance(of, Mapping):
        return isinstance(item, str) and item in of
    if is_list(of):
        return any(is_same(item, other) for other in of)
    raise ExpressionError(f'operator "in" not defined on {type_name(of)}')


def textual(sign: str, left: Value, right: Value) -> bool:
    """`contains startsWith endsWith matches` on strings."""
    if not isinstance(left, str) or not isinstance(right, str):
        raise mismatch(sign, left, right)
    if sign == "matches":
        try:
            return regex.occurs(right, left)
        except regex.BadPattern as error:
            raise ExpressionError(f"error parsing regexp: {error}") from None
    return {"contains": str.__contains__, "startsWith": str.startswith, "endsWith": str.endswith}[sign](left, right)


def fetched(of: Value, key: Value) -> Value:
    """`of[key]`: an item by index, counted from the end when negative; a map's member, nil when it has none."""
    if isinstance(of, Mapping) and isinstance(key, str):
        return of.get(key)
    if is_list(of) and type(key) is int:
        if -len(of) <= key < len(of):
            return of[key]
        raise ExpressionError(f"index out of range: {key} (array length is {len(of)})")
    raise ExpressionError(f"cannot fetch {key} from {type_name(of)}")


def sliced(of: Value, start: Value, end: Value) -> Value:
    """`of[start:end]` of a list or string; bounds beyond it are cut, negative ones count from the end."""
    if not (is_list(of) or isinstance(of, str)):
        raise ExpressionError(f"cannot slice {type_name(of)}")
    for bound in (start, end):
        if bound is not None and type(bound) is not int:
            raise ExpressionError(f"invalid slice index of type {type_name(bound)}")
    return of[start:end]


def _numeric(sign: str, left: float, right: float) -> float:
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return _divided(float(left), float(right))
        case "%":
            return _remainder(left, right)
    return _power(float(left), float(right))


def _divided(left: float, right: float) -> float:
    if right != 0:
        return left / right
    is_positive = math.copysign(1, left) == math.copysign(1, right)
    return math.nan if left == 0 or math.isnan(left) else math.inf if is_positive else -math.inf


def _remainder(left: float, right: float) -> float:
    if not isinstance(left, int) or not isinstance(right, int):
        raise mismatch("%", left, right)
    if right == 0:
        raise ExpressionError("integer divide by zero")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    except ValueError:
        return math.nan if left else math.inf


def _bounded(value: Value) -> Value:
    if isinstance(value, int) and abs(value) > INT_MAX:
        raise ExpressionError("integer overflow")
    return value


def _temporal(sign: str, left: Value, right: Value) -> Value:
    try:
        if sign == "+" and not (isinstance(left, datetime) and isinstance(right, datetime)):
            return left + right
        if sign == "-":
            return left - right
        if sign == "*" and not (isinstance(left, datetime) or isinstance(right, datetime)):
            return left * right
    except TypeError:
        pass  # the types do not go together: said below
    except (OverflowError, ValueError):
        raise ExpressionError("time out of range") from None
    raise mismatch(sign, left, right)
