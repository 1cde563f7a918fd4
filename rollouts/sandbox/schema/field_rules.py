"""Rules for kinds of fields that many objects have: counts, ports, percentages, enumerations, selectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rollouts.sandbox.schema import names
from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.model import Json
from rollouts.sandbox.schema.violations import Violation

PORT_MAX = 65535
PROTOCOLS = ("SCTP", "TCP", "UDP")
_PERCENT = re.compile(r"^[0-9]+%$")
_NOT_A_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)
_WITH_VALUES = ("In", "NotIn")
_WITHOUT_VALUES = ("Exists", "DoesNotExist")


def check_at_least(owner: Json, name: str, where: str, found: list[Violation], *, minimum: int = 0) -> None:
    """A number, if it is there, is not below the minimum."""
    value = owner.get(name)
    if value is not None and value < minimum:
        found.append(say.invalid(f"{where}.{name}", value, f"must be greater than or equal to {minimum}"))


def check_one_of(value: str, allowed: Sequence[str], where: str, found: list[Violation]) -> None:
    """A text is one of an enumeration's; none at all is reported as missing."""
    if not value:
        found.append(say.required(where))
    elif value not in allowed:
        found.append(say.unsupported(where, value, allowed))


def check_port(value: Any, where: str, found: list[Violation]) -> None:
    """A port's number, or the name of one."""
    if isinstance(value, str):
        found.extend(say.invalid(where, value, problem) for problem in names.port_name_problems(value))
    elif not isinstance(value, int) or not 1 <= value <= PORT_MAX:
        found.append(say.invalid(where, value, f"must be between 1 and {PORT_MAX}, inclusive"))


def check_count_or_percent(value: Any, where: str, found: list[Violation], *, at_most_all: bool = False) -> None:
    """A count that is not negative, or a percentage; `at_most_all` refuses more than 100 %."""
    if isinstance(value, str):
        if not _PERCENT.match(value):
            found.append(say.invalid(where, value, _NOT_A_PERCENT))
        elif at_most_all and int(value[:-1]) > 100:
            found.append(say.invalid(where, value, "must not be greater than 100%"))
    elif value is not None and value < 0:
        found.append(say.invalid(where, value, "must be greater than or equal to 0"))


def check_selector(selector: Json, where: str, found: list[Violation]) -> bool:
    """Whether a label selector is well formed; what is not is appended to `found`."""
    before = len(found)
    for key, value in (selector.get("matchLabels") or {}).items():
        problems = names.qualified_name_problems(key)
        found.extend(say.invalid(f"{where}.matchLabels", key, problem) for problem in problems)
        wrong = names.label_value_problems(value)
        found.extend(say.invalid(f"{where}.matchLabels", value, problem) for problem in wrong)
    for index, requirement in enumerate(selector.get("matchExpressions") or ()):
        _check_requirement(requirement, f"{where}.matchExpressions[{index}]", found)
    return len(found) == before


def _check_requirement(requirement: Json, where: str, found: list[Violation]) -> None:
    operator, values = requirement.get("operator", ""), requirement.get("values") or ()
    if operator in _WITH_VALUES and not values:
        detail = "must be specified when `operator` is 'In' or 'NotIn'"
        found.append(say.required(f"{where}.values", detail))
    elif operator in _WITHOUT_VALUES and values:
        detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        found.append(say.forbidden(f"{where}.values", detail))
    elif operator not in (*_WITH_VALUES, *_WITHOUT_VALUES):
        found.append(say.invalid(f"{where}.operator", operator, "not a valid selector operator"))
    key = requirement.get("key", "")
    found.extend(say.invalid(f"{where}.key", key, problem) for problem in names.qualified_name_problems(key))


def selector_matches(selector: Json, labels: Json) -> bool:
    """Whether a well-formed label selector selects these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_requirement_holds(one, labels) for one in selector.get("matchExpressions") or ())


def _requirement_holds(requirement: Json, labels: Json) -> bool:
    key, values = requirement["key"], requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def check_unchanged(value: Any, old: Any, where: str, found: list[Violation]) -> None:
    """A field that cannot be changed once the object exists."""
    if value != old:
        found.append(say.invalid(where, value, "field is immutable"))
