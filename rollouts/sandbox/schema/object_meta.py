"""The rules every object's metadata obeys: names, labels, annotations, owners, finalizers, and what may not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rollouts.sandbox.resources import Resource
from rollouts.sandbox.schema import names
from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.model import Json
from rollouts.sandbox.schema.violations import Violation

ANNOTATIONS_BYTES_MAX = 256 * 1024
_BOTH_FINALIZERS = {"orphan", "foregroundDeletion"}
_STANDARD_FINALIZERS = {"kubernetes", *_BOTH_FINALIZERS}
_NAME_RULES: dict[str, Callable[[str], tuple[str, ...]]] = {
    "Namespace": names.namespace_problems,
    "Service": names.label_problems,
    "Role": names.path_segment_problems,
    "ClusterRole": names.path_segment_problems,
    "RoleBinding": names.path_segment_problems,
    "ClusterRoleBinding": names.path_segment_problems,
}
_FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def validate_metadata(resource: Resource, obj: Json, old: Json | None, found: list[Violation]) -> None:
    """Append to `found` what is wrong with the object's metadata."""
    meta = obj.get("metadata") or {}
    if old is None:
        _check_name(resource, meta, found)
    else:
        _check_unchanged(meta, old.get("metadata") or {}, found)
    if meta.get("labels"):
        check_labels(meta["labels"], "metadata.labels", found)
    if meta.get("annotations"):
        check_annotations(meta["annotations"], "metadata.annotations", found)
    if meta.get("ownerReferences"):
        _check_owners(meta["ownerReferences"], found)
    if meta.get("finalizers"):
        _check_finalizers(meta["finalizers"], found, is_builtin=resource.custom is None)


def _check_name(resource: Resource, meta: Json, found: list[Violation]) -> None:
    rule = _NAME_RULES.get(resource.kind) if resource.custom is None else None
    rule = rule or names.subdomain_problems
    name, base = meta.get("name", ""), meta.get("generateName", "")
    if base:
        # What the dash at its end is to part from the suffix may not end a name itself.
        problems = rule(f"{base[:-1]}a" if base.endswith("-") else base)
        found.extend(say.invalid("metadata.generateName", base, problem) for problem in problems)
    if not name:
        found.append(say.required("metadata.name", "name or generateName is required"))
    found.extend(say.invalid("metadata.name", name, problem) for problem in (rule(name) if name else ()))
    namespace = meta.get("namespace", "")
    if resource.namespaced:
        if not namespace:
            found.append(say.required("metadata.namespace"))
        problems = names.label_problems(namespace) if namespace else ()
        found.extend(say.invalid("metadata.namespace", namespace, problem) for problem in problems)
    elif namespace:
        found.append(say.forbidden("metadata.namespace", "not allowed on this type"))


def _check_unchanged(meta: Json, old: Json, found: list[Violation]) -> None:
    for name in _FIXED:
        if meta.get(name) != old.get(name):
            found.append(say.invalid(f"metadata.{name}", meta.get(name), "field is immutable"))
    if old.get("deletionTimestamp"):
        added = sorted(set(meta.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            listed = ", ".join(f'"{one}"' for one in added)
            detail = "no new finalizers can be added if the object is being deleted, found new finalizers"
            found.append(say.forbidden("metadata.finalizers", f"{detail} []string{{{listed}}}"))


def check_labels(labels: dict[str, str], where: str, found: list[Violation]) -> None:
    """Keys and values of labels."""
    for key, value in labels.items():
        problems = names.qualified_name_problems(key, "a valid label key")
        found.extend(say.invalid(where, key, problem) for problem in problems)
        found.extend(say.invalid(where, value, problem) for problem in names.label_value_problems(value))


def check_annotations(annotations: dict[str, str], where: str, found: list[Violation]) -> None:
    """Keys of annotations, whose case does not matter, and their size altogether."""
    for key in annotations:
        problems = names.qualified_name_problems(key.lower())
        found.extend(say.invalid(where, key, problem) for problem in problems)
    if sum(len(key) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_BYTES_MAX:
        found.append(say.too_long(where, ANNOTATIONS_BYTES_MAX))


def _check_owners(owners: list[Any], found: list[Violation]) -> None:
    where, controllers = "metadata.ownerReferences", []
    for owner in owners:
        if not owner.get("apiVersion", "").rpartition("/")[2]:
            found.append(say.invalid(f"{where}.apiVersion", owner.get("apiVersion", ""), "version must not be empty"))
        for name in ("kind", "name", "uid"):
            if not owner.get(name):
                found.append(say.invalid(f"{where}.{name}", "", "must not be empty"))
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
    if len(controllers) > 1:
        detail = 'Only one reference can have Controller set to true. Found "true" in references for'
        found.append(say.invalid(where, owners, f"{detail} {controllers[0]} and {controllers[1]}"))


def _check_finalizers(finalizers: list[str], found: list[Violation], *, is_builtin: bool) -> None:
    where = "metadata.finalizers"
    for finalizer in finalizers:
        problems = names.qualified_name_problems(finalizer)
        found.extend(say.invalid(where, finalizer, problem) for problem in problems)
    for index, finalizer in enumerate(finalizers if is_builtin else ()):
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            found.append(say.invalid(f"{where}[{index}]", finalizer, detail))
    if set(finalizers) >= _BOTH_FINALIZERS:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        found.append(say.invalid(where, finalizers, detail))
