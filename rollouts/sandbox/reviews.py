"""The resources that are questions: a create is answered in the object's status, and nothing is stored.

TokenReview and SelfSubjectReview ask who someone is; the access reviews ask what someone may do.
"""

from __future__ import annotations

import json
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

    def refuse(self, field: str, value: str, why: str) -> errors.ApiError:
        """The error for a question that makes no sense; a real server leaves the kind out of it."""
        group, text = self.resource.group, f"Invalid value: {value}: {why}"
        details = {"group": group, "causes": [errors.cause(field, "FieldValueInvalid", text)]}
        return errors.ApiError(422, "Invalid", f'.{group} "" is invalid: {field}: {text}', details=details)


def _who_am_i(question: _Question) -> Json:
    return {"userInfo": _user_info(question.asking)}


def _token_review(question: _Question) -> Json:
    token = question.spec.get("token")
    if not token:
        raise errors.bad_request("token is required for TokenReview in authentication")
    identity = question.access.identity_of(token)
    if identity is None:
        return {"user": {}, "error": "invalid bearer token"}
    wanted = question.spec.get("audiences") or [AUDIENCE]
    if AUDIENCE not in wanted:
        known, targets = json.dumps([AUDIENCE]), json.dumps(wanted)
        why = f"token audiences {known} is invalid for the target audiences {targets}"
        return {"user": {}, "error": f"[invalid bearer token, {why}]"}
    return {"authenticated": True, "user": _user_info(identity), "audiences": [AUDIENCE]}


def _self_access(question: _Question) -> Json:
    return _decision(question.access.decide(question.asking, _attributes(question)))


def _access(question: _Question) -> Json:
    spec = question.spec
    if not spec.get("user") and not spec.get("groups"):
        raise question.refuse("spec.user", '""', "at least one of user or group must be specified")
    asked = _attributes(question)
    if question.namespace is not None and asked.namespace != question.namespace:
        field = "spec.resourceAttributes.namespace"
        raise question.refuse(field, f'"{asked.namespace}"', "must match metadata.namespace")
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
    if resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise question.refuse("spec.resourceAttributes", "null", why)
    if resource is not None and path is not None:
        shown = json.dumps({"Path": path.get("path", ""), "Verb": path.get("verb", "")}, separators=(",", ":"))
        why = "cannot be specified in combination with resourceAttributes"
        raise question.refuse("spec.nonResourceAttributes", shown, why)
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
