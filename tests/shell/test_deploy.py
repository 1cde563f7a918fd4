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
from rollouts.kube.client import MERGE_PATCH, KubeClient, Request
from rollouts.kube.errors import AlreadyExists, Denied, NotFound
from rollouts.kube.kinds import DEPLOYMENTS, HASH_LABEL, INGRESSES, LEASES, REPLICA_SETS, ROLLOUTS, SERVICES, Kind
from tests.shell.clusters import Access, a_cluster, client_of, create, read, token_of
from tests.shell.objects import (
    a_deployment,
    a_referring_rollout,
    a_rollout,
    a_routed_rollout,
    a_service,
    an_ingress,
)
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
    made = [kind.path(NAMESPACE) for kind in (REPLICA_SETS, DEPLOYMENTS, SERVICES, INGRESSES, LEASES)]
    for path in (*created, *made):
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


@asynccontextmanager
async def at_work(overlay: str, folder: Path, *objects: tuple[Kind, dict[str, Any]]) -> AsyncIterator[KubeClient]:
    """A controller with the rights of an overlay and no others, among these objects. At its end it was refused nothing,
    and it saw every kind."""
    crds = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    flags = ["--namespace", NAMESPACE] if overlay == "namespaced" else []
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    manifests = [*([home] if overlay == "namespaced" else []), *built(overlay)]
    async with a_cluster(*crds, rbac=True) as (cluster, admin), installed(admin, manifests):
        token = await token_of(cluster, admin, NAMESPACE, "argo-rollouts")
        await until(lambda: has_rights(cluster, token))
        for kind, each in objects:
            each["metadata"]["namespace"] = NAMESPACE
            await create(admin, kind, each)
        async with a_controller(
            cluster, folder, "--leader-election-namespace", NAMESPACE, *flags, token=token
        ) as controller:
            yield admin
            await controller.end()
            census = controller.parts.census
            assert [kind for kind in census.kinds if census.unreadable(kind) is not None] == []
            assert b'status_code="403"' not in controller.telemetry.render()


async def replica_sets(admin: KubeClient) -> list[Any]:
    """Those of the controller's namespace."""
    return list((await admin.get(REPLICA_SETS.path(NAMESPACE)))["items"])


async def phase(admin: KubeClient) -> str:
    """The phase of the Rollout `web`."""
    return str((await read(admin, ROLLOUTS, "web", NAMESPACE)).get("status", {}).get("phase", ""))


@pytest.mark.parametrize("overlay", ["cluster-wide", "namespaced"])
async def test_these_rights_are_enough(overlay: str, tmp_path: Path) -> None:
    """A controller with the ServiceAccount's token brings a Rollout up, where it works."""
    async with at_work(overlay, tmp_path, (ROLLOUTS, a_rollout())) as admin:
        await until(lambda: replica_sets(admin))
        assert await until(lambda: phase(admin)) == "Progressing"


async def test_these_rights_are_enough_for_traffic(tmp_path: Path) -> None:
    """Services are pointed, Ingresses made and changed, and Services given back when the Rollout is gone."""
    rollout = a_routed_rollout()
    rollout["spec"]["replicas"] = 0
    services = [(SERVICES, a_service(name)) for name in ("web-canary", "web-stable")]
    async with at_work("cluster-wide", tmp_path, *services, (INGRESSES, an_ingress()), (ROLLOUTS, rollout)) as admin:

        async def marks() -> set[str]:
            found = [await read(admin, SERVICES, name_of(each), NAMESPACE) for _, each in services]
            return {str(each["spec"]["selector"].get(HASH_LABEL, "")) for each in found}

        async def are_pointed() -> bool:
            return "" not in await marks()

        async def are_free() -> bool:
            return await marks() == {""}

        async def is_split() -> bool:
            names = [name_of(each) for each in (await admin.get(INGRESSES.path(NAMESPACE)))["items"]]
            return "web-web-canary" in names

        await until(are_pointed)
        await until(is_split)
        await admin.send(Request(method="DELETE", path=ROLLOUTS.path(NAMESPACE, "web")))
        await until(are_free)


async def test_these_rights_are_enough_for_workloads(tmp_path: Path) -> None:
    """A Deployment is read, and scaled down when the Rollout's pods are there; nobody here makes any, so it is said."""
    rollout, deployment = a_referring_rollout(), a_deployment(replicas=1)
    rollout["spec"] |= {"replicas": 1}
    rollout["spec"]["workloadRef"]["scaleDown"] = "onsuccess"
    async with at_work("namespaced", tmp_path, (DEPLOYMENTS, deployment), (ROLLOUTS, rollout)) as admin:

        async def is_wanted() -> Any:
            return next((each for each in await replica_sets(admin) if each["spec"]["replicas"]), None)

        made = await until(is_wanted)
        counts = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas"), 1)
        status = {**counts, "observedGeneration": made["metadata"]["generation"]}
        path = REPLICA_SETS.path(NAMESPACE, name_of(made), "status")
        await admin.send(Request(method="PATCH", path=path, body={"status": status}, content_type=MERGE_PATCH))

        async def is_scaled_down() -> bool:
            return bool((await read(admin, DEPLOYMENTS, "web", NAMESPACE))["spec"]["replicas"] == 0)

        await until(is_scaled_down)


def name_of(stored: dict[str, Any]) -> str:
    """metadata.name"""
    return str(stored["metadata"]["name"])
