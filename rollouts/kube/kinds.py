"""The kinds this controller touches, and where the API serves them.

A kind is data, so that one request method serves all of them. What may be done with each is access.py's table; what the
objects mean is the API package's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind as the API server names it; `group` is empty for the core group."""

    group: str
    version: str
    name: str
    plural: str
    is_namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The value of `apiVersion` in its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """Path of its group and version, without a slash at the end."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Path of the collection, of one object, or of an object's subresource; no namespace means all of them."""
        parts = [self.root]
        if self.is_namespaced and namespace:
            parts.append(f"namespaces/{quote(namespace, safe='')}")
        parts.append(self.plural)
        parts.extend(quote(part, safe="") for part in (name, subresource) if part)
        return "/".join(parts)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Names one object of a kind; `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def _argo(name: str, *, is_namespaced: bool = True) -> Kind:
    plural = f"{name.lower()}s"
    return Kind(group="argoproj.io", version="v1alpha1", name=name, plural=plural, is_namespaced=is_namespaced)


ROLLOUTS = _argo("Rollout")
ANALYSIS_RUNS = _argo("AnalysisRun")
EXPERIMENTS = _argo("Experiment")
ANALYSIS_TEMPLATES = _argo("AnalysisTemplate")
CLUSTER_ANALYSIS_TEMPLATES = _argo("ClusterAnalysisTemplate", is_namespaced=False)
REPLICA_SETS = Kind(group="apps", version="v1", name="ReplicaSet", plural="replicasets")
SERVICES = Kind(group="", version="v1", name="Service", plural="services")
INGRESSES = Kind(group="networking.k8s.io", version="v1", name="Ingress", plural="ingresses")
DEPLOYMENTS = Kind(group="apps", version="v1", name="Deployment", plural="deployments")
POD_TEMPLATES = Kind(group="", version="v1", name="PodTemplate", plural="podtemplates")
PODS = Kind(group="", version="v1", name="Pod", plural="pods")
SECRETS = Kind(group="", version="v1", name="Secret", plural="secrets")
EVENTS = Kind(group="", version="v1", name="Event", plural="events")
LEASES = Kind(group="coordination.k8s.io", version="v1", name="Lease", plural="leases")
CRDS = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    name="CustomResourceDefinition",
    plural="customresourcedefinitions",
    is_namespaced=False,
)

ROUTED = (INGRESSES,)
"""Kinds that routers read and write."""

WORKLOADS = (DEPLOYMENTS, REPLICA_SETS, POD_TEMPLATES)
"""Kinds that spec.workloadRef may name. Of ReplicaSets only versions are watched, any other is read when needed."""

WATCHED = (
    ROLLOUTS,
    REPLICA_SETS,
    ANALYSIS_RUNS,
    EXPERIMENTS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    SERVICES,
    *ROUTED,
    DEPLOYMENTS,
    POD_TEMPLATES,
)
"""Kinds the controller keeps a copy of."""

REPORTED = (ROLLOUTS, ANALYSIS_RUNS)
"""Kinds whose status the controller writes."""

HASH_LABEL = "rollouts-pod-template-hash"
"""Label of every ReplicaSet and pod of a Rollout."""

INSTANCE_LABEL = "argo-rollouts.argoproj.io/controller-instance-id"
"""Label that gives an object to one of several controllers."""


def label_selector(kind: Kind, instance_id: str) -> str:
    """What the server filters by when `kind` is listed or watched; empty: nothing."""
    if kind == REPLICA_SETS:
        return HASH_LABEL
    if kind in (ROLLOUTS, ANALYSIS_RUNS, EXPERIMENTS):
        return f"{INSTANCE_LABEL}={instance_id}" if instance_id else f"!{INSTANCE_LABEL}"
    return ""
