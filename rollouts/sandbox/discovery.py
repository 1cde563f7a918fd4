"""What a client reads to learn what is served: versions, groups, resources, and where their schemas are.

Answers are made from the `Registry` and kept until it changes. Discovery exists in two shapes: one small document per
group and version (`/api/v1`, `/apis/apps/v1`), and one aggregated document for all of them, which newer clients ask for
by media type. The OpenAPI documents have their own module; this one only knows their paths.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from rollouts.sandbox import negotiation
from rollouts.sandbox.openapi import protobuf
from rollouts.sandbox.openapi.documents import Documents
from rollouts.sandbox.resources import SUBRESOURCES, Json, Registry, Resource, Subresource

SERVED_VERSION = "1.37"
_AGGREGATED_VERSIONS = ("v2", "v2beta1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete response to a GET."""

    body: bytes
    content_type: str = negotiation.JSON_TYPE
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Discovery:
    """Answers every path that describes the server rather than an object in it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._documents = Documents(registry)
        self._revision = registry.revision
        self._kept: dict[tuple[str, str], Answer] = {}

    def answer(self, path: str, accept: str | None) -> Answer | None:
        """The response to a GET of this path, or None when the path is not one of discovery's.

        Raises negotiation.NotAcceptable when the client wants a representation that does not exist.
        """
        if self._revision != self._registry.revision:
            self._revision = self._registry.revision
            self._kept.clear()
        key = (path, accept or "")
        if key not in self._kept:
            answer = self._make(path.rstrip("/") or "/", accept)
            if answer is None:
                return None
            self._kept[key] = answer
        return self._kept[key]

    def _make(self, path: str, accept: str | None) -> Answer | None:
        if path in ("/healthz", "/livez", "/readyz"):
            return Answer(body=b"ok", content_type="text/plain; charset=utf-8")
        if path in ("/api", "/apis"):
            return self._groups(path, accept)
        if path == "/openapi/v2":
            return self._openapi_v2(accept)
        if path.startswith("/openapi/v3/"):
            body = self._documents.group_version(path.removeprefix("/openapi/v3/"))
            return None if body is None else Answer(body=body, headers=_caching(body))
        document = self._document(path)
        return None if document is None else _json_answer(document)

    def _document(self, path: str) -> Json | None:
        if path == "/":
            return {"paths": self._paths()}
        if path == "/version":
            return version_info()
        if path == "/openapi/v3":
            return self._documents.index()
        if path == "/api/v1":
            return self._resource_list("", "v1")
        match path.split("/"):
            case ["", "apis", group]:
                return self._group(group)
            case ["", "apis", group, version]:
                return self._resource_list(group, version)
        return None

    def _groups(self, path: str, accept: str | None) -> Answer:
        is_core = path == "/api"
        for media_type in negotiation.accepted(accept):
            version = media_type.parameters.get("v", "")
            if media_type.parameters.get("as") == "APIGroupDiscoveryList" and version in _AGGREGATED_VERSIONS:
                return _json_answer(
                    aggregated(self._registry, is_core=is_core, version=version),
                    content_type=f"{negotiation.JSON_TYPE};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList",
                )
        if is_core:
            return _json_answer(_core_versions())
        groups = [self._group_versions(group) for group in self._registry.groups() if group]
        return _json_answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})

    def _openapi_v2(self, accept: str | None) -> Answer:
        offered = (negotiation.JSON_TYPE, protobuf.MEDIA_TYPE, protobuf.OLD_MEDIA_TYPE)
        if negotiation.first_acceptable(accept, offered) == negotiation.JSON_TYPE:
            return _json_answer(self._documents.swagger())
        body = protobuf.encode(self._documents.swagger())
        return Answer(body=body, content_type=protobuf.MEDIA_TYPE, headers=_caching(body))

    def _paths(self) -> list[str]:
        versions = [
            f"/apis/{group}/{version}"
            for group in self._registry.groups()
            if group
            for version in self._registry.versions_of(group)
        ]
        groups = [f"/apis/{group}" for group in self._registry.groups() if group]
        return sorted(
            [
                "/api",
                "/api/v1",
                "/apis",
                *groups,
                *versions,
                "/healthz",
                "/livez",
                "/openapi/v2",
                "/openapi/v3",
                "/readyz",
                "/version",
            ]
        )

    def _group(self, group: str) -> Json | None:
        if not self._registry.versions_of(group):
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group_versions(group)}

    def _group_versions(self, group: str) -> Json:
        versions = [
            {"groupVersion": f"{group}/{version}", "version": version} for version in self._registry.versions_of(group)
        ]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def _resource_list(self, group: str, version: str) -> Json | None:
        resources = _of(self._registry, group, version)
        if not resources:
            return None
        entries = [entry for resource in resources for entry in (_api_resource(resource), *_api_subresources(resource))]
        return {
            "kind": "APIResourceList",
            **({"apiVersion": "v1"} if group else {}),
            "groupVersion": resources[0].group_version,
            "resources": sorted(entries, key=lambda entry: str(entry["name"])),
        }


def version_info() -> Json:
    """The `/version` document."""
    major, minor = SERVED_VERSION.split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{SERVED_VERSION}.0+sandbox",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{platform.system()}/{platform.machine()}".lower(),
    }


def aggregated(registry: Registry, *, is_core: bool, version: str) -> Json:
    """The aggregated document of the core group (`/api`) or of all others (`/apis`)."""
    groups = [group for group in registry.groups() if (group == "") == is_core]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {
                        "version": served,
                        "freshness": "Current",
                        "resources": [_aggregated_resource(resource) for resource in _of(registry, group, served)],
                    }
                    for served in registry.versions_of(group)
                ],
            }
            for group in groups
        ],
    }


def _of(registry: Registry, group: str, version: str) -> list[Resource]:
    return [resource for resource in registry.all() if (resource.group, resource.version) == (group, version)]


def _api_resource(resource: Resource) -> Json:
    entry: Json = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if not resource.is_review:
        entry["storageVersionHash"] = _short_hash(f"{resource.group_version}/{resource.kind}")
    return entry


def _api_subresources(resource: Resource) -> Iterable[Json]:
    for name in resource.subresources:
        sub = SUBRESOURCES[name]
        foreign = {"group": sub.group, "version": sub.version} if sub.group or sub.version else {}
        yield {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **{key: value for key, value in foreign.items() if value and sub.group},
            "kind": sub.kind or resource.kind,
            "verbs": list(sub.verbs),
        }


def _aggregated_resource(resource: Resource) -> Json:
    entry: Json = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    optional: dict[str, Callable[[], object]] = {
        "shortNames": lambda: list(resource.short_names),
        "categories": lambda: list(resource.categories),
        "subresources": lambda: [
            _aggregated_subresource(resource, SUBRESOURCES[name]) for name in resource.subresources
        ],
    }
    entry.update({key: value for key, make in optional.items() if (value := make())})
    return entry


def _aggregated_subresource(resource: Resource, sub: Subresource) -> Json:
    kind = (
        {"group": sub.group, "version": sub.version, "kind": sub.kind}
        if sub.kind
        else {"group": resource.group, "version": resource.version, "kind": resource.kind}
    )
    return {"subresource": sub.name, "responseKind": kind, "verbs": list(sub.verbs)}


def _core_versions() -> Json:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
    }


def _json_answer(document: Json, *, content_type: str = negotiation.JSON_TYPE) -> Answer:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Answer(body=body, content_type=content_type, headers=_caching(body))


def _caching(body: bytes) -> dict[str, str]:
    return {"ETag": f'"{_short_hash(body)}"', "Vary": "Accept", "Cache-Control": "public"}


def _short_hash(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:16].upper()
