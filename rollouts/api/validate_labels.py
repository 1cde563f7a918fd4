"""Rules of names, labels and label selectors, with the messages of the Kubernetes API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.api.findings import Finding, Place

_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
_PART_MAX, _SUBDOMAIN_MAX = 63, 253
_OPERATORS_WITH_VALUES = frozenset({"In", "NotIn"})
_OPERATORS_WITHOUT = frozenset({"Exists", "DoesNotExist"})


def dns_label_problem(name: str) -> str | None:
    """Why `name` is no RFC 1123 label (the name of a container, volume, ...); None when it is one."""
    if len(name) > _PART_MAX:
        return f"must be no more than {_PART_MAX} characters"
    if not re.fullmatch(_DNS_LABEL, name):
        return (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
            "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        )
    return None


def object_name_problem(name: str) -> str | None:
    """Why `name` is no RFC 1123 subdomain (the name of an object); None when it is one."""
    if len(name) > _SUBDOMAIN_MAX:
        return f"must be no more than {_SUBDOMAIN_MAX} characters"
    if not re.fullmatch(_SUBDOMAIN, name):
        return (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
    return None


def key_problem(key: str) -> str | None:
    """Why `key` is no key of a label or annotation; None when it is one."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > _SUBDOMAIN_MAX or not re.fullmatch(_SUBDOMAIN, prefix)):
        return "prefix part must be a lowercase RFC 1123 subdomain"
    if not name:
        return "name part must be non-empty"
    if len(name) > _PART_MAX:
        return f"name part must be no more than {_PART_MAX} characters"
    if not re.fullmatch(_NAME_PART, name):
        return (
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        )
    return None


def value_problem(value: str) -> str | None:
    """Why `value` is no value of a label; None when it is one."""
    if len(value) > _PART_MAX:
        return f"must be no more than {_PART_MAX} characters"
    if not re.fullmatch(_VALUE, value):
        return (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
            "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        )
    return None


def labels(value: Any, place: Place) -> Iterator[Finding]:
    """Everything wrong with a map of labels."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        yield place.invalid(value, "must be an object")
        return
    for key, label in value.items():
        problem = key_problem(str(key))
        if problem:
            yield place.invalid(key, problem)
        problem = value_problem(label) if isinstance(label, str) else "must be a string"
        if problem:
            yield place.invalid(label, problem)


def selector(value: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    """Everything wrong with a label selector."""
    yield from labels(value.get("matchLabels"), place / "matchLabels")
    expressions = value.get("matchExpressions")
    if expressions is not None and not isinstance(expressions, list):
        yield (place / "matchExpressions").invalid(expressions, "must be a list")
        return
    for index, expression in enumerate(expressions or ()):
        yield from _requirement(expression, (place / "matchExpressions")[index])


def is_selector(value: Mapping[str, Any]) -> bool:
    """Whether a label selector can be evaluated."""
    return next(selector(value, Place("", "")), None) is None


def _requirement(value: Any, place: Place) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield place.invalid(value, "must be an object")
        return
    operator, values = str(value.get("operator")), value.get("values") or []
    if operator in _OPERATORS_WITH_VALUES and not values:
        yield (place / "values").required("must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in _OPERATORS_WITHOUT and values:
        yield (place / "values").forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif operator not in _OPERATORS_WITH_VALUES | _OPERATORS_WITHOUT:
        yield (place / "operator").invalid(operator, "not a valid selector operator")
    key = value.get("key")
    problem = key_problem(key) if isinstance(key, str) else "must be a string"
    if problem:
        yield (place / "key").invalid(key, problem)
    for index, each in enumerate(values if isinstance(values, list) else ()):
        problem = value_problem(each) if isinstance(each, str) else "must be a string"
        if problem:
            yield (place / "values")[index].invalid(each, problem)
