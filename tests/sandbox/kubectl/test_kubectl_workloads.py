"""kubectl on a cluster that lives: rollouts of Deployments, waits, deletions that take their dependents along."""

from __future__ import annotations

from tests.sandbox.kubectl.manifests import Json, deployment, service
from tests.sandbox.kubectl.runner import Kubectl

TIMEOUT = "--timeout=40s"


def test_rollout_status_follows_a_deployment(on_populated: Kubectl) -> None:
    """It ends when the new pods are available."""
    kubectl = on_populated
    kubectl.apply(deployment("web"))
    assert 'deployment "web" successfully rolled out' in kubectl("rollout", "status", "deploy/web", TIMEOUT)
    assert kubectl("get", "deploy", "web", "--no-headers").split()[1:4] == ["2/2", "2", "2"]
    rows = [line.split() for line in kubectl("get", "pods", "--no-headers").splitlines()]
    assert [row[1:3] for row in rows] == [["1/1", "Running"]] * 2
    kubectl("set", "image", "deploy/web", "web=demo:v2")
    kubectl("rollout", "status", "deploy/web", TIMEOUT)
    images = kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.containers[0].image}")
    assert set(images.split()) >= {"demo:v2"}


def test_rollout_history_undo_restart_and_pause(on_populated: Kubectl) -> None:
    """Revisions are kept in ReplicaSets; an undo makes an old one the newest."""
    kubectl = on_populated
    kubectl.apply(deployment("web", replicas=1))
    kubectl("rollout", "status", "deploy/web", TIMEOUT)
    kubectl("set", "image", "deploy/web", "web=demo:v2")
    kubectl("rollout", "status", "deploy/web", TIMEOUT)
    history = kubectl("rollout", "history", "deploy/web")
    assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == ["1", "2"]
    assert "rolled back" in kubectl("rollout", "undo", "deploy/web")
    kubectl("rollout", "status", "deploy/web", TIMEOUT)
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={..image}") == "demo:v1"
    assert "restarted" in kubectl("rollout", "restart", "deploy/web")
    kubectl("rollout", "status", "deploy/web", TIMEOUT)
    assert "paused" in kubectl("rollout", "pause", "deploy/web")
    assert "resumed" in kubectl("rollout", "resume", "deploy/web")


def test_wait_and_scale_see_what_runs(on_populated: Kubectl) -> None:
    """Conditions and counts follow the pods."""
    kubectl = on_populated
    kubectl.apply(deployment("web", replicas=1), service("web"))
    assert "condition met" in kubectl("wait", "deploy/web", "--for=condition=Available", TIMEOUT)
    assert "condition met" in kubectl("wait", "pod", "-l", "app=web", "--for=condition=Ready", TIMEOUT)
    kubectl("scale", "deploy/web", "--replicas=3")
    kubectl("wait", "deploy/web", "--for=jsonpath={.status.availableReplicas}=3", TIMEOUT)
    kubectl("scale", "deploy/web", "--replicas=0")
    kubectl("wait", "pod", "-l", "app=web", "--for=delete", TIMEOUT)


def test_delete_takes_dependents_along_unless_told_otherwise(on_populated: Kubectl) -> None:
    """Foreground waits for them, orphan leaves them."""
    kubectl = on_populated
    kubectl.apply(deployment("web"), deployment("kept", replicas=1))
    kubectl("rollout", "status", "deploy/web", TIMEOUT)
    kubectl("rollout", "status", "deploy/kept", TIMEOUT)
    kubectl("delete", "deploy", "web", "--cascade=foreground", TIMEOUT)
    assert kubectl("get", "rs", "-l", "app=web", "-o", "name") == ""
    kubectl("delete", "deploy", "kept", "--cascade=orphan", TIMEOUT)
    assert kubectl("get", "rs", "-l", "app=kept", "-o", "name").startswith("replicaset.apps/kept-")


def test_a_job_completes(on_populated: Kubectl) -> None:
    """`wait` sees its condition, the table its completions."""
    kubectl = on_populated
    job: Json = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {
            "template": {
                "metadata": {"annotations": {"sandbox.rollouts.io/exit-code": "0"}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "demo:v1"}]},
            }
        },
    }
    kubectl.apply(job)
    assert "condition met" in kubectl("wait", "job/once", "--for=condition=Complete", TIMEOUT)
    assert kubectl("get", "job", "once", "--no-headers").split()[1:3] == ["Complete", "1/1"]


def test_a_namespace_goes_with_all_it_holds(on_populated: Kubectl) -> None:
    """Deleting it waits until nothing is left in it."""
    kubectl = on_populated
    kubectl.apply(deployment("web", replicas=1))
    kubectl("rollout", "status", "deploy/web", TIMEOUT)
    kubectl("delete", "namespace", kubectl.namespace, TIMEOUT)
    assert "not found" in kubectl("get", "namespace", kubectl.namespace, code=1)
    assert kubectl("get", "pods", "-A", f"--field-selector=metadata.namespace={kubectl.namespace}", "-o", "name") == ""


def test_a_node_can_be_cordoned_and_described(on_populated: Kubectl) -> None:
    """The node is an object like any other."""
    kubectl = on_populated
    (name,) = kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    assert kubectl("get", "node", name, "--no-headers").split()[1] == "Ready"
    assert "cordoned" in kubectl("cordon", name)
    assert "SchedulingDisabled" in kubectl("get", "node", name, "--no-headers")
    kubectl("uncordon", name)
    assert "Non-terminated Pods" in kubectl("describe", "node", name)


def test_a_drain_evicts_and_an_uncordon_lets_pods_return(on_populated: Kubectl) -> None:
    """Pods leave through the eviction subresource, and their ReplicaSet makes new ones that wait for the node."""
    kubectl = on_populated
    app = kubectl.namespace  # a drain looks into every namespace, so the label must be this claim's alone
    kubectl.apply(deployment(app, replicas=2))
    kubectl("rollout", "status", f"deploy/{app}", TIMEOUT)
    (name,) = kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    try:
        assert kubectl("drain", name, f"--pod-selector=app={app}", "--force", TIMEOUT).count(" evicted") == 2
        kubectl("wait", f"deploy/{app}", "--for=jsonpath={.status.unavailableReplicas}=2", TIMEOUT)
    finally:
        kubectl("uncordon", name)
    kubectl("rollout", "status", f"deploy/{app}", TIMEOUT)
