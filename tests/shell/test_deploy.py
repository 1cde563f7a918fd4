"""What deploy/ installs: the rights are those of the table, and they are enough."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollouts.kube.access import Scope, rules
from rollouts.kube.client import KubeClient, Request
from rollouts.kube.errors import AlreadyExists, Denied, NotFound
from rollouts.kube.kinds import LEASES, REPLICA_SETS, ROLLOUTS
from tests.shell.clusters import Access, a_cluster, client_of, create, read, token_of
from tests.shell.objects import a_rollout
from tests.shell.processes import a_controller, until

ROOT = Path(__file__).parent.parent.parent
OVERLAYS = ROOT / "deploy" / "kustomize" / "overlays"
KUBECTL = Path(sys.executable).parent / "kubectl"
NAMESPACE = "argo-rollouts"


@functools.cache
def built(overlay: str) -> list[dict[str, Any]]:
    """The manifests of an overlay, as kubectl makes them."""
    made = subprocess.run([KUBECTL, "kustomize", OVERLAYS / overlay], check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(made.stdout))


def put_into(folder: Path, overlay: str, namespace: str) -> list[dict[str, Any]]:
    """The manifests of an overlay that an overlay of the user's puts into another namespace."""
    shutil.copytree(OVERLAYS.parent, folder / "kustomize")
    mine = folder / "kustomize" / "mine"
    mine.mkdir()
    document = {"namespace": namespace, "resources": [f"../overlays/{overlay}"]}
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(document))
    made = subprocess.run([KUBECTL, "kustomize", mine], check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(made.stdout))


def role(manifests: list[dict[str, Any]], kind: str, name: str) -> list[dict[str, Any]]:
    """The rules of a role."""
    found = next(each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return list(found["rules"])


def deployment(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """The spec of the controller's Deployment."""
    return dict(next(each for each in manifests if each["kind"] == "Deployment")["spec"])


def test_the_rights_are_those_of_the_table() -> None:
    """No more, no fewer, in both installations."""
    whole, one = built("cluster-wide"), built("namespaced")
    assert role(whole, "ClusterRole", "argo-rollouts") == rules(Scope.WORK, Scope.CLUSTER)
    assert role(one, "Role", "argo-rollouts") == rules(Scope.WORK)
    for manifests in (whole, one):
        assert role(manifests, "Role", "argo-rollouts-leader-election") == rules(Scope.OWN)


def test_no_right_is_a_wildcard() -> None:
    """Each verb and resource is named."""
    for rule in rules(*Scope):
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_an_installation_for_one_namespace_needs_no_cluster_rights() -> None:
    """It holds nothing that is cluster-scoped."""
    assert not {each["kind"] for each in built("namespaced")} & {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "Namespace",
    }


@pytest.mark.parametrize("overlay", ["cluster-wide", "namespaced"])
def test_pods_are_restricted_and_watched(overlay: str) -> None:
    """Two of them, as the restricted pod security standard asks, with probes and bounds."""
    spec = deployment(built(overlay))
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert spec["replicas"] == 2
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]


def test_it_can_be_applied_over_an_installation_of_argo_rollouts() -> None:
    """A selector cannot change, and containers are told apart by name: both are as they are found there."""
    spec = deployment(built("cluster-wide"))
    assert spec["selector"] == {"matchLabels": {"app.kubernetes.io/name": "argo-rollouts"}}
    assert [container["name"] for container in spec["template"]["spec"]["containers"]] == ["argo-rollouts"]


@pytest.mark.parametrize("overlay", ["cluster-wide", "namespaced"])
def test_the_rights_follow_the_installation_into_another_namespace(overlay: str, tmp_path: Path) -> None:
    """Where the user puts it, there its ServiceAccount is, and that one is who may do things."""
    manifests = put_into(tmp_path, overlay, "elsewhere")
    bindings = [each for each in manifests if each["kind"].endswith("RoleBinding")]
    assert len(bindings) == 2
    for binding in bindings:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "argo-rollouts", "namespace": "elsewhere"}]
    homes = {each["metadata"].get("namespace") for each in manifests if not each["kind"].startswith("Cluster")}
    assert homes <= {"elsewhere", None}


def test_people_get_rights_through_their_own_roles() -> None:
    """admin and edit may change Rollouts, view may look."""
    manifests = built("cluster-wide")
    for who, may_change in (("admin", True), ("edit", True), ("view", False)):
        name = f"argo-rollouts-aggregate-to-{who}"
        found = next(each for each in manifests if each["metadata"]["name"] == name)
        assert found["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{who}"] == "true"
        assert ("patch" in found["rules"][0]["verbs"]) is may_change


def plural_of(kind: str) -> str:
    """The plural of a kind in our manifests."""
    return "namespaces" if kind == "Namespace" else f"{kind.lower()}s"


def path_of(manifest: dict[str, Any]) -> str:
    """Where objects of its kind are created."""
    group_version, namespace = manifest["apiVersion"], manifest["metadata"].get("namespace")
    root = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{plural_of(manifest['kind'])}"


@asynccontextmanager
async def installed(client: KubeClient, manifests: list[dict[str, Any]]) -> AsyncIterator[None]:
    """What an overlay holds, created in its order, and away again at the end."""
    for manifest in manifests:
        try:
            await client.send(Request(method="POST", path=path_of(manifest), body=manifest))
        except AlreadyExists:  # nothing in the cluster of a test takes namespaces away
            assert manifest["kind"] == "Namespace"
    yield
    created = [f"{path_of(each)}/{each['metadata']['name']}" for each in manifests if each["kind"] != "Namespace"]
    for path in (*created, REPLICA_SETS.path(NAMESPACE), LEASES.path(NAMESPACE)):
        await client.send(Request(method="DELETE", path=path))


async def has_rights(access: Access, token: str) -> bool:
    """Whether the rights of this token are known to the API server, to whom they are an event among others."""
    async with client_of(dataclasses.replace(access, token=token)) as client:
        try:
            await client.get(ROLLOUTS.path(NAMESPACE))
            await client.get(LEASES.path(NAMESPACE, "none"))
        except Denied:
            return False
        except NotFound:
            pass
        return True


@pytest.mark.parametrize("overlay", ["cluster-wide", "namespaced"])
async def test_these_rights_are_enough(overlay: str, tmp_path: Path) -> None:
    """A controller with the ServiceAccount's token brings a Rollout up, where it works, and is refused nothing."""
    crds = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    flags = ["--namespace", NAMESPACE] if overlay == "namespaced" else []
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    manifests = [*([home] if overlay == "namespaced" else []), *built(overlay)]
    async with a_cluster(*crds, rbac=True) as (cluster, admin), installed(admin, manifests):
        token = await token_of(cluster, admin, NAMESPACE, "argo-rollouts")
        await until(lambda: has_rights(cluster, token))
        rollout = a_rollout()
        rollout["metadata"]["namespace"] = NAMESPACE
        await create(admin, ROLLOUTS, rollout)
        async with a_controller(
            cluster, tmp_path, "--leader-election-namespace", NAMESPACE, *flags, token=token
        ) as controller:

            async def replica_sets() -> list[Any]:
                return list((await admin.get(REPLICA_SETS.path(NAMESPACE)))["items"])

            await until(replica_sets)

            async def status() -> Any:
                return (await read(admin, ROLLOUTS, "web", NAMESPACE)).get("status", {}).get("phase")

            assert await until(status) == "Progressing"
            await controller.end()
            census = controller.parts.census
            assert [kind for kind in census.kinds if census.unreadable(kind) is not None] == []
            assert b'status_code="403"' not in controller.telemetry.render()
