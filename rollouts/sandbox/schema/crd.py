"""Admitting CustomResourceDefinitions: defaults, rules, and the status that says that the new names are served.

A real server accepts names and establishes a definition in the background; here it happens as the definition is
stored, so a client that waits for Established does not wait.
"""

from __future__ import annotations

from typing import Any

from rollouts.sandbox.schema import names
from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.model import Json
from rollouts.sandbox.schema.structural_rules import check_schema
from rollouts.sandbox.schema.violations import Violation

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_SCOPES = ("Cluster", "Namespaced")


def fill_definition(crd: Json) -> None:
    """Defaults of a definition and its status, in place."""
    spec = crd.setdefault("spec", {})
    spec.setdefault("conversion", {"strategy": "None"})
    given = spec.setdefault("names", {})
    if given.get("kind"):
        given.setdefault("singular", given["kind"].lower())
        given.setdefault("listKind", f"{given['kind']}List")
    status = crd.setdefault("status", {})
    stored = status.setdefault("storedVersions", [])
    stored += [one["name"] for one in spec.get("versions") or () if one.get("storage") and one["name"] not in stored]
    status["acceptedNames"] = dict(given)
    if not status.get("conditions"):
        status["conditions"] = accepted_conditions(crd.get("metadata", {}).get("creationTimestamp"))


def accepted_conditions(now: str | None) -> list[Json]:
    """What a definition says that got all its names, and is served for it."""
    time = {"lastTransitionTime": now} if now else {}
    accepted = {"reason": "NoConflicts", "message": "no conflicts found"}
    initial = {"reason": "InitialNamesAccepted", "message": "the initial names have been accepted"}
    return [
        {"type": "NamesAccepted", "status": "True", **time, **accepted},
        {"type": "Established", "status": "True", **time, **initial},
    ]


def validate_definition(crd: Json, old: Json | None, found: list[Violation]) -> None:
    """Append to `found` what is wrong with the definition."""
    spec = crd.get("spec") or {}
    if crd["metadata"].get("name") != f"{spec.get('names', {}).get('plural', '')}.{spec.get('group', '')}":
        detail = 'must be spec.names.plural+"."+spec.group'
        found.append(say.invalid("metadata.name", crd["metadata"].get("name", ""), detail))
    _check_group(spec.get("group", ""), found)
    if spec.get("scope") not in _SCOPES:
        scope = spec.get("scope", "")
        found.append(say.unsupported("spec.scope", scope, _SCOPES) if scope else say.required("spec.scope"))
    if spec.get("preserveUnknownFields"):
        instead = "set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        found.append(say.invalid("spec.preserveUnknownFields", True, f"cannot set to true, {instead}"))  # noqa: FBT003  # a value
    _check_versions(crd, found)
    _check_names(spec.get("names") or {}, found)
    if old is not None:
        _check_fixed(spec, old.get("spec") or {}, found)


def _check_group(group: str, found: list[Violation]) -> None:
    if not group:
        found.append(say.required("spec.group"))
    elif names.subdomain_problems(group):
        found.append(say.invalid("spec.group", group, ",".join(names.subdomain_problems(group))))
    elif "." not in group:
        found.append(say.invalid("spec.group", group, "should be a domain with at least one dot"))


def _check_fixed(spec: Json, old: Json, found: list[Violation]) -> None:
    """What a definition is about cannot change."""
    for where, value, before in (
        ("spec.group", spec.get("group"), old.get("group")),
        ("spec.scope", spec.get("scope"), old.get("scope")),
        ("spec.names.kind", spec.get("names", {}).get("kind"), old.get("names", {}).get("kind")),
        ("spec.names.plural", spec.get("names", {}).get("plural"), old.get("names", {}).get("plural")),
    ):
        if value != before:
            found.append(say.invalid(where, value, "field is immutable"))


def _check_names(given: Json, found: list[Violation]) -> None:
    for name in ("plural", "singular", "kind", "listKind"):
        where, text = f"spec.names.{name}", given.get(name, "")
        if not text:
            found.append(say.required(where))
            continue
        is_kind = name in ("kind", "listKind")
        problems = ",".join(names.service_label_problems(text.lower() if is_kind else text))
        if problems:
            hint = "may have mixed case, but should otherwise match: " if is_kind else ""
            found.append(say.invalid(where, text, hint + problems))
    for field in ("shortNames", "categories"):
        for index, text in enumerate(given.get(field) or ()):
            problems = ",".join(names.service_label_problems(text))
            if problems:
                found.append(say.invalid(f"spec.names.{field}[{index}]", text, problems))
    if given.get("kind") and given.get("kind") == given.get("listKind"):
        found.append(say.invalid("spec.names.listKind", given["listKind"], "kind and listKind may not be the same"))


def _check_versions(crd: Json, found: list[Violation]) -> None:
    versions = crd["spec"].get("versions") or []
    for index, version in enumerate(versions):
        name = version.get("name", "")
        problems = ",".join(names.service_label_problems(name))
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            found.append(say.required(f"spec.versions[{index}].schema.openAPIV3Schema"))
        if problems:
            found.append(say.invalid(f"spec.versions[{index}].name", name, problems))
    named = [version.get("name") for version in versions]
    if len(set(named)) < len(named):
        found.append(say.invalid("spec.versions", versions, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        found.append(say.invalid("spec.versions", versions, "must have exactly one version marked as storage version"))
    if not crd["status"]["storedVersions"]:
        found.append(say.invalid("status.storedVersions", [], "must have at least one stored version"))
    for part, (where, shared), check in (
        ("schema", ("schema", "validation"), _check_version_schema),
        ("subresources", ("subresources", "subresources"), _check_subresources),
        ("additionalPrinterColumns", ("additionalPrinterColumns", "additionalPrinterColumns"), _check_columns),
    ):
        given = [version.get(part) for version in versions]
        if given and all(one == given[0] for one in given):
            check(given[0], f"spec.{shared}", found)
        else:
            for index, one in enumerate(given):
                check(one, f"spec.versions[{index}].{where}", found)


def _check_version_schema(schema: Any, where: str, found: list[Violation]) -> None:
    declared = (schema or {}).get("openAPIV3Schema")
    if declared:
        check_schema(declared, f"{where}.openAPIV3Schema", found)


def _check_subresources(subresources: Any, where: str, found: list[Violation]) -> None:
    scale = (subresources or {}).get("scale")
    if scale is None:
        return
    for name, roots in (
        ("specReplicasPath", (".spec",)),
        ("statusReplicasPath", (".status",)),
        ("labelSelectorPath", (".spec", ".status")),
    ):
        path, place = scale.get(name, ""), f"{where}.scale.{name}"
        if not path and name != "labelSelectorPath":
            found.append(say.required(place))
        elif path and not path.startswith("."):
            found.append(say.invalid(place, path, "must be a simple json path starting with ."))
        elif path and not path.startswith(tuple(f"{root}." for root in roots)):
            either = "either .spec or .status" if len(roots) > 1 else roots[0]
            found.append(say.invalid(place, path, f"should be a json path under {either}"))


def _check_columns(columns: Any, where: str, found: list[Violation]) -> None:
    for index, column in enumerate(columns or ()):
        place, path = f"{where}[{index}]", column.get("jsonPath", "")
        if not column.get("name"):
            found.append(say.required(f"{place}.name"))
        allowed = f"must be one of {','.join(_COLUMN_TYPES)}"
        if column.get("type") not in _COLUMN_TYPES:
            kind = column.get("type", "")
            wrong = say.invalid(f"{place}.type", kind, allowed) if kind else say.required(f"{place}.type", allowed)
            found.append(wrong)
        if not path:
            found.append(say.required(f"{place}.JSONPath"))
        elif not path.startswith("."):
            found.append(say.invalid(f"{place}.JSONPath", path, "must be a simple json path starting with ."))
