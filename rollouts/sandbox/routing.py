"""From method, path and query to what is meant: a verb on a resource, perhaps in a namespace, of a name, below it.

Only paths of resources are known here; discovery, health and documents are paths of their own. Nothing is looked up
but the registry, so a target may well name an object that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollouts.sandbox.resources import Registry, Resource

_NAMESPACE_PARTS = frozenset({"status", "finalize"})
_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}
_FALSE = frozenset({"0", "false"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request is about. Name and subresource are empty for a collection."""

    resource: Resource
    verb: str
    namespace: str | None
    name: str
    subresource: str

    @property
    def key(self) -> tuple[str, str]:
        """Where the object is stored."""
        return (self.namespace or "", self.name)

    @property
    def label(self) -> str:
        """The resource as rules and metrics name it: `pods` or `pods/status`."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


def is_true(text: str | None) -> bool:
    """Whether a query parameter says yes: so does every value but `0` and `false`, even an empty one."""
    return text is not None and text.lower() not in _FALSE


def route(registry: Registry, method: str, path: str, query: Mapping[str, str]) -> Target | None:
    """The target of a request, or None when the path is not one of a served resource."""
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return None
    namespace, parts = _namespace_and_rest(rest)
    if not 1 <= len(parts) <= 3:
        return None
    plural, name, subresource = (*parts, "", "")[:3]
    resource = registry.find(group, version, plural)
    if resource is None or (not resource.namespaced and namespace is not None):
        return None
    verb = _verb(method, name, query)
    if resource.namespaced and namespace is None and name:
        return None
    return Target(resource=resource, verb=verb, namespace=namespace, name=name, subresource=subresource)


def _namespace_and_rest(parts: list[str]) -> tuple[str | None, list[str]]:
    match parts:
        case ["namespaces", name, last] if last in _NAMESPACE_PARTS:
            return None, ["namespaces", name, last]
        case ["namespaces", namespace, *rest] if rest:
            return namespace, rest
        case _:
            return None, parts


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    verbs = _OBJECT_VERBS if name else _COLLECTION_VERBS
    verb = verbs.get(method, "")
    if method == "GET" and is_true(query.get("watch")) and (not name or verb == "list"):
        return "watch"
    return verb
