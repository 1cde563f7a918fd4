"""Creating, updating and patching: the one pipeline that every stored object went through.

decode -> what the write may change -> completed by the server -> admitted by the schema -> generation -> field owners
-> stored. Nothing waits between reading the live object and storing the new one, so every write is atomic. A dry run
goes the whole way and stores nothing. Deletions live in their own module, except the one that completes when a write
removes the last finalizer.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from rollouts.sandbox import conversion, errors, patches
from rollouts.sandbox.addresses import Claims, carry_over
from rollouts.sandbox.admission import admit
from rollouts.sandbox.backend import NAMESPACES, SERVICES, Backend
from rollouts.sandbox.bodies import decode
from rollouts.sandbox.calls import Call, copied
from rollouts.sandbox.identity import applied_kind, check_applied, check_update, checked_kind, metadata_of, name_new
from rollouts.sandbox.patching import managed
from rollouts.sandbox.patching.apply import apply
from rollouts.sandbox.patching.managed import record
from rollouts.sandbox.patching.typed import go_text
from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.schema.catalog import schema_of
from rollouts.sandbox.schema.decoding import UnreadableError
from rollouts.sandbox.store import Record, encode
from rollouts.sandbox.strategies import moves_generation, strategy_of

_SERVER_OWNED = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "uid")


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left: a state, stored or (after a dry run) only made up, and the code to answer with."""

    record: Record
    code: int = 200


class Writer:
    """Answers create, update and patch."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def create(self, call: Call) -> Written:
        """Store a new object. Raises AlreadyExists, Invalid, Forbidden, NotFound (of the namespace)."""
        return self.insert(call, checked_kind(call, call.document()))

    def update(self, call: Call) -> Written:
        """Replace an object, or the part of it that the subresource is."""
        obj = checked_kind(call, call.document())
        old = self._backend.find(call.resource, call.target.key)
        if old is None:
            return self._create_by_update(call, obj)
        if not metadata_of(obj).get("resourceVersion") and not strategy_of(call.resource).updates_unconditionally:
            raise errors.no_version(call.resource, call.target.name)
        return self.replace(call, old, obj)

    def _create_by_update(self, call: Call, obj: Json) -> Written:
        """Create what an update does not find, where the kind allows it. A uid still means an object that is there."""
        if not strategy_of(call.resource).creates_on_update or call.target.subresource:
            raise errors.not_found(call.resource, call.target.name)
        meta = metadata_of(obj)
        if meta.get("uid"):
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: "
            raise errors.conflict(call.resource, call.target.name, why)
        meta.pop("resourceVersion", None)
        return self.insert(call, obj)

    def patch(self, call: Call) -> Written:
        """Change an object by a patch; an apply creates the object when it is not there."""
        patches.check_type(call)
        old = self._backend.find(call.resource, call.target.key)
        if patches.is_apply(call):
            return self.apply(call, old, applied_kind(call, call.document()))
        if old is None:
            raise errors.not_found(call.resource, call.target.name)
        live = conversion.served(old.object, call.resource)
        return self.replace(call, old, checked_kind(call, patches.patched(call, live, schema_of(call.resource))))

    def apply(self, call: Call, old: Record | None, stated: Json) -> Written:
        """Merge what the call's manager states into an object, and give up what it no longer states."""
        if old is None and call.target.subresource:
            raise errors.not_found(call.resource, call.target.name)
        live = None if old is None else conversion.served(old.object, call.resource)
        by, schema = self._writer(call, call.target.subresource), schema_of(call.resource)
        check_applied(call, metadata_of(stated), live)
        applied: Json = copied(apply(live, stated, by=by, force=call.is_forced, schema=schema))
        return self.insert(call, applied) if old is None else self.replace(call, old, applied)

    def insert(self, call: Call, obj: Json) -> Written:
        """Make a new object of a decoded one, and store it."""
        resource, strategy = call.resource, strategy_of(call.resource)
        meta = obj["metadata"] = metadata_of(obj)
        name_new(call, meta, is_taken=lambda name: self._is_taken(call, name))
        self._check_namespace(call, meta["name"])
        if meta.get("resourceVersion") and not patches.is_apply(call):
            raise errors.broken("resourceVersion should not be set on objects to be created")
        for field in (*_SERVER_OWNED, "selfLink", "resourceVersion"):
            meta.pop(field, None)
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": self._backend.now()}
        if strategy.generation_fields is not None:
            meta["generation"] = 1
        if strategy.has_status and resource.plural != "nodes":
            obj.pop("status", None)
        strategy.prepare(obj)
        obj = self._admitted(call, obj, None, call.target.subresource)
        obj = self._owned(call, obj, None, "")
        strategy.prepare_new(obj)
        key = (call.target.namespace or "", meta["name"])
        if self._is_taken(call, meta["name"]):
            raise errors.already_exists(resource, meta["name"])
        return Written(self._stored(call, key, obj, None), code=201)

    def replace(self, call: Call, old: Record, obj: Json) -> Written:
        """Make the next state of a live object of a decoded one, and store it unless nothing changes."""
        resource = call.resource
        live = conversion.served(old.object, resource)
        subresource = call.target.subresource
        obj["metadata"] = metadata_of(obj)
        check_update(call, live, obj["metadata"])
        obj = self._kept(call, live, obj, subresource)
        strategy_of(resource).prepare(obj)
        if resource.store_key == SERVICES:
            carry_over(live, obj)
        obj = self._admitted(call, obj, live, subresource)
        if moves_generation(resource, live, obj):
            obj["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1
        is_same = _content(obj) == _content(live)
        if is_same and _owners(obj) in (None, _owners(live)):
            return Written(old)
        obj = self._owned(call, obj, live, subresource)
        if is_same and _owners(obj) == _owners(live):
            return Written(old)
        key = call.target.key
        if _is_finished(obj):
            return Written(Record(obj, old.revision) if call.is_dry_run else self._finished(call, obj))
        return Written(self._stored(call, key, obj, old))

    def _finished(self, call: Call, obj: Json) -> Record:
        """The last finalizer is gone: so is the object."""
        self._backend.remove(call.resource, call.target.key)
        return Record(conversion.stored(obj, call.resource), self._backend.store.revision)

    def _stored(self, call: Call, key: tuple[str, str], obj: Json, old: Record | None) -> Record:
        claims = Claims()
        if call.resource.store_key == SERVICES:
            claims = self._backend.addresses.complete(call.resource, obj, old.object if old else None)
        if call.is_dry_run:
            self._backend.addresses.release(claims)
            return Record(conversion.stored(obj, call.resource), old.revision if old else 0)
        return self._backend.put(call.resource, key, _ordered(obj))

    def _is_taken(self, call: Call, name: str) -> bool:
        return self._backend.find(call.resource, (call.target.namespace or "", name)) is not None

    def _check_namespace(self, call: Call, name: str) -> None:
        """Objects are made only in namespaces that exist and are to stay."""
        where = call.target.namespace
        if not call.resource.namespaced or where is None:
            return
        namespace = self._backend.namespace_of(where)
        if namespace is None:
            namespaces = self._backend.registry.find("", "v1", "namespaces")
            assert namespaces is not None
            raise errors.not_found(namespaces, where)
        if namespace["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {where} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {where} is being terminated",
                "field": "metadata.namespace",
            }
            raise errors.forbidden(call.resource, name, why, causes=[cause])

    def _kept(self, call: Call, live: Json, obj: Json, subresource: str) -> Json:
        """The object as this write may change it: everything else stays as it is."""
        strategy, resource = strategy_of(call.resource), call.resource
        if subresource == "status":
            obj = _status_written(resource, live, obj)
        elif strategy.has_status:
            obj = {name: value for name, value in obj.items() if name != "status"}
            if "status" in live:
                obj["status"] = copied(live["status"])
        if resource.store_key == NAMESPACES and subresource != "finalize":
            obj["spec"] = {**(obj.get("spec") or {}), "finalizers": live["spec"].get("finalizers", [])}
        meta = obj["metadata"]
        for field in (*_SERVER_OWNED, "resourceVersion"):
            meta.pop(field, None)
            if field in live["metadata"]:
                meta[field] = live["metadata"][field]
        meta.pop("selfLink", None)
        _check_finalizers(resource, live["metadata"], meta)
        return obj

    def _admitted(self, call: Call, obj: Json, old: Json | None, subresource: str) -> Json:
        """The object as its schema completes and accepts it."""
        verb = "apply" if patches.is_apply(call) else call.target.verb
        validation = call.field_validation
        try:
            admitted = admit(call.resource, obj, old, verb=verb, field_validation=validation, subresource=subresource)
        except errors.ApiError as refusal:
            raise _as_patch_refusal(call, obj, refusal) from refusal
        call.warnings.extend(admitted.warnings)
        return admitted.object

    def _owned(self, call: Call, obj: Json, old: Json | None, subresource: str) -> Json:
        """The object with its field owners; an apply has recorded them already."""
        if patches.is_apply(call):
            return obj
        return record(old, obj, by=self._writer(call, subresource), schema=schema_of(call.resource))

    def _writer(self, call: Call, subresource: str) -> managed.Writer:
        return managed.Writer(
            manager=call.manager,
            group_version=call.resource.group_version,
            subresource=subresource,
            now=self._backend.now(),
        )


def _status_written(resource: Resource, live: Json, obj: Json) -> Json:
    """Through `status` a custom resource changes its status only; built-in kinds let some metadata pass as well."""
    kept = {name: copied(value) for name, value in live.items() if name not in ("status", "metadata")}
    if "status" in obj:
        kept["status"] = obj["status"]
    meta = obj["metadata"]
    if resource.custom is not None:
        meta = {**copied(live["metadata"]), "managedFields": meta.get("managedFields")}
        if meta["managedFields"] is None:
            del meta["managedFields"]
    elif strategy_of(resource).status_keeps_labels:
        meta = {**meta, "labels": live["metadata"].get("labels", {})}
    return {**kept, "metadata": meta}


def _ordered(obj: Json) -> Json:
    """The object with its parts in the order in which people read them."""
    first = {name: obj[name] for name in ("kind", "apiVersion", "metadata", "spec") if name in obj}
    last = {"status": obj["status"]} if "status" in obj else {}
    return first | {name: value for name, value in obj.items() if name not in last} | last


def _content(obj: Json) -> Json:
    """What makes a write more than a repetition."""
    meta = obj["metadata"]
    bookkeeping = ("managedFields", "resourceVersion")
    return {**obj, "metadata": {name: value for name, value in meta.items() if name not in bookkeeping}}


def _owners(obj: Json) -> list[Json] | None:
    """Who owns what, whenever they last wrote it."""
    entries = obj["metadata"].get("managedFields")
    if entries is None:
        return None
    return [{name: value for name, value in entry.items() if name != "time"} for entry in entries]


def _is_finished(obj: Json) -> bool:
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers"):
        return False
    if obj.get("kind") == "Namespace" and (obj.get("spec") or {}).get("finalizers"):
        return False
    return not meta.get("deletionGracePeriodSeconds")


def _check_finalizers(resource: Resource, live: Json, meta: Json) -> None:
    if not live.get("deletionTimestamp"):
        return
    added = [name for name in meta.get("finalizers") or () if name not in (live.get("finalizers") or ())]
    if added:
        listed = ", ".join(f'"{name}"' for name in added)
        message = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{listed}}}"
        )
        cause = errors.cause("metadata.finalizers", "FieldValueForbidden", message)
        raise errors.invalid(resource, meta["name"], [cause])


def _as_patch_refusal(call: Call, obj: Json, refusal: errors.ApiError) -> errors.ApiError:
    """What is unreadable is a bad request, unless a patch made it so: then the patch is invalid.

    A strategic merge patch is shown itself, as the server holds it; of others what they made of the object.
    """
    strict = "strict decoding error"
    if call.target.verb != "patch" or refusal.reason != "BadRequest" or strict in refusal.message:
        return refusal
    if call.content_type == patches.STRATEGIC_PATCH and isinstance(refusal.__cause__, UnreadableError):
        return errors.invalid_patch(go_text(decode(call.body)[0]), refusal.__cause__.restored)
    _, _, why = refusal.message.partition(f" cannot be handled as a {call.resource.kind}: ")
    return errors.invalid_patch(encode(obj).decode(), why or refusal.message)
