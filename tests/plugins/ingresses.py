"""Ingresses and Rollouts to split them for, as the API server holds them, and many that hypothesis makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from rollouts.ports import Manifest, ObjectRef, Subject

Json = dict[str, Any]
NAMESPACE = "shop"
HOSTS = ("shop.example.com", "api.example.com", "*.example.org", "")


def a_subject(rollout: str = "web", *, weight_max: int = 100) -> Subject:
    """A Rollout with the Services `<rollout>-canary` and `<rollout>-stable`."""
    owner = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "name": rollout,
        "uid": f"uid-{rollout}",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return Subject(
        namespace=NAMESPACE,
        rollout=rollout,
        owner=owner,
        canary_service=f"{rollout}-canary",
        stable_service=f"{rollout}-stable",
        weight_max=weight_max,
    )


def ref_of(manifest: Manifest) -> ObjectRef:
    """What names an object."""
    metadata = manifest["metadata"]
    return ObjectRef(
        api_version=manifest["apiVersion"],
        kind=manifest["kind"],
        namespace=metadata["namespace"],
        name=metadata["name"],
    )


def a_path(service: str, path: str = "/") -> Json:
    """A path that leads to a Service."""
    return {
        "path": path,
        "pathType": "Prefix",
        "backend": {"service": {"name": service, "port": {"number": 80}}},
    }


def an_ingress(name: str, *rules: Json, **spec: Any) -> Json:
    """An Ingress with these rules."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "resourceVersion": "7"},
        "spec": {**spec, "rules": list(rules)},
        "status": {"loadBalancer": {}},
    }


def a_rule(*paths: Json, host: str = HOSTS[0]) -> Json:
    """A rule with these paths."""
    return {**({"host": host} if host else {}), "http": {"paths": list(paths)}}


WORDS = st.text("abcxyz", min_size=1, max_size=5)
TEXTS = st.dictionaries(WORDS.map("example.com/{}".format), st.text(max_size=8), max_size=3)
"""Labels or annotations of somebody else."""


def backends(services: tuple[str, ...]) -> st.SearchStrategy[Json]:
    """Where a path may lead: one of these Services by number or name of its port, or a resource."""
    ports = st.one_of(st.integers(1, 65535).map(lambda number: {"number": number}), st.just({"name": "http"}))
    resource = {"resource": {"apiGroup": "example.com", "kind": "Bucket", "name": "static"}}
    to_service = st.builds(
        lambda name, port: {"service": {"name": name, "port": port}}, st.sampled_from(services), ports
    )
    return st.one_of(to_service, st.just(resource))


@st.composite
def ingresses(draw: st.DrawFn, name: str, *, services: tuple[str, ...]) -> Json:
    """An Ingress that leads to the first two of these Services, among other things."""
    wanted = [a_path(services[0], "/first"), a_path(services[1], "/second")]
    paths = st.builds(
        lambda path, kind, backend: {"path": path, "pathType": kind, "backend": backend},
        st.sampled_from(["/", "/a", "/a/b", "/.*"]),
        st.sampled_from(["Prefix", "Exact", "ImplementationSpecific"]),
        backends(services),
    )
    hosts = st.sampled_from(HOSTS)
    full = st.builds(lambda host, each: a_rule(*each, host=host), hosts, st.lists(paths, min_size=1, max_size=3))
    rules = draw(st.lists(st.one_of(full, st.just({"host": HOSTS[1]})), max_size=3))
    rules.insert(draw(st.integers(0, len(rules))), a_rule(*draw(st.lists(paths, max_size=2)), *wanted))
    spec = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "ingressClassName": st.just("nginx"),
                "tls": st.just([{"hosts": [HOSTS[0]], "secretName": "cert"}]),
                "defaultBackend": backends(services),
            },
        )
    )
    found = an_ingress(name, *rules, **spec)
    classes: Mapping[str, str] = draw(st.sampled_from([{}, {"kubernetes.io/ingress.class": "nginx"}]))
    annotations = {**draw(TEXTS), **classes}
    if annotations:
        found["metadata"]["annotations"] = annotations
    return found
