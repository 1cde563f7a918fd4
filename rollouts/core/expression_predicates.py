"""Functions of conditions that ask something of each item of a list: `all(result, # < 5)`, `filter`, `reduce`.

Each gets the predicate as a function `ask(item, index)`; without one written, the item itself is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rollouts.core import expression_values as values
from rollouts.core.expression_functions import Evaluation, Function, list_arg, number_arg
from rollouts.core.expression_tree import ExpressionError

Ask = Callable[..., Any]
"""A predicate as a function of (item, index) or (item, index, acc)."""


def _asked(evaluation: Evaluation, name: str, of: Any, ask: Ask) -> Iterator[tuple[int, Any, bool]]:
    """Each item with its index and the predicate's answer, which must be a bool."""
    for index, item in enumerate(list_arg(evaluation, name, of)):
        answer = ask(item, index)
        if not isinstance(answer, bool):
            raise ExpressionError(f"{name}: expected bool, but got {values.type_name(answer)}")
        yield index, item, answer


def _all(evaluation: Evaluation, of: Any, ask: Ask) -> bool:
    return all(answer for _, _, answer in _asked(evaluation, "all", of, ask))


def _any(evaluation: Evaluation, of: Any, ask: Ask) -> bool:
    return any(answer for _, _, answer in _asked(evaluation, "any", of, ask))


def _none(evaluation: Evaluation, of: Any, ask: Ask) -> bool:
    return not any(answer for _, _, answer in _asked(evaluation, "none", of, ask))


def _one(evaluation: Evaluation, of: Any, ask: Ask) -> bool:
    return sum(answer for _, _, answer in _asked(evaluation, "one", of, ask)) == 1


def _count(evaluation: Evaluation, of: Any, ask: Ask) -> int:
    return sum(answer for _, _, answer in _asked(evaluation, "count", of, ask))


def _filter(evaluation: Evaluation, of: Any, ask: Ask) -> list[Any]:
    return [item for _, item, answer in _asked(evaluation, "filter", of, ask) if answer]


def _find(evaluation: Evaluation, of: Any, ask: Ask) -> Any:
    return next((item for _, item, answer in _asked(evaluation, "find", of, ask) if answer), None)


def _find_index(evaluation: Evaluation, of: Any, ask: Ask) -> int:
    return next((index for index, _, answer in _asked(evaluation, "findIndex", of, ask) if answer), -1)


def _find_last(evaluation: Evaluation, of: Any, ask: Ask) -> Any:
    hits = [item for _, item, answer in _asked(evaluation, "findLast", of, ask) if answer]
    return hits[-1] if hits else None


def _map(evaluation: Evaluation, of: Any, ask: Ask) -> list[Any]:
    return [ask(item, index) for index, item in enumerate(list_arg(evaluation, "map", of))]


def _sum(evaluation: Evaluation, of: Any, ask: Ask) -> Any:
    total: Any = 0
    for index, item in enumerate(list_arg(evaluation, "sum", of)):
        total = values.arithmetic("+", total, number_arg("sum", ask(item, index)))
    return total


def _reduce(evaluation: Evaluation, of: Any, ask: Ask, *initial: Any) -> Any:
    items = list_arg(evaluation, "reduce", of)
    if not items and not initial:
        raise ExpressionError("reduce of empty array with no initial value")
    acc, rest = (initial[0], items) if initial else (items[0], items[1:])
    for index, item in enumerate(rest, start=len(items) - len(rest)):
        acc = ask(item, index, acc)
    return acc


PREDICATES: Mapping[str, Function] = {
    "all": Function(_all, 2, 2),
    "any": Function(_any, 2, 2),
    "none": Function(_none, 2, 2),
    "one": Function(_one, 2, 2),
    "count": Function(_count, 1, 2),
    "filter": Function(_filter, 2, 2),
    "find": Function(_find, 2, 2),
    "findIndex": Function(_find_index, 2, 2),
    "findLast": Function(_find_last, 2, 2),
    "map": Function(_map, 2, 2),
    "sum": Function(_sum, 1, 2),
    "reduce": Function(_reduce, 2, 3),
}
