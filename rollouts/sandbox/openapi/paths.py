"""The requests a resource takes, as OpenAPI path items.

Clients look here for the kind behind a path and for the query parameters a PATCH knows: kubectl sends `fieldValidation`
and `dryRun` only where the document lists them. Both versions of OpenAPI are written from the same description.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rollouts.sandbox.openapi import schemas
from rollouts.sandbox.openapi.schemas import Dialect
from rollouts.sandbox.resources import SUBRESOURCES, Json, Resource
from rollouts.sandbox.schema import definitions as builtin

_PATCH_TYPES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
_STRATEGIC = "application/strategic-merge-patch+json"
_JSON = "application/json"
_WRITE = {"dryRun": "string", "fieldManager": "string", "fieldValidation": "string"}
_LIST = {
    "allowWatchBookmarks": "boolean",
    "continue": "string",
    "fieldSelector": "string",
    "labelSelector": "string",
    "limit": "integer",
    "resourceVersion": "string",
    "resourceVersionMatch": "string",
    "sendInitialEvents": "boolean",
    "timeoutSeconds": "integer",
    "watch": "boolean",
}
_DELETE = {"dryRun": "string", "gracePeriodSeconds": "integer", "propagationPolicy": "string"}
_PARAMETERS: dict[str, dict[str, str]] = {
    "get": {},
    "list": _LIST,
    "create": _WRITE,
    "update": _WRITE,
    "patch": {**_WRITE, "force": "boolean"},
    "delete": _DELETE,
    "deletecollection": {**_DELETE, **_LIST},
}
_METHODS = {
    "get": "get",
    "list": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
_ACTIONS = {"create": "post", "update": "put"}
_ON_COLLECTION = ("list", "create", "deletecollection")
_ON_OBJECT = ("get", "update", "patch", "delete")


def path_items(resource: Resource, dialect: Dialect) -> Iterator[tuple[str, Json]]:
    """Every path of a resource with its operations."""
    collection = resource.collection_path("{namespace}")
    yield collection, _item(resource, _ON_COLLECTION, collection, dialect)
    if resource.namespaced and "list" in resource.verbs:
        everywhere = resource.collection_path(None)
        yield everywhere, _item(resource, ("list",), everywhere, dialect)
    if "get" not in resource.verbs:
        return
    yield f"{collection}/{{name}}", _item(resource, _ON_OBJECT, f"{collection}/{{name}}", dialect)
    for name in resource.subresources:
        sub = SUBRESOURCES[name]
        path = f"{collection}/{{name}}/{name}"
        kind = (sub.group, sub.version, sub.kind) if sub.kind else (resource.group, resource.version, resource.kind)
        yield path, _operations(sub.verbs, kind, path, dialect)


def _item(resource: Resource, verbs: tuple[str, ...], path: str, dialect: Dialect) -> Json:
    kind = (resource.group, resource.version, resource.kind)
    return _operations(tuple(verb for verb in verbs if verb in resource.verbs), kind, path, dialect)


def _operations(verbs: tuple[str, ...], kind: tuple[str, str, str], path: str, dialect: Dialect) -> Json:
    item: Json = {_METHODS[verb]: _operation(verb, kind, dialect) for verb in verbs if verb in _METHODS}
    names = [name for name in ("namespace", "name") if f"{{{name}}}" in path]
    parameters = [_parameter(name, "string", "path", dialect) for name in names]
    return {**item, "parameters": parameters} if parameters else item


def _operation(verb: str, kind: tuple[str, str, str], dialect: Dialect) -> Json:
    parameters = [_parameter(name, type_, "query", dialect) for name, type_ in sorted(_PARAMETERS[verb].items())]
    operation: Json = {
        "x-kubernetes-action": _ACTIONS.get(verb, verb),
        schemas.GVK: schemas.gvk(*kind),
        "responses": {"200": _response(_answer(verb, kind), dialect)},
    }
    body = _body(verb, kind)
    if body is not None:
        types = _patch_types(kind) if verb == "patch" else (_JSON,)
        if dialect == "v2":
            schema = schemas.reference(body, dialect)
            parameters.append({"name": "body", "in": "body", "required": verb != "delete", "schema": schema})
            operation["consumes"] = list(types)
        else:
            operation["requestBody"] = {"content": {each: _content(body, dialect) for each in types}}
    if dialect == "v2":
        operation["produces"] = [_JSON]
    return {**operation, "parameters": parameters}


def _patch_types(kind: tuple[str, str, str]) -> tuple[str, ...]:
    """Only built-in kinds say how their lists merge; kubectl apply picks its kind of patch by this list."""
    return _PATCH_TYPES if builtin.definition_name(*kind) is None else (*_PATCH_TYPES, _STRATEGIC)


def _answer(verb: str, kind: tuple[str, str, str]) -> str:
    if verb in ("delete", "deletecollection"):
        return schemas.STATUS
    group, version, name = kind
    return schemas.kind_name(group, version, f"{name}List" if verb == "list" else name)


def _body(verb: str, kind: tuple[str, str, str]) -> str | None:
    if verb in ("create", "update"):
        return schemas.kind_name(*kind)
    return {"patch": schemas.PATCH, "delete": schemas.DELETE_OPTIONS, "deletecollection": schemas.DELETE_OPTIONS}.get(
        verb
    )


def _content(name: str, dialect: Dialect) -> Json:
    return {"schema": schemas.reference(name, dialect)}


def _response(name: str, dialect: Dialect) -> Json:
    if dialect == "v2":
        return {"description": "OK", **_content(name, dialect)}
    return {"description": "OK", "content": {_JSON: _content(name, dialect)}}


def _parameter(name: str, type_: str, place: str, dialect: Dialect) -> Json:
    parameter: dict[str, Any] = {"name": name, "in": place}
    if place == "path":
        parameter["required"] = True
    return {**parameter, "type": type_} if dialect == "v2" else {**parameter, "schema": {"type": type_}}
