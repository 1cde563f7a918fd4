"""Functions that conditions may call: the ones of this API (isNaN, default, ...) and the built-ins of the language.

Each is a plain function of the evaluation and its arguments. The evaluation pays for what a function looks at (`spend`)
and is told which numbers it compared (`note`). A wrong type is an ExpressionError that names the function. Functions
that take a predicate are in expression_predicates.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from rollouts.core import expression_values as values
from rollouts.core.expression_tree import ExpressionError
from rollouts.lib import durations, floats, timestamps

_ARGS_MAX = 50


class Evaluation(Protocol):
    """What a function may know of the evaluation that calls it."""

    result: Any
    now: datetime

    def spend(self, steps: int) -> None:
        """Pay for work."""
        ...

    def note(self, *operands: Any) -> None:
        """Remember the numbers that were compared."""
        ...


@dataclass(frozen=True, slots=True)
class Function:
    """A function and how many arguments it takes."""

    run: Callable[..., Any]
    args_min: int
    args_max: int


def wrong(name: str, value: Any) -> ExpressionError:
    """The error of a function that cannot take a value of this type."""
    return ExpressionError(f"invalid argument for {name} (type {values.type_name(value)})")


# What this API adds


def number_arg(name: str, value: Any) -> float:
    """`value`, which must be a number."""
    if not values.is_number(value):
        raise wrong(name, value)
    return value  # type: ignore[no-any-return]  # just checked


def _is_nan(_: Evaluation, value: Any) -> bool:
    return math.isnan(number_arg("isNaN", value))


def _is_inf(_: Evaluation, value: Any) -> bool:
    return math.isinf(number_arg("isInf", value))


def _is_nil(evaluation: Evaluation, *_: Any) -> bool:
    return evaluation.result is None


def _default(evaluation: Evaluation, _: Any, fallback: Any) -> Any:
    return fallback if evaluation.result is None else evaluation.result


# Conversions


def _as_int(_: Evaluation, value: Any) -> int:
    if isinstance(value, str):
        digits = value.removeprefix("-").removeprefix("+")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
            raise ExpressionError(f"invalid syntax: {value[:40]!r} is no integer")
        number = int(value)
    elif isinstance(value, timedelta):
        number = value // timedelta(microseconds=1) * 1000
    else:
        if not math.isfinite(number_arg("int", value)):
            raise ExpressionError(f"{floats.plain(value)} has no integer value")
        number = int(value)
    if abs(number) > values.INT_MAX:
        raise ExpressionError("integer overflow")
    return number


def _as_float(_: Evaluation, value: Any) -> float:
    if not isinstance(value, str):
        return float(number_arg("float", value))
    try:
        return float(value.replace("_", "x"))
    except ValueError:
        raise ExpressionError(f"invalid syntax: {value[:40]!r} is no number") from None


def _string(evaluation: Evaluation, value: Any) -> str:
    return values.bounded_text(_text(evaluation, value))


def _text(evaluation: Evaluation, value: Any) -> str:
    evaluation.spend(1)
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if values.is_number(value):
        return str(value) if isinstance(value, int) else floats.shortest(value)
    if isinstance(value, timedelta):
        return durations.render(int(value.total_seconds()))
    if isinstance(value, datetime):
        return timestamps.render(value)
    if values.is_list(value):
        return "[" + " ".join(_text(evaluation, item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{_text(evaluation, value[key])}" for key in sorted(value)) + "]"
    return str(value)


def _from_json(evaluation: Evaluation, text: Any) -> Any:
    evaluation.spend(len(_string_arg("fromJSON", text)))
    try:
        return json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        raise ExpressionError("fromJSON: invalid JSON") from None


def _to_json(evaluation: Evaluation, value: Any) -> str:
    evaluation.spend(_weight(value))
    try:
        return values.bounded_text(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise wrong("toJSON", value) from None


def _type(_: Evaluation, value: Any) -> str:
    names = {"float64": "float", "time.Time": "time", "time.Duration": "duration"}
    if values.is_list(value):
        return "array"
    return "map" if isinstance(value, Mapping) else names.get(values.type_name(value), values.type_name(value))


# Numbers


def _abs(_: Evaluation, value: Any) -> float:
    return abs(number_arg("abs", value))


def _rounding(name: str, by: Callable[[float], int]) -> Callable[..., float]:
    def run(_: Evaluation, value: Any) -> float:
        number = float(number_arg(name, value))
        return float(by(number)) if math.isfinite(number) else number

    return run


def _half_away(number: float) -> int:
    return int(math.copysign(math.floor(abs(number) + 0.5), number))


def _numbers(evaluation: Evaluation, name: str, args: tuple[Any, ...]) -> list[float]:
    """The numbers in the arguments, lists among them opened."""
    found: list[float] = []
    for arg in args:
        items = arg if values.is_list(arg) else [arg]
        evaluation.spend(len(items))
        found += [number_arg(name, item) for item in items]
    return found


def _extreme(name: str, choose: Callable[[list[float]], float]) -> Callable[..., float]:
    def run(evaluation: Evaluation, *args: Any) -> float:
        numbers = _numbers(evaluation, name, args)
        if not numbers:
            raise ExpressionError(f"not enough arguments to call {name}")
        evaluation.note(*numbers)
        nan = next((number for number in numbers if math.isnan(number)), None)
        return choose(numbers) if nan is None else nan

    return run


def _mean(evaluation: Evaluation, *args: Any) -> float:
    numbers = _numbers(evaluation, "mean", args)
    if not numbers:
        raise ExpressionError("not enough arguments to call mean")
    return sum(map(float, numbers)) / len(numbers)


def _median(evaluation: Evaluation, *args: Any) -> float:
    numbers = sorted(_numbers(evaluation, "median", args))
    evaluation.note(*numbers)
    if not numbers:
        raise ExpressionError("not enough arguments to call median")
    if any(math.isnan(number) for number in numbers):
        return math.nan
    middle = len(numbers) // 2
    return float(numbers[middle]) if len(numbers) % 2 else (numbers[middle - 1] + numbers[middle]) / 2


# Time


def _now(evaluation: Evaluation) -> datetime:
    return evaluation.now


def _duration(_: Evaluation, text: Any) -> timedelta:
    seconds = durations.parse(_string_arg("duration", text))
    if seconds is None:
        raise ExpressionError(f"time: invalid duration {text[:40]!r}")
    return timedelta(microseconds=int(seconds * 10**6))


def _date(_: Evaluation, text: Any) -> datetime:
    day = _string_arg("date", text)
    moment = (
        timestamps.parse(day)
        or timestamps.parse(day.replace(" ", "T", 1) + "Z")
        or timestamps.parse(f"{day}T00:00:00Z")
    )
    if moment is None:
        raise ExpressionError(f"invalid date {day[:40]!r}")
    return moment.astimezone(UTC)


# Strings, lists and maps


def _string_arg(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise wrong(name, value)
    return value


def list_arg(evaluation: Evaluation, name: str, value: Any) -> list[Any]:
    """`value`, which must be a list; looking through it is paid for."""
    if not values.is_list(value):
        raise wrong(name, value)
    evaluation.spend(len(value))
    return list(value)


def _len(_: Evaluation, value: Any) -> int:
    if isinstance(value, str | Mapping) or values.is_list(value):
        return len(value)
    raise wrong("len", value)


def _textual(name: str, run: Callable[..., Any]) -> Callable[..., Any]:
    """A function of strings only."""

    def call(evaluation: Evaluation, *args: Any) -> Any:
        texts = [_string_arg(name, arg) for arg in args]
        evaluation.spend(sum(map(len, texts)) // 100)
        found = run(*texts)
        return values.bounded_text(found) if isinstance(found, str) else found

    return call


def _split(evaluation: Evaluation, text: Any, separator: Any) -> list[str]:
    parts = _string_arg("split", text)
    sign = _string_arg("split", separator)
    found = parts.split(sign) if sign else list(parts)
    evaluation.spend(len(found))
    return found


def _join(evaluation: Evaluation, items: Any, separator: Any = "") -> str:
    texts = [_string_arg("join", item) for item in list_arg(evaluation, "join", items)]
    return values.bounded_text(_string_arg("join", separator).join(texts))


def _get(_: Evaluation, of: Any, key: Any) -> Any:
    try:
        return values.fetched(of, key)
    except ExpressionError:
        return None


def _first(evaluation: Evaluation, items: Any) -> Any:
    return next(iter(list_arg(evaluation, "first", items)), None)


def _last(evaluation: Evaluation, items: Any) -> Any:
    return next(reversed(list_arg(evaluation, "last", items)), None)


def _take(evaluation: Evaluation, items: Any, count: Any) -> list[Any]:
    found = list_arg(evaluation, "take", items)
    if type(count) is not int or count < 0:
        raise wrong("take", count)
    return found[:count]


def _keys(evaluation: Evaluation, of: Any) -> list[str]:
    return [key for key, _ in _members(evaluation, "keys", of)]


def _values(evaluation: Evaluation, of: Any) -> list[Any]:
    return [member for _, member in _members(evaluation, "values", of)]


def _members(evaluation: Evaluation, name: str, of: Any) -> list[tuple[str, Any]]:
    if not isinstance(of, Mapping):
        raise wrong(name, of)
    evaluation.spend(len(of))
    return sorted(of.items())


def _reverse(evaluation: Evaluation, items: Any) -> list[Any]:
    return list_arg(evaluation, "reverse", items)[::-1]


def _sort(evaluation: Evaluation, items: Any) -> list[Any]:
    found = list_arg(evaluation, "sort", items)
    are_numbers = all(values.is_number(item) for item in found)
    if not are_numbers and not all(isinstance(item, str) for item in found):
        raise wrong("sort", items)
    evaluation.note(*found)
    return sorted(found)


def _concat(evaluation: Evaluation, *lists: Any) -> list[Any]:
    return [item for items in lists for item in list_arg(evaluation, "concat", items)]


def _weight(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + sum(map(_weight, value.values()))
    return 1 + sum(map(_weight, value)) if values.is_list(value) else 1


FUNCTIONS: Mapping[str, Function] = {
    "isNaN": Function(_is_nan, 1, 1),
    "isInf": Function(_is_inf, 1, 1),
    "isNil": Function(_is_nil, 0, _ARGS_MAX),
    "default": Function(_default, 2, 2),
    "asInt": Function(_as_int, 1, 1),
    "asFloat": Function(_as_float, 1, 1),
    "int": Function(_as_int, 1, 1),
    "float": Function(_as_float, 1, 1),
    "string": Function(_string, 1, 1),
    "fromJSON": Function(_from_json, 1, 1),
    "toJSON": Function(_to_json, 1, 1),
    "type": Function(_type, 1, 1),
    "abs": Function(_abs, 1, 1),
    "ceil": Function(_rounding("ceil", math.ceil), 1, 1),
    "floor": Function(_rounding("floor", math.floor), 1, 1),
    "round": Function(_rounding("round", _half_away), 1, 1),
    "max": Function(_extreme("max", max), 1, _ARGS_MAX),
    "min": Function(_extreme("min", min), 1, _ARGS_MAX),
    "mean": Function(_mean, 1, _ARGS_MAX),
    "median": Function(_median, 1, _ARGS_MAX),
    "now": Function(_now, 0, 0),
    "duration": Function(_duration, 1, 1),
    "date": Function(_date, 1, 1),
    "len": Function(_len, 1, 1),
    "trim": Function(_textual("trim", str.strip), 1, 2),
    "trimPrefix": Function(_textual("trimPrefix", str.removeprefix), 2, 2),
    "trimSuffix": Function(_textual("trimSuffix", str.removesuffix), 2, 2),
    "upper": Function(_textual("upper", str.upper), 1, 1),
    "lower": Function(_textual("lower", str.lower), 1, 1),
    "hasPrefix": Function(_textual("hasPrefix", str.startswith), 2, 2),
    "hasSuffix": Function(_textual("hasSuffix", str.endswith), 2, 2),
    "indexOf": Function(_textual("indexOf", str.find), 2, 2),
    "lastIndexOf": Function(_textual("lastIndexOf", str.rfind), 2, 2),
    "replace": Function(_textual("replace", str.replace), 3, 3),
    "split": Function(_split, 2, 2),
    "join": Function(_join, 1, 2),
    "get": Function(_get, 2, 2),
    "first": Function(_first, 1, 1),
    "last": Function(_last, 1, 1),
    "take": Function(_take, 2, 2),
    "keys": Function(_keys, 1, 1),
    "values": Function(_values, 1, 1),
    "reverse": Function(_reverse, 1, 1),
    "sort": Function(_sort, 1, 1),
    "concat": Function(_concat, 1, _ARGS_MAX),
}
