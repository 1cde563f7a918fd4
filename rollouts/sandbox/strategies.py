"""How built-in kinds differ in the way they are written: the traits and preparations of each resource.

A `Strategy` says which writes are possible at all and what the server itself fills in or keeps before an object is
checked: a Namespace's finalizer, a Secret's `stringData`, a Pod's first status. Schema defaults and validation are not
here (they are data), and neither are addresses of Services (they need memory).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

from rollouts.sandbox.resources import Json, Resource

Preparation = Callable[[Json], None]


def _nothing(obj: Json) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """The traits of a resource's writes."""

    generation_fields: tuple[str, ...] | None = None
    """What moves the generation; None: the kind has no generation; empty: everything but metadata and status."""
    has_status: bool = True
    """Whether the main path leaves `status` alone."""
    creates_on_update: bool = False
    """Whether a PUT to a name that is free creates the object."""
    updates_unconditionally: bool = True
    """Whether an update may come without a resourceVersion."""
    shows_deleted: bool = False
    """Whether a completed deletion answers with the object instead of a Status."""
    is_graceful: bool = False
    """Whether objects are given time to end."""
    orphans_by_default: bool = False
    """Whether dependents stay when a deletion does not say what becomes of them."""
    status_keeps_labels: bool = False
    """Whether a write to the status leaves labels as they are."""
    prepare: Preparation = _nothing
    """Reads and defaults an object in place before each check; must not undo itself when repeated."""
    prepare_new: Preparation = field(default=_nothing)
    """Completes a checked new object in place with what the server, not its author, owns."""


def _namespace_new(obj: Json) -> None:
    finalizers = obj.setdefault("spec", {}).setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")
    obj["status"] = {"phase": "Active"}


def _namespace(obj: Json) -> None:
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")


def _secret(obj: Json) -> None:
    plain = obj.pop("stringData", None)
    if isinstance(plain, dict) and plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    obj.setdefault("type", "Opaque")


def _pod_new(obj: Json) -> None:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(spec)}
    spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = spec["serviceAccountName"]


def qos_class(spec: Json) -> str:
    """The quality of service that a pod's requests and limits amount to."""
    containers = [
        c.get("resources") or {} for c in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    ]
    if not any(c.get("requests") or c.get("limits") for c in containers):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(c.get("limits") or ())
        and all((c.get("requests") or {}).get(key, value) == value for key, value in c["limits"].items())
        for c in containers
    )
    return "Guaranteed" if guaranteed else "Burstable"


_SPEC = ("spec",)
_BUILTIN: dict[tuple[str, str], Strategy] = {
    ("", "configmaps"): Strategy(has_status=False),
    ("", "endpoints"): Strategy(has_status=False, creates_on_update=True),
    ("", "events"): Strategy(has_status=False, creates_on_update=True),
    ("", "namespaces"): Strategy(prepare=_namespace, prepare_new=_namespace_new),
    ("", "nodes"): Strategy(),
    ("", "pods"): Strategy(generation_fields=_SPEC, shows_deleted=True, is_graceful=True, prepare_new=_pod_new),
    ("", "podtemplates"): Strategy(generation_fields=("template",), has_status=False, shows_deleted=True),
    ("", "secrets"): Strategy(has_status=False, prepare=_secret),
    ("", "serviceaccounts"): Strategy(has_status=False, shows_deleted=True),
    ("", "services"): Strategy(creates_on_update=True, shows_deleted=True),
    ("apps", "deployments"): Strategy(generation_fields=("spec", "metadata.annotations"), status_keeps_labels=True),
    ("apps", "replicasets"): Strategy(generation_fields=_SPEC),
    ("apiextensions.k8s.io", "customresourcedefinitions"): Strategy(
        generation_fields=_SPEC,
        updates_unconditionally=False,
        status_keeps_labels=True,
    ),
    ("autoscaling", "horizontalpodautoscalers"): Strategy(),
    ("batch", "jobs"): Strategy(generation_fields=_SPEC, orphans_by_default=True),
    ("coordination.k8s.io", "leases"): Strategy(
        has_status=False, creates_on_update=True, updates_unconditionally=False
    ),
    ("discovery.k8s.io", "endpointslices"): Strategy(generation_fields=(), has_status=False),
    ("events.k8s.io", "events"): Strategy(has_status=False, creates_on_update=True),
    ("networking.k8s.io", "ingresses"): Strategy(generation_fields=_SPEC),
    ("networking.k8s.io", "ingressclasses"): Strategy(generation_fields=_SPEC, has_status=False),
    ("policy", "poddisruptionbudgets"): Strategy(generation_fields=_SPEC, updates_unconditionally=False),
}
_RBAC = Strategy(has_status=False, creates_on_update=True)
_CUSTOM = Strategy(generation_fields=(), has_status=False, updates_unconditionally=False)
_CUSTOM_WITH_STATUS = Strategy(generation_fields=(), updates_unconditionally=False)


def strategy_of(resource: Resource) -> Strategy:
    """The traits of a resource."""
    if resource.custom is not None:
        return _CUSTOM_WITH_STATUS if "status" in resource.subresources else _CUSTOM
    if resource.group == "rbac.authorization.k8s.io":
        return _RBAC
    return _BUILTIN.get((resource.group, resource.plural), _RBAC)


def moves_generation(resource: Resource, old: Json, new: Json) -> bool:
    """Whether a write changes what the generation counts."""
    strategy = strategy_of(resource)
    if strategy.generation_fields is None:
        return False
    if not strategy.generation_fields:
        ignored = {"metadata", "status"} if strategy.has_status else {"metadata"}
        return _without(old, ignored) != _without(new, ignored)
    return any(_at(old, path) != _at(new, path) for path in strategy.generation_fields)


def _without(obj: Json, names: set[str]) -> Json:
    return {name: value for name, value in obj.items() if name not in names}


def _at(obj: Json, path: str) -> object:
    head, _, rest = path.partition(".")
    value = obj.get(head)
    return _at(value or {}, rest) if rest else value
