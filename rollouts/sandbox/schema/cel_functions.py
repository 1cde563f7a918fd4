"""The functions that Kubernetes adds to the CEL language, as far as rules of custom resources use them."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import cel
from cel.stdlib import add_stdlib_to_context

from rollouts.sandbox.schema import quantity
from rollouts.sandbox.schema.patterns import compile_pattern

_LIBRARIES = ["core", "strings", "sets", "math"]


def _find(text: str, pattern: str) -> str:
    match = compile_pattern(pattern).search(text)
    return match[0] if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match[0] for match in compile_pattern(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


def _is_sorted(items: list[Any]) -> bool:
    return all(one <= other for one, other in itertools.pairwise(items))


def _quantity(text: str) -> float:
    """Quantities take part in comparisons as plain numbers."""
    return float(quantity.value_of(text))


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme and (parts.netloc or parts.path)) or text.startswith("/")


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _format(template: str, arguments: list[Any]) -> str:
    values = iter(arguments)
    return re.sub(r"%(%|[sdfexXob]|\.\d+[fe])", lambda match: _formatted(match[1], values), template)


def _formatted(verb: str, values: Any) -> str:
    if verb == "%":
        return "%"
    value = next(values)
    if verb == "s":
        return str(value).lower() if isinstance(value, bool) else str(value)
    return format(value, verb)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "find": _find,
    "findAll": _find_all,
    "isSorted": _is_sorted,
    "format": _format,
    "isQuantity": quantity.is_quantity,
    "quantity": _quantity,
    "isLessThan": lambda one, other: one < other,
    "isGreaterThan": lambda one, other: one > other,
    "compareTo": lambda one, other: (one > other) - (one < other),
    "asApproximateFloat": float,
    "asInteger": int,
    "isURL": _is_url,
    "isIP": _is_ip,
    "isCIDR": _is_cidr,
}


def context(variables: Mapping[str, Any]) -> cel.Context:
    """A context with all functions and these variables."""
    made = cel.Context()
    add_stdlib_to_context(made, _LIBRARIES)
    for name, function in FUNCTIONS.items():
        made.add_function(name, function)
    made.update(dict(variables))
    return made
