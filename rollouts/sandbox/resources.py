"""What the sandbox serves: one `Resource` for every (group, version, plural), kept in one `Registry`.

A resource is a name for a collection and says which verbs and subresources it has. It holds no objects (that is the
store's part) and no rules about them (that is the schema's part). Built-in resources are a fixed table; installing a
CustomResourceDefinition adds one resource for every served version, and updating it replaces them by new ones.
Every change moves `Registry.revision`, so whoever caches what follows from the registry can see that it is stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
NAMESPACE_VERBS = tuple(verb for verb in ALL_VERBS if verb != "deletecollection")
REVIEW_VERBS = ("create",)
_VERSION_PATTERN = re.compile(r"^v(\d+)(?:(alpha|beta)(\d+))?$")
_STABILITY = {None: 2, "beta": 1, "alpha": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subresource:
    """A path below one object: its name, what is sent to it, and the verbs it has.

    An empty `kind` means that the subresource takes and gives the object itself, as `status` does.
    """

    name: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""
    kind: str = ""


_GET_AND_WRITE = ("get", "patch", "update")
SUBRESOURCES: Mapping[str, Subresource] = {
    sub.name: sub
    for sub in (
        Subresource(name="status", verbs=_GET_AND_WRITE),
        Subresource(name="scale", verbs=_GET_AND_WRITE, group="autoscaling", version="v1", kind="Scale"),
        Subresource(name="eviction", verbs=("create",), group="policy", version="v1", kind="Eviction"),
        Subresource(name="binding", verbs=("create",), version="v1", kind="Binding"),
        Subresource(name="finalize", verbs=("update",)),
        Subresource(name="log", verbs=("get",)),
        Subresource(name="ephemeralcontainers", verbs=_GET_AND_WRITE),
        Subresource(name="resize", verbs=_GET_AND_WRITE),
        Subresource(name="token", verbs=("create",), group="authentication.k8s.io", version="v1", kind="TokenRequest"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource:
    """One served collection.

    Resources compare by identity: a custom resource whose definition changed is another resource, so a cache keyed by
    `Resource` is never stale. Stores key by `store_key`, which all versions of one collection share.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    list_kind: str
    custom: Json | None = None
    """The entry of `spec.versions` that this resource serves; None for a built-in one."""

    @property
    def group_version(self) -> str:
        """The `apiVersion` of its objects: `v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def api_path(self) -> str:
        """Where its group and version live: `/api/v1` or `/apis/apps/v1`."""
        return f"/apis/{self.group_version}" if self.group else f"/api/{self.version}"

    @property
    def qualified_name(self) -> str:
        """How error messages name it: `pods` or `rollouts.argoproj.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def store_key(self) -> tuple[str, str]:
        """The collection that holds its objects; both groups of events show the same one."""
        return ("", "events") if self.plural == "events" else (self.group, self.plural)

    @property
    def is_review(self) -> bool:
        """Whether a create is only answered and never stored."""
        return self.verbs == REVIEW_VERBS

    def collection_path(self, namespace: str | None) -> str:
        """The URL path of the collection, in one namespace or across all of them."""
        where = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.api_path}{where}/{self.plural}"


def _builtin(group_version: str, kind: str, plural: str, **more: Any) -> Resource:
    group, _, version = group_version.rpartition("/")
    more.setdefault("namespaced", True)
    return Resource(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        singular=more.pop("singular", kind.lower()),
        list_kind=f"{kind}List",
        **more,
    )


def _review(group: str, kind: str, *, namespaced: bool = False) -> Resource:
    return _builtin(f"{group}/v1", kind, kind.lower() + "s", namespaced=namespaced, verbs=REVIEW_VERBS)


_ALL = ("all",)
_WORKLOAD: Json = {"categories": _ALL, "subresources": ("scale", "status")}
_RBAC = "rbac.authorization.k8s.io/v1"
BUILTIN: tuple[Resource, ...] = (
    _builtin("v1", "ConfigMap", "configmaps", short_names=("cm",)),
    _builtin("v1", "Endpoints", "endpoints", short_names=("ep",)),
    _builtin("v1", "Event", "events", short_names=("ev",)),
    _builtin(
        "v1",
        "Namespace",
        "namespaces",
        namespaced=False,
        short_names=("ns",),
        verbs=NAMESPACE_VERBS,
        subresources=("finalize", "status"),
    ),
    _builtin("v1", "Node", "nodes", namespaced=False, short_names=("no",), subresources=("status",)),
    _builtin(
        "v1",
        "Pod",
        "pods",
        short_names=("po",),
        categories=_ALL,
        subresources=("binding", "ephemeralcontainers", "eviction", "log", "resize", "status"),
    ),
    _builtin("v1", "PodTemplate", "podtemplates"),
    _builtin("v1", "Secret", "secrets"),
    _builtin("v1", "ServiceAccount", "serviceaccounts", short_names=("sa",), subresources=("token",)),
    _builtin("v1", "Service", "services", short_names=("svc",), categories=_ALL, subresources=("status",)),
    _builtin("events.k8s.io/v1", "Event", "events", short_names=("ev",)),
    _review("authentication.k8s.io", "SelfSubjectReview"),
    _review("authentication.k8s.io", "TokenReview"),
    _review("authorization.k8s.io", "LocalSubjectAccessReview", namespaced=True),
    _review("authorization.k8s.io", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io", "SelfSubjectRulesReview"),
    _review("authorization.k8s.io", "SubjectAccessReview"),
    _builtin("apps/v1", "Deployment", "deployments", short_names=("deploy",), **_WORKLOAD),
    _builtin("apps/v1", "ReplicaSet", "replicasets", short_names=("rs",), **_WORKLOAD),
    _builtin(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        short_names=("hpa",),
        categories=_ALL,
        subresources=("status",),
    ),
    _builtin("batch/v1", "Job", "jobs", categories=_ALL, subresources=("status",)),
    _builtin("networking.k8s.io/v1", "IngressClass", "ingressclasses", namespaced=False),
    _builtin("networking.k8s.io/v1", "Ingress", "ingresses", short_names=("ing",), subresources=("status",)),
    _builtin(
        "policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", short_names=("pdb",), subresources=("status",)
    ),
    _builtin(_RBAC, "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    _builtin(_RBAC, "ClusterRole", "clusterroles", namespaced=False),
    _builtin(_RBAC, "RoleBinding", "rolebindings"),
    _builtin(_RBAC, "Role", "roles"),
    _builtin(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources=("status",),
    ),
    _builtin("coordination.k8s.io/v1", "Lease", "leases"),
    _builtin("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
)


def version_priority(version: str) -> tuple[int, int, int, str]:
    """A sort key that puts the version a client should prefer first: v2, v1, v1beta1, v1alpha1, then other names."""
    match = _VERSION_PATTERN.match(version)
    if match is None:
        return (1, 0, 0, version)
    stability = _STABILITY[match[2]]
    return (-stability, -int(match[1]), -int(match[3] or 0), "")


def custom_resources(crd: Json) -> tuple[Resource, ...]:
    """The resources that an (already admitted and defaulted) CustomResourceDefinition serves, preferred one first."""
    spec, names = crd["spec"], crd["spec"]["names"]
    served = [version for version in spec["versions"] if version.get("served")]
    return tuple(
        Resource(
            group=spec["group"],
            version=version["name"],
            kind=names["kind"],
            plural=names["plural"],
            singular=names.get("singular") or names["kind"].lower(),
            list_kind=names.get("listKind") or f"{names['kind']}List",
            namespaced=spec["scope"] == "Namespaced",
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=tuple(sorted(version.get("subresources") or ())),
            custom=version,
        )
        for version in sorted(served, key=lambda version: version_priority(version["name"]))
    )


class Registry:
    """Every resource served now; lookups are dictionary reads."""

    def __init__(self, builtin: Iterable[Resource] = BUILTIN) -> None:
        self.revision = 0
        """Moves with every change of what is served."""
        self._resources: dict[tuple[str, str, str], Resource] = {}
        self._kinds: dict[tuple[str, str, str], Resource] = {}
        self._add(builtin)

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource at this place of the URL space, if it is served."""
        return self._resources.get((group, version, plural))

    def find_kind(self, group: str, version: str, kind: str) -> Resource | None:
        """The resource whose objects have this group, version and kind, if it is served."""
        return self._kinds.get((group, version, kind))

    def all(self) -> Iterator[Resource]:
        """Every resource, built-in ones first, in a stable order."""
        return iter(tuple(self._resources.values()))

    def versions_of(self, group: str) -> tuple[str, ...]:
        """The served versions of a group, preferred one first; empty when the group is not served."""
        versions = {resource.version for resource in self._resources.values() if resource.group == group}
        return tuple(sorted(versions, key=version_priority))

    def groups(self) -> tuple[str, ...]:
        """Every served group; the core group, named by the empty string, comes first."""
        return tuple(dict.fromkeys(resource.group for resource in self._resources.values()))

    def install(self, crd: Json) -> tuple[Resource, ...]:
        """Serve what a CustomResourceDefinition defines, in place of what it defined before."""
        self._drop(crd["spec"]["group"], crd["spec"]["names"]["plural"])
        resources = custom_resources(crd)
        self._add(resources)
        self.revision += 1
        return resources

    def remove(self, crd: Json) -> None:
        """Serve nothing of this CustomResourceDefinition any more."""
        self._drop(crd["spec"]["group"], crd["spec"]["names"]["plural"])
        self.revision += 1

    def _add(self, resources: Iterable[Resource]) -> None:
        for resource in resources:
            self._resources[resource.group, resource.version, resource.plural] = resource
            self._kinds[resource.group, resource.version, resource.kind] = resource

    def _drop(self, group: str, plural: str) -> None:
        for resource in list(self.all()):
            if resource.custom is not None and (resource.group, resource.plural) == (group, plural):
                del self._resources[resource.group, resource.version, resource.plural]
                del self._kinds[resource.group, resource.version, resource.kind]
