"""Objects as bytes, in the representation that a client asked for: as they are, as a Table, or only their metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from rollouts.sandbox import conversion, negotiation, tables
from rollouts.sandbox.backend import Backend
from rollouts.sandbox.calls import Call
from rollouts.sandbox.errors import bad_request, not_acceptable
from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.store import Record, encode

_INCLUDED: dict[str, tables.IncludeObject] = {"None": "None", "Metadata": "Metadata", "Object": "Object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete response: a body of JSON and its code."""

    body: bytes
    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def transform_of(call: Call) -> negotiation.Transform | None:
    """The representation the client wants. Raises NotAcceptable."""
    try:
        return negotiation.transform(call.accept)
    except negotiation.NotAcceptable as failure:
        if call.resource.custom is not None:
            raise not_acceptable(str(failure)) from failure
        available = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        raise not_acceptable(f"406: Not Acceptable\n\nAvailable representations: {available}") from failure


def encoded(record: Record, resource: Resource) -> bytes:
    """A stored object as its resource shows it."""
    if conversion.is_converted(resource):
        return encode(conversion.served(record.object, resource))
    return record.encoded(resource.group_version)


def encoded_item(record: Record, resource: Resource) -> bytes:
    """A stored object as an entry of a list: lists of built-in kinds do not repeat kind and apiVersion."""
    if resource.custom is not None:
        return encoded(record, resource)
    if conversion.is_converted(resource):
        return encode(conversion.untyped(conversion.served(record.object, resource)))
    return record.encoded_untyped()


class Presenter:
    """Turns objects and lists into replies."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def one(self, call: Call, record: Record, *, code: int = 200) -> Reply:
        """A stored object of the call's resource."""
        if transform_of(call) is None:
            return Reply(body=encoded(record, call.resource), code=code)
        return self.document(call, conversion.served(record.object, call.resource), code=code)

    def document(self, call: Call, obj: Json, *, code: int = 200) -> Reply:
        """An object of the call's resource, or of a subresource, that is not stored as it is."""
        return Reply(body=encode(self.transformed(call, obj)), code=code)

    def transformed(self, call: Call, obj: Json) -> Json:
        """An object in the representation asked for."""
        transform = transform_of(call)
        if transform is None or obj.get("kind") != call.resource.kind:
            return obj
        if transform == "Table":
            version = obj["metadata"].get("resourceVersion", "")
            return self.table(call, [obj], list_meta={"resourceVersion": version})
        return tables.partial(obj)

    def many(self, call: Call, records: Sequence[Record], list_meta: Json) -> Reply:
        """A list of stored objects."""
        transform, resource = transform_of(call), call.resource
        if transform is None:
            items = b",".join(encoded_item(record, resource) for record in records)
            if resource.custom is not None:
                list_meta = {"continue": "", **list_meta}
            head = {"kind": resource.list_kind, "apiVersion": resource.group_version, "metadata": list_meta}
            return Reply(body=encode(head)[:-1] + b',"items":[' + items + b"]}")
        objects = [conversion.served(record.object, resource) for record in records]
        if transform == "Table":
            return Reply(body=encode(self.table(call, objects, list_meta=list_meta)))
        return Reply(body=encode(tables.partial_list(objects, list_meta=list_meta)))

    def table(self, call: Call, objects: Sequence[Json], *, list_meta: Json) -> Json:
        """Objects as the rows of a table."""
        wanted = call.query.get("includeObject") or "Metadata"
        if wanted not in _INCLUDED:
            why = f"includeObject: Invalid value: {json.dumps(wanted)}: must be 'Metadata', 'Object', 'None', or empty"
            raise bad_request(f"Unable to convert to Table as requested: {why}")
        included = _INCLUDED[wanted]
        return tables.render(
            call.resource, objects, list_meta=list_meta, now=self._backend.clock(), include_object=included
        )
