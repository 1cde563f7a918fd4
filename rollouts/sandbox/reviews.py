"""The resources that are questions: a create is answered in the object's status, and nothing is stored.

TokenReview and SelfSubjectReview ask who someone is; the access reviews ask what someone may do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollouts.sandbox import errors, rbac
from rollouts.sandbox.access import AUDIENCE, Access
from rollouts.sandbox.rbac import Attributes, Decision, Identity
from rollouts.sandbox.resources import Json, Resource

_EVERYTHING: Json = {"resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]}
_EVERY_PATH: Json = {"nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}


def answer(access: Access, resource: Resource, body: Json, *, asking: Identity, namespace: str | None) -> Json:
    """The review with its status. Raises Invalid when the question makes no sense."""
    return {
        "kind": resource.kind,
        "apiVersion": resource.group_version,
        "metadata": body.get("metadata") or {},
        **({"spec": body.get("spec") or {}} if resource.kind != "SelfSubjectReview" else {}),
        "status": _STATUS[resource.kind](_Question(access, resource, body, asking, namespace)),
    }


class _Question:
    """One review under way."""

    def __init__(self, access: Access, resource: Resource, body: Json, asking: Identity, namespace: str | None) -> None:
        self.access = access
        self.resource = resource
        self.spec: Json = body.get("spec") or {}
        self.asking = asking
        self.namespace = namespace

    def refuse(self, field: str, reason: str, message: str) -> errors.ApiError:
        """The error for a question that makes no sense."""
        return errors.invalid(self.resource, "", [errors.cause(field, reason, message)])


def _who_am_i(question: _Question) -> Json:
    return {"userInfo": _user_info(question.asking)}


def _token_review(question: _Question) -> Json:
    token = question.spec.get("token")
    if not token:
        raise errors.bad_request("token is required for TokenReview in authentication")
    identity = question.access.identity_of(token)
    if identity is None:
        return {"user": {}, "error": "[invalid bearer token]"}
    audiences = question.spec.get("audiences")
    matching = [each for each in audiences or [AUDIENCE] if each == AUDIENCE]
    if audiences and not matching:
        return {"user": {}, "error": "[invalid bearer token, token audiences do not match]"}
    status: Json = {"authenticated": True, "user": _user_info(identity)}
    return {**status, "audiences": matching} if audiences else status


def _self_access(question: _Question) -> Json:
    return _decision(question.access.decide(question.asking, _attributes(question)))


def _access(question: _Question) -> Json:
    spec = question.spec
    if not spec.get("user") and not spec.get("groups"):
        raise question.refuse(
            "spec.user", "FieldValueRequired", "Required value: at least one of user or group must be specified"
        )
    asked = _attributes(question)
    if question.namespace is not None and asked.namespace != question.namespace:
        why = f'Invalid value: "{asked.namespace}": must match metadata.namespace'
        raise question.refuse("spec.resourceAttributes.namespace", "FieldValueInvalid", why)
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    identity = Identity(
        name=spec.get("user", ""), groups=tuple(spec.get("groups") or ()), uid=spec.get("uid", ""), extra=extra
    )
    return _decision(question.access.decide(identity, asked))


def _rules(question: _Question) -> Json:
    namespace = question.spec.get("namespace", "")
    if not namespace:
        raise errors.bad_request("no namespace on request")
    if not question.access.rbac_enabled:
        return {**_EVERYTHING, **_EVERY_PATH, "incomplete": False}
    rules = rbac.rules_of(question.asking, namespace, question.access)
    return {
        "resourceRules": [rule for rule in rules if "resources" in rule],
        "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
        "incomplete": False,
    }


def _attributes(question: _Question) -> Attributes:
    resource, path = question.spec.get("resourceAttributes"), question.spec.get("nonResourceAttributes")
    if (resource is None) == (path is None):
        why = "Required value: exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise question.refuse("spec.resourceAttributes", "FieldValueRequired", why)
    if path is not None:
        return Attributes(verb=path.get("verb", ""), path=path.get("path", ""))
    known = {
        key: (resource or {}).get(key, "") for key in ("verb", "group", "resource", "subresource", "namespace", "name")
    }
    return Attributes(**known)


def _decision(decision: Decision) -> Json:
    return {"allowed": decision.allowed, **({"reason": decision.reason} if decision.reason else {})}


def _user_info(identity: Identity) -> Json:
    info: Json = {"username": identity.name, "groups": list(identity.groups)}
    if identity.uid:
        info["uid"] = identity.uid
    if identity.extra:
        info["extra"] = {key: list(values) for key, values in identity.extra.items()}
    return info


_STATUS: Mapping[str, Callable[[_Question], Json]] = {
    "LocalSubjectAccessReview": _access,
    "SelfSubjectAccessReview": _self_access,
    "SelfSubjectReview": _who_am_i,
    "SelfSubjectRulesReview": _rules,
    "SubjectAccessReview": _access,
    "TokenReview": _token_review,
}
