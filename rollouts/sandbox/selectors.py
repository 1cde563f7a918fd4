"""Label and field selectors: parsed once per request, matched against many objects.

A label selector is a list of requirements over `metadata.labels`. A field selector compares a few fields that each
kind declares; asking for any other field is an error, as it is on a real server. Selectors inside objects (a Service's,
a ReplicaSet's) belong to the controllers that own them; `from_object` serves scales and disruption budgets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rollouts.sandbox.errors import bad_request
from rollouts.sandbox.resources import Json, Resource

Selector = Callable[[Json], bool]

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)\s*$")
_COMPARED = re.compile(r"^\s*(?P<key>[^\s!=,()<>]+)\s*(?P<operator>==|=|!=|<|>)\s*(?P<value>[^\s=,()!]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<absent>!?)\s*(?P<key>[^\s!=,()<>]+)\s*$")
_NOT_IN_PARENTHESES = re.compile(r",(?![^(]*\))")
_LABEL_KEY = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label: `in`, `notin`, `exists`, `absent`, `<` or `>`."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it; `notin` holds for a label that is not there."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "absent":
                return value is None
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case _:
                return value is not None and self._is_ordered(value)

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "absent":
                return f"!{self.key}"
            case "in" if len(self.values) == 1:
                return f"{self.key}={min(self.values)}"
            case _:
                return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"

    def _is_ordered(self, value: str) -> bool:
        (bound,) = self.values
        if not (value.lstrip("-").isdigit() and bound.lstrip("-").isdigit()):
            return False
        return int(value) < int(bound) if self.operator == "<" else int(value) > int(bound)


@lru_cache(maxsize=1024)
def parse_labels(text: str) -> tuple[Requirement, ...]:
    """The requirements of a label selector (`a=b,c notin (d,e),!f`); raises BadRequest for anything else."""
    return tuple(_requirement(part, text) for part in _NOT_IN_PARENTHESES.split(text) if part.strip())


def _requirement(part: str, text: str) -> Requirement:
    requirement = _parsed(part)
    if requirement is None:
        raise bad_request(f"unable to parse requirement: found '{part.strip()}' in \"{text}\"")
    if not _LABEL_KEY.match(requirement.key):
        raise bad_request(f'unable to parse requirement: <nil>: Invalid value: "{requirement.key}": {_KEY_RULE}')
    for value in requirement.values:
        if not _LABEL_VALUE.match(value):
            raise bad_request(
                f'unable to parse requirement: values[0][{requirement.key}]: Invalid value: "{value}": {_VALUE_RULE}'
            )
    return requirement


_KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_OPERATORS = {"=": "in", "==": "in", "!=": "notin", "<": "<", ">": ">"}


def _parsed(part: str) -> Requirement | None:
    if found := _SET.match(part):
        return Requirement(found["key"], found["operator"], frozenset(v.strip() for v in found["values"].split(",")))
    if found := _COMPARED.match(part):
        return Requirement(found["key"], _OPERATORS[found["operator"]], frozenset((found["value"],)))
    if found := _EXISTS.match(part):
        return Requirement(found["key"], "absent" if found["absent"] else "exists")
    return None


_IN_OBJECT = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}


def from_object(selector: Json | None) -> tuple[Requirement, ...] | None:
    """The requirements of a `LabelSelector` in an object; None (which matches nothing) when there is no selector."""
    if selector is None:
        return None
    equal = [
        Requirement(key, "in", frozenset((value,))) for key, value in sorted(selector.get("matchLabels", {}).items())
    ]
    expressions = [
        Requirement(item["key"], _IN_OBJECT[item["operator"]], frozenset(item.get("values") or ()))
        for item in selector.get("matchExpressions") or ()
    ]
    return (*equal, *expressions)


def matches_labels(requirements: tuple[Requirement, ...], obj: Json) -> bool:
    """Whether an object's labels fulfil every requirement."""
    labels = obj["metadata"].get("labels") or {}
    return all(requirement.matches(labels) for requirement in requirements)


_COMMON_FIELDS = frozenset({"metadata.name", "metadata.namespace"})
_FIELDS: Mapping[tuple[str, str], frozenset[str]] = {
    ("", "pods"): frozenset(
        {
            "spec.hostNetwork",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.nominatedNodeName",
            "status.phase",
            "status.podIP",
        }
    ),
    ("", "events"): frozenset(
        {
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.resourceVersion",
            "involvedObject.uid",
            "reason",
            "reportingComponent",
            "source",
            "type",
        }
    ),
    ("", "namespaces"): frozenset({"status.phase"}),
    ("", "nodes"): frozenset({"spec.unschedulable"}),
    ("", "secrets"): frozenset({"type"}),
    ("", "services"): frozenset({"spec.clusterIP", "spec.type"}),
    ("batch", "jobs"): frozenset({"status.successful"}),
    ("events.k8s.io", "events"): frozenset(
        {"reason", "regarding.kind", "regarding.name", "regarding.namespace", "regarding.uid", "reportingController"}
    ),
}
_DEFAULTS = {
    "spec.hostNetwork": "false",
    "spec.unschedulable": "false",
    "status.successful": "0",
}
_ALIASES = {
    "source": "source.component",
    "status.successful": "status.succeeded",
    "reportingController": "reportingComponent",
}
_FIELD_TERM = re.compile(r"^(?P<field>[^=!]+)(?P<operator>==|=|!=)(?P<value>.*)$")


def parse_fields(text: str, resource: Resource) -> tuple[tuple[str, bool, str], ...]:
    """Conditions (field, whether it must be equal, value); raises BadRequest for a field the kind cannot select by."""
    return tuple(_field_term(part, resource) for part in text.split(",") if part.strip())


def _field_term(part: str, resource: Resource) -> tuple[str, bool, str]:
    found = _FIELD_TERM.match(part.strip())
    if found is None:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    field = found["field"].strip()
    if field not in _selectable(resource):
        raise bad_request(f"field label not supported: {field}" if resource.custom else _unsupported(field, resource))
    return field, found["operator"] != "!=", found["value"].strip()


def _unsupported(field: str, resource: Resource) -> str:
    if _FIELDS.get((resource.group, resource.plural)) is None:
        return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return f"field label not supported: {field}"


def _selectable(resource: Resource) -> frozenset[str]:
    if resource.custom is None:
        return _COMMON_FIELDS | _FIELDS.get((resource.group, resource.plural), frozenset())
    declared = (field["jsonPath"].lstrip(".") for field in resource.custom.get("selectableFields") or ())
    return _COMMON_FIELDS.union(declared)


def field_value(obj: Json, field: str) -> str:
    """The text a field selector compares with; a field that is not set is its default, or empty."""
    value: Any = obj
    for name in _stored_path(obj, field).split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return _DEFAULTS.get(field, "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _stored_path(obj: Json, field: str) -> str:
    if field.startswith("regarding.") and "involvedObject" in obj:
        return "involvedObject." + field.removeprefix("regarding.")
    return _ALIASES.get(field, field)


def compile_selector(labels: str, fields: str, resource: Resource) -> Selector | None:
    """One predicate for the label and field selector of a request; None when everything matches."""
    requirements, conditions = parse_labels(labels), parse_fields(fields, resource)
    if not requirements and not conditions:
        return None

    def matches(obj: Json) -> bool:
        return matches_labels(requirements, obj) and all(
            (field_value(obj, field) == value) == is_equal for field, is_equal, value in conditions
        )

    return matches
