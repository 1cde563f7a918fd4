"""Who may do what, by Roles and bindings: pure evaluation of RBAC objects.

Rules only allow; what no rule allows is denied. A ClusterRole with an `aggregationRule` has the rules of the
ClusterRoles that its selectors choose. The objects are given by the caller, so the answer is as current as they are.
Who someone is (tokens, impersonation) is decided in `access`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rollouts.sandbox.resources import Json

GROUP = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
"""The group that may do everything, whatever the rules say."""
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
_ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Someone who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is asked for: a verb on a resource, or (with a `path`) on a URL that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def label(self) -> str:
        """The resource as rules name it: `pods` or `pods/status`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether it is allowed, and by what."""

    allowed: bool
    reason: str = ""


class Policy(Protocol):
    """Where the RBAC objects are read."""

    def objects(self, plural: str) -> Iterable[Json]:
        """The current objects of `roles`, `clusterroles`, `rolebindings` or `clusterrolebindings`."""


def decide(identity: Identity, asked: Attributes, policy: Policy) -> Decision:
    """Whether the rules allow it."""
    if MASTERS in identity.groups:
        return Decision(allowed=True)
    for binding, rules in _grants(identity, asked.namespace, policy):
        if any(_covers(rule, asked) for rule in rules):
            return Decision(allowed=True, reason=_reason(binding, identity))
    return Decision(allowed=False)


def rules_of(identity: Identity, namespace: str, policy: Policy) -> list[Json]:
    """Every rule that the identity has in a namespace."""
    if MASTERS in identity.groups:
        return [
            {"verbs": [_ANY], "apiGroups": [_ANY], "resources": [_ANY]},
            {"verbs": [_ANY], "nonResourceURLs": [_ANY]},
        ]
    return [rule for _, rules in _grants(identity, namespace, policy) for rule in rules]


def denial(identity: Identity, asked: Attributes) -> str:
    """Why not, in the words of an API server."""
    if asked.path:
        return f'User "{identity.name}" cannot {asked.verb} path "{asked.path}"'
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    what = f'resource "{asked.label}" in API group "{asked.group}"'
    return f'User "{identity.name}" cannot {asked.verb} {what} {where}'


def _grants(identity: Identity, namespace: str, policy: Policy) -> Iterator[tuple[Json, list[Json]]]:
    """The bindings that name the identity, each with the rules it grants."""
    for binding in policy.objects("clusterrolebindings"):
        if _names(binding, identity):
            yield binding, _role_rules(binding, policy)
    for binding in policy.objects("rolebindings") if namespace else ():
        if binding["metadata"]["namespace"] == namespace and _names(binding, identity):
            yield binding, _role_rules(binding, policy)


def _role_rules(binding: Json, policy: Policy) -> list[Json]:
    ref, namespace = binding["roleRef"], binding["metadata"].get("namespace")
    if ref["kind"] == "Role":
        candidates: Iterable[Json] = (
            role for role in policy.objects("roles") if role["metadata"].get("namespace") == namespace
        )
    else:
        candidates = policy.objects("clusterroles")
    role = next((role for role in candidates if role["metadata"]["name"] == ref["name"]), None)
    return [] if role is None else _rules(role, policy)


def _rules(role: Json, policy: Policy, seen: frozenset[str] = frozenset()) -> list[Json]:
    """The rules of a role; one that aggregates may choose others that do, and a circle ends where it began."""
    name, selectors = role["metadata"]["name"], (role.get("aggregationRule") or {}).get("clusterRoleSelectors")
    if not selectors:
        return list(role.get("rules") or [])
    if name in seen:
        return []
    chosen = [each for each in policy.objects("clusterroles") if any(_selects(s, each) for s in selectors)]
    return [rule for each in chosen for rule in _rules(each, policy, seen | {name})]


def _selects(selector: Json, role: Json) -> bool:
    labels = role["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_matches(term, labels) for term in selector.get("matchExpressions") or [])


def _matches(term: Json, labels: Json) -> bool:
    value, values = labels.get(term["key"]), term.get("values") or []
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[term["operator"]]


def _names(binding: Json, identity: Identity) -> bool:
    return any(_is(subject, binding, identity) for subject in binding.get("subjects") or [])


def _is(subject: Json, binding: Json, identity: Identity) -> bool:
    if subject["kind"] == "User":
        return bool(subject["name"] == identity.name)
    if subject["kind"] == "Group":
        return subject["name"] in identity.groups
    namespace = subject.get("namespace") or binding["metadata"].get("namespace", "")
    return identity.name == f"system:serviceaccount:{namespace}:{subject['name']}"


def _covers(rule: Json, asked: Attributes) -> bool:
    if not _has(rule, "verbs", asked.verb):
        return False
    if asked.path:
        return any(_path_matches(pattern, asked.path) for pattern in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _has(rule, "apiGroups", asked.group)
        and (_has(rule, "resources", asked.label) or _is_any_of(rule, asked.subresource))
        and (not names or asked.name in names)
    )


def _has(rule: Json, key: str, wanted: str) -> bool:
    values = rule.get(key) or ()
    return wanted in values or _ANY in values


def _is_any_of(rule: Json, subresource: str) -> bool:
    return bool(subresource) and f"*/{subresource}" in (rule.get("resources") or ())


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in (_ANY, path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def _reason(binding: Json, identity: Identity) -> str:
    subject = next(each for each in binding["subjects"] if _is(each, binding, identity))
    ref, namespace = binding["roleRef"], binding["metadata"].get("namespace")
    name = f"{binding['metadata']['name']}/{namespace}" if namespace else binding["metadata"]["name"]
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    whom = f'{subject["kind"]} "{subject["name"]}{"/" + subject["namespace"] if subject.get("namespace") else ""}"'
    return f'RBAC: allowed by {kind} "{name}" of {ref["kind"]} "{ref["name"]}" to {whom}'


def _bootstrap_role(name: str, rules: list[Json], **more: Json) -> Json:
    metadata = {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults", **more.pop("labels", {})}}
    return {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules, **more}


def _bootstrap_binding(name: str, role: str, groups: Iterable[str]) -> Json:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": group} for group in groups],
    }


def _aggregating(name: str) -> Json:
    selector = {"matchLabels": {f"{GROUP}/aggregate-to-{name}": "true"}}
    return _bootstrap_role(name, [], aggregationRule={"clusterRoleSelectors": [selector]})


def bootstrap() -> list[Json]:
    """The roles and bindings that a cluster with RBAC has from the start, as far as programs rely on them."""
    discovery = ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz"]
    public = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
    reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    return [
        _bootstrap_role(
            "cluster-admin",
            [
                {"apiGroups": [_ANY], "resources": [_ANY], "verbs": [_ANY]},
                {"nonResourceURLs": [_ANY], "verbs": [_ANY]},
            ],
        ),
        *(_aggregating(name) for name in ("admin", "edit", "view")),
        _bootstrap_role("system:discovery", [{"nonResourceURLs": [*discovery, *public], "verbs": ["get"]}]),
        _bootstrap_role("system:public-info-viewer", [{"nonResourceURLs": public, "verbs": ["get"]}]),
        _bootstrap_role(
            "system:basic-user",
            [
                {"apiGroups": ["authorization.k8s.io"], "resources": reviews, "verbs": ["create"]},
                {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
            ],
        ),
        _bootstrap_binding("cluster-admin", "cluster-admin", [MASTERS]),
        _bootstrap_binding("system:discovery", "system:discovery", [AUTHENTICATED]),
        _bootstrap_binding("system:basic-user", "system:basic-user", [AUTHENTICATED]),
        _bootstrap_binding("system:public-info-viewer", "system:public-info-viewer", [AUTHENTICATED, UNAUTHENTICATED]),
    ]
