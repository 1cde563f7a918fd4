"""Rules of the pod template, as far as a ReplicaSet made from it would be refused.

The API server has the last word on pods; what is checked here is what people get wrong, so that they learn it from the
Rollout and not from a ReplicaSet that cannot be made. Works on the raw template after Go's order and the defaults of
the API server, so types are right. Messages are the Kubernetes API's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.api import poddefaults
from rollouts.api.findings import Finding, Place
from rollouts.api.validate_containers import containers, volumes
from rollouts.api.validate_labels import key_problem, labels
from rollouts.lib import podjson, selectors

_DNS_POLICIES = frozenset({"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"})
_RESTART_POLICIES = frozenset({"Always"})


def template(raw: Mapping[str, Any], selector: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    """Everything wrong with a raw pod template whose pods `selector` must find; `selector` is valid or empty."""
    pods = poddefaults.apply(podjson.ordered(raw))
    metadata, spec = pods["metadata"], pods["spec"]
    pod_labels = metadata.get("labels", {})
    if selector and not selectors.matches(selector, pod_labels):
        message = "`selector` does not match template `labels`"
        yield (place / "metadata" / "labels").invalid(pod_labels, message)
    yield from labels(pod_labels, place / "metadata" / "labels")
    yield from _annotations(metadata.get("annotations", {}), place / "metadata" / "annotations")
    yield from _pod(spec, place / "spec")
    if spec.get("ephemeralContainers"):
        yield (place / "spec" / "ephemeralContainers").forbidden("ephemeral containers not allowed in pod template")
    if spec["restartPolicy"] not in _RESTART_POLICIES:
        yield (place / "spec" / "restartPolicy").unsupported(spec["restartPolicy"], _RESTART_POLICIES)
    if "activeDeadlineSeconds" in spec:
        message = "activeDeadlineSeconds in ReplicaSet is not Supported"
        yield (place / "spec" / "activeDeadlineSeconds").forbidden(message)


def _annotations(value: Mapping[str, str], place: Place) -> Iterator[Finding]:
    for key in value:
        problem = key_problem(key.lower())
        if problem:
            yield place.invalid(key, problem)


def _pod(spec: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    yield from volumes(spec.get("volumes") or [], place / "volumes")
    yield from containers(spec, place)
    if spec["terminationGracePeriodSeconds"] < 0:
        yield (place / "terminationGracePeriodSeconds").invalid(
            spec["terminationGracePeriodSeconds"], "must be greater than or equal to 0"
        )
    if spec["dnsPolicy"] not in _DNS_POLICIES:
        yield (place / "dnsPolicy").unsupported(spec["dnsPolicy"], _DNS_POLICIES)
