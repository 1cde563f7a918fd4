"""What the controller may do in a cluster: the one table that deploy/ is compared with.

A row is a permission somebody needs, with the reason. A call that is not covered here is refused by the cluster,
which the tests notice, since they run the controller with exactly these rights.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """Where a permission is needed."""

    WORK = "work"
    """Where Rollouts are: every namespace, or the one that is worked in."""
    CLUSTER = "cluster"
    """On cluster-scoped kinds; a controller of one namespace goes without."""
    OWN = "own"
    """In the controller's own namespace."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Verbs on resources of one API group, and what they are needed for."""

    scope: Scope
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str

    def as_rule(self) -> dict[str, list[str]]:
        """The rule of a Role or ClusterRole."""
        return {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}


PERMISSIONS = (
    Permission(
        Scope.WORK,
        "argoproj.io",
        ("rollouts",),
        ("get", "list", "watch", "patch"),
        "own annotations; a verb's field; whether one still names a Service is asked, not remembered",
    ),
    Permission(Scope.WORK, "argoproj.io", ("rollouts/status",), ("patch",), "say what is seen and decided"),
    Permission(
        Scope.WORK, "argoproj.io", ("rollouts/finalizers",), ("update",), "own objects that block the owner's deletion"
    ),
    Permission(
        Scope.WORK,
        "argoproj.io",
        ("analysisruns",),
        ("get", "list", "watch", "create", "patch", "delete"),
        "start runs, write their status, end them, keep few of them",
    ),
    Permission(
        Scope.WORK,
        "argoproj.io",
        ("experiments",),
        ("get", "list", "watch", "create", "patch", "delete"),
        "start those of steps, end them, keep few of them",
    ),
    Permission(Scope.WORK, "argoproj.io", ("analysistemplates",), ("list", "watch"), "make runs from them"),
    Permission(
        Scope.WORK,
        "apps",
        ("replicasets",),
        ("get", "list", "watch", "create", "patch", "delete"),
        "one for each version of a Rollout",
    ),
    Permission(
        Scope.WORK, "", ("services",), ("get", "list", "watch", "patch"), "lead each role to the pods of its version"
    ),
    Permission(
        Scope.WORK,
        "networking.k8s.io",
        ("ingresses",),
        ("get", "list", "watch", "create", "patch"),
        "split traffic by weight",
    ),
    Permission(
        Scope.WORK,
        "apps",
        ("deployments",),
        ("get", "list", "watch", "patch"),
        "take the pod template from one, and scale it down when it is replaced",
    ),
    Permission(Scope.WORK, "", ("podtemplates",), ("list", "watch"), "take the pod template from one"),
    Permission(
        Scope.WORK, "", ("pods",), ("list", "patch"), "find those older than a restart; labels of their version's part"
    ),
    Permission(Scope.WORK, "", ("pods/eviction",), ("create",), "restart them within their disruption budgets"),
    Permission(Scope.WORK, "", ("secrets",), ("get",), "arguments of a query, read when it is sent"),
    Permission(Scope.WORK, "", ("events",), ("get", "create", "patch"), "tell people, counting repeats"),
    Permission(Scope.CLUSTER, "argoproj.io", ("clusteranalysistemplates",), ("list", "watch"), "make runs from them"),
    Permission(Scope.OWN, "coordination.k8s.io", ("leases",), ("get", "create", "update"), "leader election"),
)


def rules(*scopes: Scope) -> list[dict[str, list[str]]]:
    """The rules of a role that covers these scopes, in the table's order."""
    return [permission.as_rule() for permission in PERMISSIONS if permission.scope in scopes]
