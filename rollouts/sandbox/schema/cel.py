"""Rules of custom resources (`x-kubernetes-validations`): CEL expressions over a value and the value it replaces.

A rule is compiled once per text. Rules run on objects that passed their schema. A rule that mentions `oldSelf` runs
only when there is an old value to compare with, unless it says optionalOldSelf; old items of keyed lists are found by
their keys, and items of other lists have no old value.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import cel

from rollouts.sandbox.schema import cel_functions
from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.correlation import by_key, item_key, same
from rollouts.sandbox.schema.model import Rule, Schema
from rollouts.sandbox.schema.paths import Path, dotted
from rollouts.sandbox.schema.violations import Violation

_NOTHING: Any = object()
_PROGRAMS_KEPT_MAX = 4096
_RESERVED = frozenset(
    "true false null in as break const continue else for function if import let loop package namespace return var void "
    "while".split()
)
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_TO_ESCAPE = re.compile(r"__|[.\-/]")
_DURATION_PART = re.compile(r"([\d.]+)(h|ms|us|µs|ns|m|s)")
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_REASONS = {
    "FieldValueRequired": "Required value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueInvalid": "Invalid value",
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression and what it needs."""

    program: cel.Program
    uses_old: bool
    uses_functions: bool


@functools.lru_cache(maxsize=_PROGRAMS_KEPT_MAX)
def compile_expression(text: str) -> Expression:
    """Compile one expression. Raises ValueError with the compiler's message."""
    program = cel.compile(text)
    known = set(cel_functions.FUNCTIONS) | set(cel.stdlib.STDLIB_FUNCTIONS)
    return Expression(program, "oldSelf" in program.variables(), bool(known & set(program.functions())))


def check_rules(value: Any, old: Any, schema: Schema, found: list[Violation]) -> None:
    """Append to `found` what the rules anywhere in the schema say about the value; `old` is None for a new object."""
    if schema.deep_rules:
        _check(value, _NOTHING if old is None else old, schema, found, None)


def _check(value: Any, old: Any, schema: Schema, found: list[Violation], path: Path) -> None:
    if value is None:
        return
    if schema.rules:
        _run_rules(value, old, schema, found, path)
    if type(value) is dict:
        for name, part in value.items():
            below = schema.properties.get(name)
            step = name if below is not None else f"[{name}]"
            below = below or schema.additional
            if below is not None and below.deep_rules:
                before = old.get(name, _NOTHING) if type(old) is dict else _NOTHING
                _check(part, before, below, found, (path, step))
    elif type(value) is list and schema.items is not None and schema.items.deep_rules:
        previous = by_key(old, schema)
        for index, part in enumerate(value):
            _check(part, previous.get(item_key(part, schema), _NOTHING), schema.items, found, (path, index))


def _run_rules(value: Any, old: Any, schema: Schema, found: list[Violation], path: Path) -> None:
    variables = {"self": to_cel(value, schema)}
    if old is not _NOTHING:
        variables["oldSelf"] = to_cel(old, schema)
    for rule in schema.rules:
        violation = _broken(rule, variables, schema, path)
        if violation is None:
            continue
        unchanged = old is not _NOTHING and same(old, value)
        if not unchanged or "oldSelf" in rule.expression:
            found.append(violation if violation.message else _worded(rule, variables, value, schema, violation.field))


def _broken(rule: Rule, variables: dict[str, Any], schema: Schema, path: Path) -> Violation | None:
    """What is wrong by one rule; a violation without a message when it simply does not hold."""
    where = dotted(path) or "<nil>"
    try:
        expression = compile_expression(rule.expression)
        if expression.uses_old and "oldSelf" not in variables and not rule.optional_old_self:
            return None
        if evaluate(expression, _for_rule(rule, variables)) is True:
            return None
    except ValueError as why:
        return say.invalid(where, schema.type, f"rule compile error: compilation failed: {why}")
    except (RuntimeError, TypeError, KeyError, IndexError, ArithmeticError) as why:
        return say.invalid(where, schema.type, f"{_evaluation_error(why)} evaluating rule: {_rule_text(rule)}")
    steps = rule.field_path.removeprefix(".")
    return Violation(f"{where}.{steps}" if steps else where, rule.reason, "")


def _for_rule(rule: Rule, variables: dict[str, Any]) -> dict[str, Any]:
    """With optionalOldSelf the old value is an optional one."""
    if not rule.optional_old_self:
        return variables
    old = variables.get("oldSelf", _NOTHING)
    optional = cel.OptionalValue.none() if old is _NOTHING else cel.OptionalValue.of(old)
    return {**variables, "oldSelf": optional}


def _worded(rule: Rule, variables: dict[str, Any], value: Any, schema: Schema, where: str) -> Violation:
    detail = _computed_message(rule, variables) or rule.message or f"failed rule: {rule.expression.strip()}"
    head = _REASONS.get(rule.reason, "Invalid value")
    if rule.reason in ("FieldValueInvalid", "FieldValueDuplicate") and schema.type not in ("object", "array"):
        head += f": {say.shown(value)}"
    return Violation(where, rule.reason, f"{head}: {detail}")


def _computed_message(rule: Rule, variables: dict[str, Any]) -> str:
    """The text of messageExpression; empty when there is none or it cannot be used."""
    if not rule.message_expression:
        return ""
    try:
        text = evaluate(compile_expression(rule.message_expression), _for_rule(rule, variables))
    except (ValueError, RuntimeError, TypeError, KeyError, IndexError, ArithmeticError):
        return ""
    return text.strip() if isinstance(text, str) and "\n" not in text else ""


def evaluate(expression: Expression, variables: dict[str, Any]) -> Any:
    """The expression's value. Raises what the CEL library raises for an expression that cannot be evaluated."""
    if expression.uses_functions:
        return expression.program.execute(cel_functions.context(variables))
    return expression.program.execute(variables)


def _rule_text(rule: Rule) -> str:
    return rule.message or rule.expression.strip()


def _evaluation_error(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no such key: {error.args[0]}"
    if isinstance(error, TypeError):
        return "no such overload"
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    return str(error)


def to_cel(value: Any, schema: Schema) -> Any:
    """The value as rules see it: property names spelled as identifiers, numbers, times and durations typed."""
    if type(value) is dict:
        properties, additional = schema.properties, schema.additional
        result = {}
        for name, part in value.items():
            below = properties.get(name)
            if below is not None:
                result[identifier(name)] = to_cel(part, below)
            else:
                result[name] = to_cel(part, additional) if additional is not None else part
        return result
    if type(value) is list:
        return [to_cel(part, schema.items) for part in value] if schema.items is not None else value
    if schema.type == "number" and type(value) is int:
        return float(value)
    if schema.limits is not None and isinstance(value, str):
        return _formatted(value, schema.limits.format)
    return value


@functools.lru_cache(maxsize=4096)
def identifier(name: str) -> str:
    """A property's name as CEL can write it: `foo-bar` is `foo__dash__bar`."""
    if name in _RESERVED:
        return f"__{name}__"
    return _TO_ESCAPE.sub(lambda match: _ESCAPES[match[0]], name)


def _formatted(text: str, format_name: str) -> Any:
    if format_name in ("date-time", "datetime"):
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    if format_name == "duration":
        seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
        return timedelta(seconds=-seconds if text.startswith("-") else seconds)
    return text
