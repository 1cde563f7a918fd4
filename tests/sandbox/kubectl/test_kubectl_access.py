"""kubectl asks what may be done, as itself and as others, on a cluster with RBAC."""

from __future__ import annotations

from tests.sandbox.kubectl.manifests import config_map
from tests.sandbox.kubectl.runner import Kubectl


def test_a_service_account_may_do_what_it_is_bound_to(on_guarded: Kubectl) -> None:
    """Impersonated, its rights are those of its roles and no more."""
    kubectl = on_guarded
    kubectl("create", "serviceaccount", "bot")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps")
    kubectl("create", "rolebinding", "bot", "--role=reader", f"--serviceaccount={kubectl.namespace}:bot")
    bot = f"--as=system:serviceaccount:{kubectl.namespace}:bot"
    assert kubectl("auth", "can-i", "list", "configmaps", bot).strip() == "yes"
    assert "no" in kubectl("auth", "can-i", "delete", "configmaps", bot, code=1)
    assert "no" in kubectl.within("default")("auth", "can-i", "list", "configmaps", bot, code=1)
    listed = kubectl("auth", "can-i", "--list", bot)
    assert [line.split()[0] for line in listed.splitlines() if "[get list]" in line] == ["configmaps"]
    refused = kubectl("delete", "configmap", "a", bot, code=1)
    assert (
        f'configmaps "a" is forbidden: User "system:serviceaccount:{kubectl.namespace}:bot" cannot delete resource '
        f'"configmaps" in API group "" in the namespace "{kubectl.namespace}"'
    ) in refused


def test_a_token_stands_for_its_service_account(on_guarded: Kubectl) -> None:
    """`create token` makes one that the server knows, and no other is accepted."""
    kubectl = on_guarded
    kubectl.apply(config_map("a", k="v"))
    kubectl("create", "serviceaccount", "bot")
    kubectl("create", "rolebinding", "bot", "--clusterrole=cluster-admin", f"--serviceaccount={kubectl.namespace}:bot")
    token = kubectl("create", "token", "bot", "--duration=10m").strip()
    bot = kubectl.bearing(token)
    told = bot.json("auth", "whoami")
    assert told["status"]["userInfo"]["username"] == f"system:serviceaccount:{kubectl.namespace}:bot"
    assert bot("get", "cm", "a", "-o", "name") == "configmap/a\n"
    assert "forbidden" in bot("get", "nodes", code=1)
    assert "You must be logged in to the server" in kubectl.bearing("guess")("get", "cm", "a", code=1)


def test_an_administrator_may_do_everything(on_guarded: Kubectl) -> None:
    """Members of system:masters need no role."""
    assert on_guarded("auth", "can-i", "*", "*").strip() == "yes"
    assert on_guarded("get", "clusterrole", "cluster-admin", "-o", "name").strip().endswith("/cluster-admin")
