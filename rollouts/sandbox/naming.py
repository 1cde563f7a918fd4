"""The names of CustomResourceDefinitions: within a group each belongs to the definition that was accepted first.

A definition that asks for a name that is taken is stored, says so in its status, and is not served until the name is
free. Once it is established it stays so. What names may look like is validation's part.
"""

from __future__ import annotations

from collections.abc import Iterable

from rollouts.sandbox.resources import Json
from rollouts.sandbox.schema.crd import accepted_conditions

_RESOURCE_NAMES = ("plural", "singular", "shortNames")
_KIND_NAMES = ("kind", "listKind")
_ESTABLISHED = "Established"


def is_established(crd: Json) -> bool:
    """Whether a definition is served."""
    conditions = crd.get("status", {}).get("conditions") or ()
    return any(each.get("type") == _ESTABLISHED and each.get("status") == "True" for each in conditions)


def judged(crd: Json, others: Iterable[Json], *, now: str) -> Json:
    """A definition that is not established yet, with a status that tells which names it gets beside the others."""
    rest = list(others)
    accepted: Json = {"kind": ""}
    conflict: tuple[str, str] | None = None
    for fields in (_RESOURCE_NAMES, _KIND_NAMES):
        taken = {name for other in rest for field in fields for name in _names(other["status"]["acceptedNames"], field)}
        for field in fields:
            clash = next((name for name in _names(crd["spec"]["names"], field) if name in taken), None)
            if clash is not None:
                conflict = f"{field[0].upper()}{field[1:]}Conflict", clash
            elif field in crd["spec"]["names"]:
                accepted[field] = crd["spec"]["names"][field]
    if conflict is None:
        status = {"acceptedNames": dict(crd["spec"]["names"]), "conditions": accepted_conditions(now)}
    else:
        status = {"acceptedNames": accepted, "conditions": _refused(*conflict, now=now)}
    return {**crd, "status": {**crd["status"], **status}}


def _names(names: Json, field: str) -> list[str]:
    value = names.get(field) or []
    return [value] if isinstance(value, str) else value


def _refused(reason: str, name: str, *, now: str) -> list[Json]:
    told = {"status": "False", "lastTransitionTime": now}
    return [
        {"type": "NamesAccepted", **told, "reason": reason, "message": f'"{name}" is already in use'},
        {"type": _ESTABLISHED, **told, "reason": "NotAccepted", "message": "not all names are accepted"},
    ]
