"""Paths below an object that are not the object: scale, eviction, binding, finalize, token and log.

Each is a small view of its parent, or a request about it; writes go through the same pipeline as any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rollouts.sandbox import conversion, errors, eviction, patches, selectors
from rollouts.sandbox.access import Access
from rollouts.sandbox.backend import Backend
from rollouts.sandbox.calls import Call, copied
from rollouts.sandbox.deletion import Deleter, options_of
from rollouts.sandbox.errors import ApiError
from rollouts.sandbox.presentation import Presenter, Reply
from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.schema.decoding import UnreadableError, decode
from rollouts.sandbox.schema.definitions import builtin_schema
from rollouts.sandbox.schema.model import Schema
from rollouts.sandbox.store import Record, encode
from rollouts.sandbox.writing import Writer

_IDENTITY = ("name", "namespace", "resourceVersion", "uid")
_BUILTIN_SCALE: Json = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}


def scale_of(resource: Resource, obj: Json) -> Json:
    """The Scale of a workload."""
    paths = _scale_paths(resource)
    meta = {
        key: obj["metadata"][key]
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if key in obj["metadata"]
    }
    status: Json = {"replicas": _at(obj, paths["statusReplicasPath"]) or 0}
    if selector := _selector_text(resource, obj, paths):
        status["selector"] = selector
    spec = {"replicas": replicas} if (replicas := _at(obj, paths["specReplicasPath"])) else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec, "status": status}


def _scale_paths(resource: Resource) -> Json:
    if resource.custom is None:
        return _BUILTIN_SCALE
    paths: Json = resource.custom["subresources"]["scale"]
    return paths


def _selector_text(resource: Resource, obj: Json, paths: Json) -> str:
    if resource.custom is not None:
        return str(_at(obj, paths.get("labelSelectorPath", "")) or "")
    requirements = selectors.from_object(obj.get("spec", {}).get("selector")) or ()
    return ",".join(map(str, requirements))


def _at(obj: Json, path: str) -> Any:
    value: Any = obj
    for name in filter(None, path.split(".")):
        value = value.get(name) if isinstance(value, dict) else None
    return value if path else None


def _with(obj: Json, path: str, value: Any) -> Json:
    """The object with this value at the path; parts on the way are copied."""
    head, _, rest = path.lstrip(".").partition(".")
    return {**obj, head: _with(obj.get(head) or {}, rest, value) if rest else value}


class Subresources:
    """Answers every verb on a subresource other than `status`."""

    def __init__(
        self, backend: Backend, presenter: Presenter, writer: Writer, deleter: Deleter, access: Access
    ) -> None:
        self._backend = backend
        self._presenter = presenter
        self._writer = writer
        self._deleter = deleter
        self._access = access

    def answer(self, call: Call) -> Reply:
        """Carry out the call. Raises NotFound for a subresource that the resource does not have."""
        match call.target.subresource:
            case "scale":
                return self._scale(call)
            case "eviction":
                return self._evict(call)
            case "binding":
                return self._bind(call)
            case "token":
                account = self._backend.require(call.resource, call.target.key).object
                return Reply(body=encode(self._access.token_request(account, call.document())), code=201)
            case "log":
                return self._log(call)
            case _:
                return self._part(call)

    def _scale(self, call: Call) -> Reply:
        record = self._backend.require(call.resource, call.target.key)
        scale = scale_of(call.resource, conversion.served(record.object, call.resource))
        if call.target.verb != "get":
            record = self._rescaled(call, record, scale)
            scale = scale_of(call.resource, conversion.served(record.object, call.resource))
        return Reply(body=encode(scale))

    def _rescaled(self, call: Call, record: Record, scale: Json) -> Record:
        wanted = _wanted_scale(call, scale)
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if replicas < 0:
            why = f"Invalid value: {replicas}: must be greater than or equal to 0"
            raise _invalid_scale(call.target.name, [errors.cause("spec.replicas", "FieldValueInvalid", why)])
        meta = {name: value for name, value in (wanted.get("metadata") or {}).items() if name in _IDENTITY and value}
        path = _scale_paths(call.resource)["specReplicasPath"]
        if patches.is_apply(call):
            stated = {"apiVersion": call.resource.group_version, "kind": call.resource.kind, "metadata": meta}
            return self._writer.apply(call, record, _with(stated, path, replicas)).record
        obj = copied(conversion.served(record.object, call.resource))
        obj["metadata"] |= meta
        return self._writer.replace(call, record, _with(obj, path, replicas)).record

    def _evict(self, call: Call) -> Reply:
        options = options_of(call.query, _named(call, "Eviction").get("deleteOptions") or {})
        pod = self._backend.require(call.resource, call.target.key).object
        eviction.permit(self._backend, pod, is_dry_run=options.is_dry_run)
        if not options.is_dry_run and not pod["metadata"].get("deletionTimestamp"):
            self._backend.put(call.resource, call.target.key, eviction.marked(pod, now=self._backend.now()))
        self._deleter.remove(call.resource, call.target.key, options)
        return Reply(body=encode(errors.done(code=201)), code=201)

    def _bind(self, call: Call) -> Reply:
        """Give the pod to a node: what a scheduler does."""
        node = (_named(call, "Binding").get("target") or {}).get("name")
        record = self._backend.require(call.resource, call.target.key)
        pod = record.object
        if pod.get("spec", {}).get("nodeName"):
            why = f'pod {call.target.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
            binding = replace(call.resource, plural="pods/binding")
            raise errors.conflict(binding, call.target.name, why)
        conditions = [c for c in pod.get("status", {}).get("conditions") or () if c["type"] != "PodScheduled"]
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": self._backend.now(),
        }
        bound = {**pod, "spec": {**pod["spec"], "nodeName": node}}
        bound["status"] = {**pod.get("status", {}), "conditions": [*conditions, scheduled]}
        if not call.is_dry_run:
            self._backend.put(call.resource, call.target.key, bound)
        return Reply(body=encode(errors.done(code=201)), code=201)

    def _log(self, call: Call) -> Reply:
        """Containers' output stays on the node: there is none to show."""
        self._backend.require(call.resource, call.target.key)
        return Reply(body=b"", headers={"Content-Type": "text/plain"})

    def _part(self, call: Call) -> Reply:
        """Read or write the object by another path: a Namespace's `finalize`, a Pod's `resize` and the like."""
        if call.target.verb == "get":
            return self._presenter.one(call, self._backend.require(call.resource, call.target.key))
        written = self._writer.patch(call) if call.target.verb == "patch" else self._writer.update(call)
        return self._presenter.one(call, written.record, code=written.code)


def _named(call: Call, kind: str) -> Json:
    """The body, which must be about the pod of the path."""
    body = call.document()
    if (body.get("metadata") or {}).get("name") != call.target.name:
        raise errors.bad_request(f"name in URL does not match name in {kind} object")
    return body


def _wanted_scale(call: Call, scale: Json) -> Json:
    """The Scale that the call asks for. Raises BadRequest, or Invalid when a patch makes it unreadable."""
    if call.target.verb == "update" or patches.is_apply(call):
        wanted = call.document()
    else:
        wanted = _patched_scale(call, scale)
    try:
        read: Json = decode(wanted, builtin_schema("autoscaling", "v1", "Scale"), [])
    except UnreadableError as why:
        if call.target.verb == "patch":
            raise errors.invalid_patch(encode(wanted).decode(), str(why)) from None
        raise errors.bad_request(f'Scale in version "v1" cannot be handled as a Scale: {why}') from None
    return read


def _patched_scale(call: Call, scale: Json) -> Json:
    if call.content_type not in (patches.JSON_PATCH, patches.MERGE_PATCH, patches.STRATEGIC_PATCH):
        raise errors.unsupported_media_type((patches.JSON_PATCH, patches.MERGE_PATCH))
    return patches.patched(call, scale, Schema(type="object", preserve_unknown=True))


def _invalid_scale(name: str, causes: list[Json]) -> ApiError:
    message = f'Scale.autoscaling "{name}" is invalid: {causes[0]["field"]}: {causes[0]["message"]}'
    details = {"name": name, "group": "autoscaling", "kind": "Scale", "causes": causes}
    return ApiError(422, "Invalid", message, details=details)
