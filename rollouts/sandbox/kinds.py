"""The kinds that the sandbox's own API clients (controllers, node, balancer) use, and how their paths are made.

A client names a kind by its path, so this needs no discovery; the server's registry (`resources.py`) is not imported,
because these clients also run against a real API server. What a kind means does not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object as its URL names it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; empty for the core one."""
        return self.api_version.rpartition("/")[0]

    @property
    def root(self) -> str:
        """The path of the group and version: `/api/v1` or `/apis/<group>/<version>`."""
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"

    def collection(self, namespace: str = "") -> str:
        """The path of all objects of a namespace, or of the cluster when it is empty."""
        if self.namespaced and namespace:
            return f"{self.root}/namespaces/{namespace}/{self.plural}"
        return f"{self.root}/{self.plural}"

    def item(self, key: Key, subresource: str = "") -> str:
        """The path of one object or of one of its subresources."""
        path = f"{self.collection(key[0])}/{key[1]}"
        return f"{path}/{subresource}" if subresource else path


NAMESPACES = Kind("v1", "Namespace", "namespaces", namespaced=False)
NODES = Kind("v1", "Node", "nodes", namespaced=False)
PODS = Kind("v1", "Pod", "pods")
SERVICES = Kind("v1", "Service", "services")
ENDPOINTS = Kind("v1", "Endpoints", "endpoints")
SERVICE_ACCOUNTS = Kind("v1", "ServiceAccount", "serviceaccounts")
CONFIG_MAPS = Kind("v1", "ConfigMap", "configmaps")
SECRETS = Kind("v1", "Secret", "secrets")
REPLICA_SETS = Kind("apps/v1", "ReplicaSet", "replicasets")
DEPLOYMENTS = Kind("apps/v1", "Deployment", "deployments")
JOBS = Kind("batch/v1", "Job", "jobs")
ENDPOINT_SLICES = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
CRDS = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)


def key_of(obj: Json) -> Key:
    """The key of an object."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def uid_of(obj: Json) -> str:
    """The uid of an object; empty for one that was never stored."""
    return str(obj["metadata"].get("uid", ""))


def version_of(obj: Json) -> int:
    """The resourceVersion as a number that grows with every write; 0 when there is none."""
    return int(obj["metadata"].get("resourceVersion") or 0)


def is_terminating(obj: Json) -> bool:
    """Whether deletion was asked for."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def controller_of(obj: Json) -> Json | None:
    """The owner reference of the controller, if the object has one."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            owner: Json = reference
            return owner
    return None


def owned_by(owner: Json, kind: Kind) -> Json:
    """The owner reference that makes `owner` the controller of an object."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
