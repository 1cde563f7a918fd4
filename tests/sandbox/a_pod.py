"""Pods for tests: only what a test is about is visible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from rollouts.sandbox.clock import stamp

Json = dict[str, Any]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def a_pod(name: str = "web-1", *, age: float = 100, phase: str = "Running", ready_for: float | None = 50) -> Json:
    """A pod on a node, created `age` seconds before noon and ready for so long (None: not ready)."""
    conditions = []
    if ready_for is not None:
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": stamp(at(-ready_for))}]
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "labels": {"app": "web"},
            "creationTimestamp": stamp(at(-age)),
        },
        "spec": {
            "nodeName": "sandbox-node",
            "containers": [
                {"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}
            ],
        },
        "status": {"phase": phase, "podIP": "127.128.0.1", "conditions": conditions},
    }


def annotated(pod: Json, **annotations: str) -> Json:
    """The pod with annotations of the sandbox's domain; underscores stand for hyphens."""
    named = {f"sandbox.rollouts.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    pod["metadata"]["annotations"] = named
    return pod


def terminating(pod: Json, *, grace: int = 30) -> Json:
    """The pod after its deletion was asked for at noon."""
    pod["metadata"] |= {"deletionTimestamp": stamp(at(grace)), "deletionGracePeriodSeconds": grace}
    return pod
