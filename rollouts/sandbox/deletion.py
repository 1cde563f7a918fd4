"""Deleting: at once, gracefully, or only marked until the last finalizer is gone.

A Pod on a node is marked with the time by which it is to be gone, and removed when the node deletes it with a grace
period of 0; whoever watches sees it marked before it goes. Foreground and orphan propagation are finalizers that the
garbage collector takes away again; dependents are never looked at here. A Namespace waits for its `spec.finalizers`.
A CustomResourceDefinition takes its objects with it, and waits for those that have finalizers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rollouts.sandbox import conversion, errors
from rollouts.sandbox.backend import CLEANUP_FINALIZER, CRDS, NAMESPACES, Backend
from rollouts.sandbox.bodies import decode
from rollouts.sandbox.calls import Call, dry_run_values
from rollouts.sandbox.clock import stamp
from rollouts.sandbox.presentation import Presenter, Reply
from rollouts.sandbox.reading import Reader
from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.routing import is_true
from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.decoding import UnreadableError
from rollouts.sandbox.schema.decoding import decode as decode_typed
from rollouts.sandbox.schema.definitions import DELETE_OPTIONS, compile_definition
from rollouts.sandbox.store import Key, Record, encode
from rollouts.sandbox.strategies import strategy_of

POD_GRACE_SECONDS_DEFAULT = 30
_PROPAGATION_FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
_PROPAGATIONS = ("Background", *_PROPAGATION_FINALIZERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """How to delete; None where the client leaves it to the server."""

    grace_seconds: int | None = None
    propagation: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion left: the last state, and whether the object is gone."""

    record: Record
    is_gone: bool


def options_of(query: Mapping[str, str], body: Json) -> DeleteOptions:
    """The options of a deletion; those in the body win. Raises BadRequest and Invalid."""
    body = _read_options(body)
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    orphan = body.get("orphanDependents", is_true(query["orphanDependents"]) if "orphanDependents" in query else None)
    propagation = body.get("propagationPolicy", query.get("propagationPolicy"))
    dry_run = body.get("dryRun") or dry_run_values(query)
    _check_options(propagation, dry_run, says_orphan=orphan is not None)
    if propagation is None and orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    preconditions: Json = body.get("preconditions") or {}
    return DeleteOptions(
        grace_seconds=None if grace is None else int(grace),
        propagation=propagation,
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        is_dry_run=bool(dry_run),
    )


def _read_options(body: Json) -> Json:
    version, kind = body.get("apiVersion", "v1"), body.get("kind", "DeleteOptions")
    if kind != "DeleteOptions":
        raise errors.bad_request(f'no kind "{kind}" is registered for version "{version}"')
    try:
        read: Json = decode_typed(body, compile_definition(DELETE_OPTIONS), [])
    except UnreadableError as why:
        raise errors.bad_request(str(why)) from None
    return read


def _check_options(propagation: str | None, dry_run: list[str], *, says_orphan: bool) -> None:
    where, found = "propagationPolicy", []
    if propagation is not None and says_orphan:
        found.append(say.invalid(where, propagation, "orphanDependents and deletionPropagation cannot be both set"))
    if propagation is not None and propagation not in _PROPAGATIONS:
        found.append(say.unsupported(where, propagation, ("Foreground", "Background", "Orphan", "nil")))
    if any(value != "All" for value in dry_run):
        found.append(say.unsupported("dryRun", dry_run, ("All",)))
    if found:
        raise errors.invalid_options("DeleteOptions", [problem.cause() for problem in found])


class Deleter:
    """Answers delete and deletecollection."""

    def __init__(self, backend: Backend, presenter: Presenter, reader: Reader) -> None:
        self._backend = backend
        self._presenter = presenter
        self._reader = reader

    def delete(self, call: Call) -> Reply:
        """Delete one object. Raises NotFound, Conflict (preconditions), Forbidden (protected namespaces)."""
        options = self._options(call)
        deleted = self.remove(call.resource, call.target.key, options)
        self._warn(call, options)
        if deleted.is_gone and not strategy_of(call.resource).shows_deleted:
            return Reply(body=encode(errors.success(details=_deleted_details(call.resource, deleted.record))))
        return self._presenter.one(call, deleted.record)

    def delete_collection(self, call: Call) -> Reply:
        """Delete all objects that the query selects."""
        options = self._options(call)
        selected = self._reader.selected(call)
        deleted = [self.remove(call.resource, key, options).record for key, _ in selected]
        return self._presenter.many(call, deleted, {"resourceVersion": str(self._backend.store.revision)})

    def remove(self, resource: Resource, key: Key, options: DeleteOptions) -> Deleted:
        """Delete one object, or take the first step to it."""
        record = self._backend.require(resource, key)
        _check_preconditions(resource, record.object, options)
        if resource.store_key == NAMESPACES and key[1] in ("default", "kube-system", "kube-public"):
            raise errors.forbidden(resource, key[1], "this namespace may not be deleted")
        obj = self._marked(resource, record.object, options)
        if resource.store_key == CRDS and not options.is_dry_run and self._remove_custom_objects(record.object):
            obj["metadata"]["finalizers"] = [*_other_finalizers(obj), CLEANUP_FINALIZER]
        if _is_ready_to_go(resource, obj):
            if options.is_dry_run:
                return Deleted(record, is_gone=True)
            if strategy_of(resource).is_graceful and obj != record.object:
                self._backend.put(resource, key, obj)
            return Deleted(self._backend.remove(resource, key), is_gone=True)
        if obj == record.object:
            return Deleted(record, is_gone=False)
        if options.is_dry_run:
            return Deleted(Record(obj, record.revision), is_gone=False)
        served = conversion.served(obj, resource)
        return Deleted(self._backend.put(resource, key, dict(served)), is_gone=False)

    def _options(self, call: Call) -> DeleteOptions:
        what = "couldn't get version/kind; json parse error"
        body: Any = decode(call.body, content_type=call.content_type, what=what)[0] if call.body else {}
        if not isinstance(body, dict):
            raise errors.bad_request("the body of a deletion must be DeleteOptions")
        return options_of(call.query, body)

    def _warn(self, call: Call, options: DeleteOptions) -> None:
        if strategy_of(call.resource).orphans_by_default and options.propagation is None:
            call.warnings.append(
                "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove "
                "them or set propagationPolicy=Orphan to suppress this warning"
            )

    def _marked(self, resource: Resource, obj: Json, options: DeleteOptions) -> Json:
        """The object, marked as being deleted."""
        meta = dict(obj["metadata"])
        grace = self._grace_seconds(resource, obj, options)
        finalizers = _with_propagation(resource, meta.get("finalizers") or [], options)
        if finalizers != (meta.get("finalizers") or []):
            meta["finalizers"] = finalizers
        if not meta.get("deletionTimestamp") or grace < meta.get("deletionGracePeriodSeconds", 0):
            started = self._backend.clock()
            if not meta.get("deletionTimestamp") and "generation" in meta:
                meta["generation"] += 1
            meta["deletionTimestamp"] = stamp(started + timedelta(seconds=grace))
            meta["deletionGracePeriodSeconds"] = grace
        marked = {**obj, "metadata": meta}
        if resource.store_key == NAMESPACES:
            marked["status"] = {**obj.get("status", {}), "phase": "Terminating"}
            meta.pop("deletionGracePeriodSeconds", None)
        return marked

    def _grace_seconds(self, resource: Resource, obj: Json, options: DeleteOptions) -> int:
        if not strategy_of(resource).is_graceful:
            return 0
        spec = obj.get("spec", {})
        if not spec.get("nodeName") or obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        asked = options.grace_seconds
        if asked is None:
            asked = spec.get("terminationGracePeriodSeconds", POD_GRACE_SECONDS_DEFAULT)
        return max(int(asked), 0)

    def _remove_custom_objects(self, crd: Json) -> int:
        """Delete what a definition defines; how many objects are still there, held by finalizers."""
        resource = self._backend.custom_resource(crd)
        if resource is None:
            return 0
        for key, _ in self._backend.collection(resource).records():
            self.remove(resource, key, DeleteOptions())
        return len(self._backend.collection(resource))


def _with_propagation(resource: Resource, finalizers: list[str], options: DeleteOptions) -> list[str]:
    propagation = options.propagation
    if propagation is None:
        if any(name in finalizers for name in _PROPAGATION_FINALIZERS.values()):
            return finalizers
        propagation = "Orphan" if strategy_of(resource).orphans_by_default else "Background"
    wanted = _PROPAGATION_FINALIZERS.get(propagation)
    kept = [name for name in finalizers if name not in _PROPAGATION_FINALIZERS.values()]
    return kept if wanted is None else [*kept, wanted]


def _other_finalizers(crd: Json) -> list[str]:
    return [name for name in crd["metadata"].get("finalizers") or () if name != CLEANUP_FINALIZER]


def _is_ready_to_go(resource: Resource, obj: Json) -> bool:
    meta = obj["metadata"]
    if resource.store_key == NAMESPACES and obj.get("spec", {}).get("finalizers"):
        return False
    return not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds")


def _check_preconditions(resource: Resource, obj: Json, options: DeleteOptions) -> None:
    meta = obj["metadata"]
    checks = (
        ("UID", options.uid, meta["uid"], "deleted and then recreated"),
        ("ResourceVersion", options.resource_version, meta["resourceVersion"], "modified"),
    )
    for what, wanted, actual, happened in checks:
        if wanted is not None and wanted != actual:
            why = f"the {what} in the precondition ({wanted}) does not match the {what} in record ({actual})"
            raise errors.unmet(resource, meta["name"], f"{why}. The object might have been {happened}")


def _deleted_details(resource: Resource, record: Record) -> Json:
    meta = record.object["metadata"]
    details = {"name": meta["name"], "group": resource.group, "kind": resource.plural, "uid": meta["uid"]}
    return {key: value for key, value in details.items() if value}
