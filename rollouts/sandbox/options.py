"""The options in a request's query: which values each verb takes, and what else is told, all mistakes at once.

What the options then mean is known where they are used; what comes in the body of a deletion is checked there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from rollouts.sandbox import errors
from rollouts.sandbox.calls import MANAGER_LENGTH_MAX, VALIDATIONS, Call, dry_run_values
from rollouts.sandbox.patches import is_apply
from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.violations import Violation

_NUMBER = re.compile(r"[+-]?\d+")
_NUMBERS = ("gracePeriodSeconds", "limit", "timeoutSeconds")
_MATCHES = ("Exact", "NotOlderThan")
_NEWER = "NotOlderThan"
Rule = Callable[[Call], list[Violation]]


def check(call: Call) -> None:
    """Raise BadRequest for a number that is none, and Invalid for options that the verb does not take."""
    for name in _NUMBERS:
        text = call.query.get(name)
        if text and not _NUMBER.fullmatch(text):
            raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    kind, rule = _RULES.get(call.target.verb, ("", None))
    problems = rule(call) if rule is not None else []
    if problems:
        raise errors.invalid_options(kind, [problem.cause() for problem in problems])


def _of_write(call: Call) -> list[Violation]:
    found = []
    values = dry_run_values(call.query)
    if any(value != "All" for value in values):
        found.append(say.unsupported("dryRun", values, ["All"]))
    found += _manager_problems(call.query.get("fieldManager", ""))
    validation = call.query.get("fieldValidation", "")
    if validation not in VALIDATIONS:
        found.append(say.unsupported("fieldValidation", validation, sorted(VALIDATIONS)))
    return found


def _of_patch(call: Call) -> list[Violation]:
    found = _of_write(call)
    if not is_apply(call):
        if "force" in call.query:
            found.append(say.forbidden("force", "may not be specified for non-apply patch"))
    elif not call.query.get("fieldManager"):
        found.insert(0, say.required("fieldManager", "is required for apply patch"))
    return found


def _manager_problems(manager: str) -> list[Violation]:
    where = "fieldManager"
    if len(manager.encode()) > MANAGER_LENGTH_MAX:
        return [say.too_long(where, MANAGER_LENGTH_MAX)]
    for position, letter in enumerate(manager):
        if not letter.isprintable():
            return [say.invalid(where, manager, f"invalid character U+{ord(letter):04X} (at position {position})")]
    return []


def _of_list(call: Call) -> list[Violation]:
    where, match = "resourceVersionMatch", call.query.get("resourceVersionMatch", "")
    version, found = call.query.get("resourceVersion", ""), []
    if match and not version:
        found.append(say.forbidden(where, f"{where} is forbidden unless resourceVersion is provided"))
    if match and call.query.get("continue"):
        found.append(say.forbidden(where, f"{where} is forbidden when continue is provided"))
    if match and match not in _MATCHES:
        found.append(say.unsupported(where, match, [*_MATCHES, ""]))
    if match == "Exact" and version == "0":
        found.append(say.forbidden(where, f'{where} "exact" is forbidden for resourceVersion "0"'))
    if "sendInitialEvents" in call.query:
        found.append(say.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return found


def _of_watch(call: Call) -> list[Violation]:
    where, match = "resourceVersionMatch", call.query.get("resourceVersionMatch", "")
    if "sendInitialEvents" not in call.query:
        why = f"{where} is forbidden for watch unless sendInitialEvents is provided"
        return [say.forbidden(where, why)] if match else []
    if match == _NEWER:
        return []
    found = [say.forbidden(where, f"sendInitialEvents requires setting {where} to {_NEWER}")]
    return [*found, say.unsupported(where, match, [_NEWER])] if match else found


_RULES: Mapping[str, tuple[str, Rule]] = {
    "create": ("CreateOptions", _of_write),
    "update": ("UpdateOptions", _of_write),
    "patch": ("PatchOptions", _of_patch),
    "list": ("ListOptions", _of_list),
    "watch": ("ListOptions", _of_watch),
}
