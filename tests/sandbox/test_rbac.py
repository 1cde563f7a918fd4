"""Access: tokens say who asks, rules say what they may."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from multidict import CIMultiDict

from rollouts.sandbox import rbac, reviews
from rollouts.sandbox.access import ADMIN, ANONYMOUS, Access, asked_of
from rollouts.sandbox.errors import ApiError
from rollouts.sandbox.rbac import Attributes, Identity
from rollouts.sandbox.resources import BUILTIN, Json, Registry
from rollouts.sandbox.routing import route
from rollouts.sandbox.store import Store

NINA = Identity(name="nina", groups=("dev", "system:authenticated"))
LIST_PODS = Attributes(verb="list", resource="pods", namespace="shop")


def role(kind: str, name: str, *rules: Json, **metadata: Any) -> Json:
    return {"kind": kind, "metadata": {"name": name, **metadata}, "rules": list(rules)}


def binding(kind: str, role_ref: tuple[str, str], *subjects: Json, **metadata: Any) -> Json:
    ref = {"kind": role_ref[0], "name": role_ref[1]}
    return {"kind": kind, "metadata": {"name": "b", **metadata}, "roleRef": ref, "subjects": list(subjects)}


def access(*objects: Json, **options: Any) -> Access:
    store = Store()
    for obj in objects:
        key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        store.put((rbac.GROUP, f"{obj['kind'].lower()}s"), key, obj)
    return Access(store, rbac_enabled=True, tokens={"admin": ADMIN, "nina": NINA}, **options)


PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
USER_NINA = {"kind": "User", "name": "nina"}


def test_nothing_is_allowed_by_default() -> None:
    """Rules only allow; the refusal names user, verb, resource and namespace."""
    with pytest.raises(ApiError) as refusal:
        access().permit(NINA, LIST_PODS)
    assert refusal.value.code == 403
    assert str(refusal.value) == (
        'pods is forbidden: User "nina" cannot list resource "pods" in API group "" in the namespace "shop"'
    )


def test_a_role_allows_in_its_namespace_only() -> None:
    """A RoleBinding reaches no further than where it is."""
    door = access(
        role("Role", "reader", PODS, namespace="shop"),
        binding("RoleBinding", ("Role", "reader"), USER_NINA, namespace="shop"),
    )
    assert door.allowed(NINA, LIST_PODS)
    assert not door.allowed(NINA, Attributes(verb="list", resource="pods", namespace="bank"))
    assert not door.allowed(NINA, Attributes(verb="list", resource="pods"))
    assert not door.allowed(NINA, Attributes(verb="delete", resource="pods", namespace="shop"))


def test_a_cluster_role_bound_in_the_cluster_allows_everywhere() -> None:
    """The reason names the binding, the role and whom it is bound to."""
    door = access(
        role("ClusterRole", "reader", PODS),
        binding("ClusterRoleBinding", ("ClusterRole", "reader"), {"kind": "Group", "name": "dev"}),
    )
    decision = door.decide(NINA, Attributes(verb="get", resource="pods", namespace="bank", name="p"))
    assert decision.allowed
    assert decision.reason == 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to Group "dev"'


@pytest.mark.parametrize(
    ("rule", "asked", "allowed"),
    [
        ({"resources": ["pods"]}, {"resource": "pods", "subresource": "status"}, False),
        ({"resources": ["pods/status"]}, {"resource": "pods", "subresource": "status"}, True),
        ({"resources": ["*/scale"]}, {"resource": "pods", "subresource": "scale"}, True),
        ({"resources": ["*"]}, {"resource": "pods", "subresource": "status"}, True),
        ({"resources": ["pods"], "resourceNames": ["a"]}, {"resource": "pods", "name": "a"}, True),
        ({"resources": ["pods"], "resourceNames": ["a"]}, {"resource": "pods", "name": "b"}, False),
        ({"resources": ["pods"], "resourceNames": ["a"]}, {"resource": "pods"}, False),
        ({"resources": ["pods"], "apiGroups": ["apps"]}, {"resource": "pods"}, False),
        ({"nonResourceURLs": ["/metrics"]}, {"path": "/metrics"}, True),
        ({"nonResourceURLs": ["/debug/*"]}, {"path": "/debug/pprof"}, True),
        ({"nonResourceURLs": ["/debug/*"]}, {"path": "/metrics"}, False),
    ],
)
def test_a_rule_covers_what_it_names(rule: Json, asked: Json, allowed: bool) -> None:  # noqa: FBT001 - a table column
    """Groups, resources, subresources, names and paths must all match."""
    full = {"apiGroups": [""], "verbs": ["get"], **rule}
    door = access(role("ClusterRole", "r", full), binding("ClusterRoleBinding", ("ClusterRole", "r"), USER_NINA))
    assert door.allowed(NINA, Attributes(verb="get", **asked)) is allowed


def test_roles_aggregate_by_label() -> None:
    """A role that aggregates has the rules of those it selects, also through another one; a circle does no harm."""
    selector = {"clusterRoleSelectors": [{"matchLabels": {"to": "view"}}]}
    inner = {"clusterRoleSelectors": [{"matchLabels": {"to": "inner"}}, {"matchLabels": {"to": "view"}}]}
    door = access(
        {**role("ClusterRole", "view"), "aggregationRule": selector},
        {**role("ClusterRole", "middle", labels={"to": "view"}), "aggregationRule": inner},
        role("ClusterRole", "pods", PODS, labels={"to": "inner"}),
        binding("ClusterRoleBinding", ("ClusterRole", "view"), USER_NINA),
    )
    assert door.allowed(NINA, LIST_PODS)


def test_a_service_account_is_known_by_its_token_until_it_expires() -> None:
    """The `token` subresource gives out a token with an end."""
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]
    door = access()
    door.now = lambda: clock[0]
    account = {"metadata": {"name": "bot", "namespace": "shop", "uid": "u"}}
    request = door.token_request(account, {"spec": {"expirationSeconds": 600}})
    headers = CIMultiDict({"Authorization": f"Bearer {request['status']['token']}"})
    assert door.authenticate(headers).name == "system:serviceaccount:shop:bot"
    assert request["status"]["expirationTimestamp"] == "2026-01-01T00:10:00Z"
    clock[0] += timedelta(minutes=10)
    with pytest.raises(ApiError, match="Unauthorized"):
        door.authenticate(headers)


def test_a_token_lives_ten_minutes_at_least() -> None:
    """A shorter one is refused by the name of the field."""
    account = {"metadata": {"name": "bot", "namespace": "shop"}}
    with pytest.raises(ApiError, match=r"spec.expirationSeconds: Invalid value: 5: may not specify a duration less"):
        access().token_request(account, {"spec": {"expirationSeconds": 5}})


@pytest.mark.parametrize(
    ("path", "query", "asked"),
    [
        ("/api/v1/namespaces/shop", {}, Attributes(verb="get", resource="namespaces", namespace="shop", name="shop")),
        ("/api/v1/namespaces", {}, Attributes(verb="list", resource="namespaces")),
        (
            "/apis/apps/v1/namespaces/shop/deployments/web/scale",
            {},
            Attributes(
                verb="get", group="apps", resource="deployments", subresource="scale", namespace="shop", name="web"
            ),
        ),
        (
            "/api/v1/namespaces/shop/pods",
            {"watch": "true", "fieldSelector": "metadata.name=p"},
            Attributes(verb="watch", resource="pods", namespace="shop", name="p"),
        ),
        (
            "/api/v1/pods",
            {"fieldSelector": "metadata.name!=p"},
            Attributes(verb="list", resource="pods"),
        ),
    ],
)
def test_a_path_says_what_is_asked_for(path: str, query: dict[str, str], asked: Attributes) -> None:
    """A namespace is in itself, and a list of one named object asks for that object."""
    target = route(Registry(), "GET", path, query)
    assert target is not None
    assert asked_of(target, query) == asked


REVIEWS = {each.kind: each for each in BUILTIN if each.is_review}


def review(kind: str, spec: Json, *, door: Access, namespace: str | None = None) -> Json:
    answered = reviews.answer(door, REVIEWS[kind], {"spec": spec}, asking=NINA, namespace=namespace)
    status: Json = answered["status"]
    return status


ASKED = {"verb": "list", "resource": "pods", "namespace": "shop"}


def test_reviews_answer_who_and_what() -> None:
    """For oneself, for others, for a token, and for all rules at once."""
    door = access(
        role("Role", "reader", PODS, namespace="shop"),
        binding("RoleBinding", ("Role", "reader"), USER_NINA, namespace="shop"),
    )
    assert review("SelfSubjectAccessReview", {"resourceAttributes": ASKED}, door=door)["allowed"]
    other = {"user": "otto", "resourceAttributes": ASKED}
    assert review("SubjectAccessReview", other, door=door) == {"allowed": False}
    assert review("LocalSubjectAccessReview", other, door=door, namespace="shop") == {"allowed": False}
    assert review("SelfSubjectRulesReview", {"namespace": "shop"}, door=door)["resourceRules"] == [PODS]
    assert review("SelfSubjectReview", {}, door=door)["userInfo"]["username"] == "nina"
    assert review("TokenReview", {"token": "nina"}, door=door)["user"]["username"] == "nina"
    assert review("TokenReview", {"token": "guess"}, door=door) == {"user": {}, "error": "invalid bearer token"}
    assert "authenticated" not in review("TokenReview", {"token": "nina", "audiences": ["x"]}, door=door)


@pytest.mark.parametrize(
    ("kind", "spec", "why"),
    [
        ("SelfSubjectAccessReview", {}, "exactly one of nonResourceAttributes or resourceAttributes"),
        (
            "SelfSubjectAccessReview",
            {"resourceAttributes": ASKED, "nonResourceAttributes": {"path": "/", "verb": "get"}},
            "cannot be specified in combination",
        ),
        ("SubjectAccessReview", {"resourceAttributes": ASKED}, "at least one of user or group"),
        ("LocalSubjectAccessReview", {"user": "u", "resourceAttributes": ASKED}, "must match metadata.namespace"),
        ("SelfSubjectRulesReview", {}, "no namespace on request"),
        ("TokenReview", {}, "token is required"),
    ],
)
def test_a_review_that_asks_nothing_is_refused(kind: str, spec: Json, why: str) -> None:
    """The error says what the question lacks."""
    with pytest.raises(ApiError, match=why):
        review(kind, spec, door=access(), namespace="bank")


def test_no_token_is_anonymous_and_a_wrong_one_is_refused() -> None:
    """A token that nobody gave out is not the same as none."""
    assert access().authenticate(CIMultiDict()) == ANONYMOUS
    for wrong in ("Bearer guess", "Basic Z3Vlc3M=", "Basic !", "Digest x"):
        with pytest.raises(ApiError, match="Unauthorized"):
            access().authenticate(CIMultiDict({"Authorization": wrong}))


def test_a_token_may_be_the_password_of_a_url() -> None:
    """That is the only way in which kubectl sends one without TLS."""
    encoded = base64.b64encode(b"anyone:nina").decode()
    assert access().authenticate(CIMultiDict({"Authorization": f"Basic {encoded}"})) == NINA


def test_who_may_impersonate_acts_with_the_rights_of_another() -> None:
    """An administrator may act as a ServiceAccount; others need a rule for it."""
    as_bot = {"Impersonate-User": "system:serviceaccount:shop:bot"}
    acting = access().authenticate(CIMultiDict({"Authorization": "Bearer admin", **as_bot}))
    assert acting.name == "system:serviceaccount:shop:bot"
    assert "system:serviceaccounts:shop" in acting.groups
    with pytest.raises(ApiError, match='cannot impersonate resource "serviceaccounts"'):
        access().authenticate(CIMultiDict({"Authorization": "Bearer nina", **as_bot}))


def test_everyone_may_discover_and_only_masters_may_do_all() -> None:
    """What a cluster with RBAC has from the start."""
    door = access(*rbac.bootstrap())
    assert door.allowed(NINA, Attributes(verb="get", path="/apis/apps/v1"))
    assert not door.allowed(ANONYMOUS, Attributes(verb="get", path="/apis"))
    assert door.allowed(ANONYMOUS, Attributes(verb="get", path="/version"))
    assert not door.allowed(NINA, LIST_PODS)
    assert door.allowed(ADMIN, LIST_PODS)
