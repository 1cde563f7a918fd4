"""Paths below an object that are not the object: scale, eviction, binding, finalize, token and log.

Each is a small view of its parent, or a request about it; writes go through the same pipeline as any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rollouts.sandbox import conversion, errors, patches, selectors
from rollouts.sandbox.access import Access
from rollouts.sandbox.backend import Backend
from rollouts.sandbox.calls import Call, copied
from rollouts.sandbox.deletion import Deleter, options_of
from rollouts.sandbox.errors import ApiError
from rollouts.sandbox.presentation import Presenter, Reply
from rollouts.sandbox.resources import Json, Resource
from rollouts.sandbox.schema.model import Schema
from rollouts.sandbox.store import Record, encode
from rollouts.sandbox.writing import Writer

PDBS = ("policy", "poddisruptionbudgets")
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
                return self._finalize(call)

    def _scale(self, call: Call) -> Reply:
        record = self._backend.require(call.resource, call.target.key)
        scale = scale_of(call.resource, conversion.served(record.object, call.resource))
        if call.target.verb != "get":
            record = self._rescaled(call, record, scale)
            scale = scale_of(call.resource, conversion.served(record.object, call.resource))
        return Reply(body=encode(scale))

    def _rescaled(self, call: Call, record: Record, scale: Json) -> Record:
        wanted = call.document() if call.target.verb == "update" else _patched_scale(call, scale)
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        name = call.target.name
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            raise errors.bad_request(
                'Scale in version "v1" cannot be handled as a Scale: spec.replicas: not an integer'
            )
        if replicas < 0:
            why = f"Invalid value: {replicas}: must be greater than or equal to 0"
            raise _invalid_scale(name, [errors.cause("spec.replicas", "FieldValueInvalid", why)])
        meta = wanted.get("metadata") or {}
        obj = copied(conversion.served(record.object, call.resource))
        for field in ("resourceVersion", "uid"):
            if meta.get(field):
                obj["metadata"][field] = meta[field]
        obj = _with(obj, _scale_paths(call.resource)["specReplicasPath"], replicas)
        return self._writer.replace(call, record, obj).record

    def _evict(self, call: Call) -> Reply:
        eviction = call.document()
        options = options_of(call.query, eviction.get("deleteOptions") or {})
        pod = self._backend.require(call.resource, call.target.key).object
        if not pod["metadata"].get("deletionTimestamp") and _is_protected(pod):
            self._spend_budget(pod)
        self._deleter.remove(call.resource, call.target.key, options)
        return Reply(body=encode(errors.done(code=201)), code=201)

    def _spend_budget(self, pod: Json) -> None:
        """Take one disruption from the budget of the pod, if it has one. Raises TooManyRequests when none is left."""
        resource = self._backend.registry.find("policy", "v1", "poddisruptionbudgets")
        assert resource is not None
        namespace = pod["metadata"]["namespace"]
        found = [
            (key, record)
            for key, record in self._backend.collection(resource).records(namespace)
            if _covers(record.object, pod)
        ]
        if len(found) > 1:
            raise errors.internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            )
        for key, record in found:
            _check_budget(record.object)
            status = dict(record.object["status"])
            status["disruptionsAllowed"] -= 1
            disrupted = status.get("disruptedPods") or {}
            status["disruptedPods"] = {**disrupted, pod["metadata"]["name"]: self._backend.now()}
            self._backend.put(resource, key, {**record.object, "status": status})

    def _bind(self, call: Call) -> Reply:
        """Give the pod to a node: what a scheduler does."""
        node = (call.document().get("target") or {}).get("name")
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

    def _finalize(self, call: Call) -> Reply:
        """Replace a Namespace's `spec.finalizers`, or change what a pod's resize and ephemeral containers may."""
        written = self._writer.patch(call) if call.target.verb == "patch" else self._writer.update(call)
        return self._presenter.one(call, written.record, code=written.code)


def _patched_scale(call: Call, scale: Json) -> Json:
    if call.content_type not in (patches.JSON_PATCH, patches.MERGE_PATCH, patches.STRATEGIC_PATCH):
        raise errors.unsupported_media_type((patches.JSON_PATCH, patches.MERGE_PATCH))
    return patches.patched(call, scale, Schema(type="object", preserve_unknown=True))


def _invalid_scale(name: str, causes: list[Json]) -> ApiError:
    message = f'Scale.autoscaling "{name}" is invalid: {causes[0]["field"]}: {causes[0]["message"]}'
    details = {"name": name, "group": "autoscaling", "kind": "Scale", "causes": causes}
    return ApiError(422, "Invalid", message, details=details)


def _is_protected(pod: Json) -> bool:
    """Whether budgets count this pod: finished and pending ones are evicted without asking."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed", "Pending")


def _covers(budget: Json, pod: Json) -> bool:
    requirements = selectors.from_object(budget["spec"].get("selector"))
    return requirements is not None and selectors.matches_labels(requirements, pod)


def _check_budget(budget: Json) -> None:
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 1):
        why = f"The disruption budget {name} is still being processed by the server."
        raise _budget_refusal(why, retry_after=10)
    if status.get("disruptionsAllowed", 0) <= 0:
        needed, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _budget_refusal(f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently")


def _budget_refusal(why: str, *, retry_after: int = 0) -> ApiError:
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    return errors.too_many_requests(
        message, retry_after=retry_after, causes=[{"reason": "DisruptionBudget", "message": why}]
    )
