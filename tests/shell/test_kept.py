"""How little of each object stays in memory."""

from __future__ import annotations

from typing import Any

from rollouts.kube.kinds import DEPLOYMENTS, INGRESSES, POD_TEMPLATES, SERVICES
from rollouts.runtime.kept import kept
from tests.shell.objects import a_deployment, a_service, an_ingress, an_object

NOISE = {"managedFields": [{"manager": "kubectl"}], "annotations": {"team": "a"}, "labels": {"a": "b"}}


def test_of_a_service_who_manages_it_and_where_it_leads() -> None:
    """Neither ports nor the addresses of its load balancer."""
    stored = a_service("web", version="1")
    stored["metadata"] |= NOISE
    found = kept(SERVICES, stored)
    assert found["spec"] == {"selector": stored["spec"]["selector"]}
    assert found["metadata"]["annotations"] == {} and "managedFields" not in found["metadata"]
    assert "ports" in stored["spec"]


def test_of_an_ingress_all_that_a_router_repeats() -> None:
    """Not its status, which controllers write often."""
    stored = an_ingress(metadata=NOISE, status={"loadBalancer": {}})
    found = kept(INGRESSES, stored)
    assert found["spec"] == stored["spec"] and found["metadata"]["annotations"] == {"team": "a"}
    assert "status" not in found and "managedFields" not in found["metadata"]


def test_of_a_deployment_what_a_rollout_may_take_from_it() -> None:
    """Template, selector, counts."""
    stored = a_deployment(metadata=NOISE, status={"readyReplicas": 2, "conditions": [{"type": "Available"}]})
    stored["spec"]["strategy"] = {"type": "RollingUpdate"}
    found = kept(DEPLOYMENTS, stored)
    assert set(found["spec"]) == {"replicas", "selector", "template"}
    assert found["status"] == {"readyReplicas": 2}
    assert set(found["metadata"]) == {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp"}


def test_of_a_pod_template_the_template() -> None:
    """And which one it is."""
    template: dict[str, Any] = {"spec": {"containers": []}}
    found = kept(POD_TEMPLATES, an_object(POD_TEMPLATES, "web", metadata=NOISE, template=template))
    assert found["template"] == template and "labels" not in found["metadata"]
