"""Who asks, and whether they may: bearer tokens, impersonation, and RBAC when it is switched on.

Tokens are opaque strings that this process gave out: some at start, more through a ServiceAccount's `token`
subresource. A request without a token is anonymous; one with an unknown or expired token is refused. With RBAC off
everyone may do everything, as on a server with `--authorization-mode=AlwaysAllow`. The rules themselves are evaluated
in `rbac`, the review resources answered in `reviews`.

kubectl keeps a kubeconfig's token to itself where there is no TLS, but sends the credentials of a URL; so a token also
counts as the password of `http://anyone:TOKEN@127.0.0.1:PORT`.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from multidict import CIMultiDict, CIMultiDictProxy

from rollouts.sandbox import errors, rbac
from rollouts.sandbox.rbac import AUTHENTICATED, MASTERS, UNAUTHENTICATED, Attributes, Decision, Identity
from rollouts.sandbox.resources import Json
from rollouts.sandbox.routing import Target
from rollouts.sandbox.store import Store

Headers = CIMultiDict[str] | CIMultiDictProxy[str]

ANONYMOUS = Identity(name="system:anonymous", groups=(UNAUTHENTICATED,))
ADMIN = Identity(name="kubernetes-admin", groups=(MASTERS, AUTHENTICATED))
AUDIENCE = "https://kubernetes.default.svc"
TOKEN_SECONDS_DEFAULT = 3600
TOKEN_SECONDS_MIN = 600
_NAME_SELECTOR = re.compile(r"^metadata\.name==?([^,!=]+)$")
_EXTRA_PREFIX = "Impersonate-Extra-"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    identity: Identity
    expires_at: datetime | None = None


def asked_of(target: Target, query: Mapping[str, str]) -> Attributes:
    """What a request asks for.

    A namespace is in itself, so a Role there can allow reading it; a list of the one object that a field selector
    names is a request for that object.
    """
    name, namespace = target.name, target.namespace or ""
    if not name and (match := _NAME_SELECTOR.match(query.get("fieldSelector", ""))):
        name = match[1]
    if (target.resource.group, target.resource.plural) == ("", "namespaces"):
        namespace = target.name
    return Attributes(
        verb=target.verb,
        group=target.resource.group,
        resource=target.resource.plural,
        subresource=target.subresource,
        namespace=namespace,
        name=name,
    )


def service_account(namespace: str, name: str, *, uid: str = "") -> Identity:
    """The identity of a ServiceAccount."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return Identity(name=f"system:serviceaccount:{namespace}:{name}", groups=groups, uid=uid)


class Access:
    """The server's door: `authenticate` says who, `decide` says whether, `permit` raises when not."""

    def __init__(
        self, store: Store, *, rbac_enabled: bool = False, tokens: Mapping[str, Identity] | None = None
    ) -> None:
        self.rbac_enabled = rbac_enabled
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._store = store
        self._tokens = {text: _Token(identity=identity) for text, identity in (tokens or {}).items()}

    def objects(self, plural: str) -> Iterable[Json]:
        """The current RBAC objects of a plural; the `rbac.Policy` of this cluster."""
        return [record.object for _, record in self._store.collection((rbac.GROUP, plural)).records()]

    def issue(self, identity: Identity, *, expires_at: datetime | None = None) -> str:
        """A new token for an identity, valid until then (default: for ever)."""
        text = secrets.token_urlsafe(32)
        self._tokens[text] = _Token(identity=identity, expires_at=expires_at)
        return text

    def identity_of(self, token: str) -> Identity | None:
        """Whose token it is; None when it is not known or has expired."""
        known = self._tokens.get(token)
        if known is None or (known.expires_at is not None and known.expires_at <= self.now()):
            return None
        return known.identity

    def authenticate(self, headers: Headers) -> Identity:
        """Who asks, or whom they may impersonate. Raises Unauthorized for a bad token, Forbidden for a bad role."""
        asking = self._bearer(headers.get("Authorization"))
        name = headers.get("Impersonate-User")
        if name is None:
            return asking
        wanted = _impersonated(name, headers)
        for attributes in _impersonation_rights(wanted):
            self.permit(asking, attributes)
        return wanted

    def decide(self, identity: Identity, asked: Attributes) -> Decision:
        """Whether the identity may do it, and why."""
        return rbac.decide(identity, asked, self) if self.rbac_enabled else Decision(allowed=True)

    def allowed(self, identity: Identity, asked: Attributes) -> bool:
        """Whether the identity may do it."""
        return self.decide(identity, asked).allowed

    def permit(self, identity: Identity, asked: Attributes) -> None:
        """Raises Forbidden, in the words of an API server, when the identity may not do it."""
        if not self.allowed(identity, asked):
            raise _forbidden(identity, asked)

    def token_request(self, account: Json, body: Json) -> Json:
        """The answer to a create of `serviceaccounts/token`: a new token in its status. Raises Invalid."""
        spec = dict(body.get("spec") or {})
        spec["expirationSeconds"] = spec.get("expirationSeconds") or TOKEN_SECONDS_DEFAULT
        if spec["expirationSeconds"] < TOKEN_SECONDS_MIN:
            raise _too_short(spec["expirationSeconds"])
        spec["audiences"] = spec.get("audiences") or [AUDIENCE]
        meta = account["metadata"]
        expires_at = self.now() + timedelta(seconds=spec["expirationSeconds"])
        identity = service_account(meta["namespace"], meta["name"], uid=meta.get("uid", ""))
        status = {
            "token": self.issue(identity, expires_at=expires_at),
            "expirationTimestamp": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        metadata = {"name": meta["name"], "namespace": meta["namespace"]}
        kind = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
        return {**kind, "metadata": metadata, "spec": spec, "status": status}

    def _bearer(self, header: str | None) -> Identity:
        if not header:
            return ANONYMOUS
        identity = self.identity_of(_token_in(header))
        if identity is None:
            raise errors.unauthorized()
        return identity


def _too_short(seconds: int) -> errors.ApiError:
    why = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
    field = "spec.expirationSeconds"
    return errors.ApiError(
        422,
        "Invalid",
        f'TokenRequest.authentication.k8s.io "" is invalid: {field}: {why}',
        details={
            "group": "authentication.k8s.io",
            "kind": "TokenRequest",
            "causes": [errors.cause(field, "FieldValueInvalid", why)],
        },
    )


def _token_in(header: str) -> str:
    """The bearer token of an Authorization header; empty when there is none."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _forbidden(identity: Identity, asked: Attributes) -> errors.ApiError:
    why = rbac.denial(identity, asked)
    if asked.path:
        return errors.ApiError(403, "Forbidden", f"forbidden: {why}")
    subject = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    name = f' "{asked.name}"' if asked.name else ""
    details = {key: value for key, value in (("name", asked.name), ("group", asked.group)) if value}
    return errors.ApiError(
        403, "Forbidden", f"{subject}{name} is forbidden: {why}", details={**details, "kind": asked.resource}
    )


def _impersonated(name: str, headers: Headers) -> Identity:
    extra: dict[str, tuple[str, ...]] = {}
    for key in dict.fromkeys(headers.keys()):
        if key.lower().startswith(_EXTRA_PREFIX.lower()):
            extra[key[len(_EXTRA_PREFIX) :].lower()] = tuple(headers.getall(key))
    groups = tuple(headers.getall("Impersonate-Group", []))
    prefix, _, rest = name.partition("system:serviceaccount:")
    if not groups and not prefix and rest.count(":") == 1:
        groups = service_account(*rest.split(":")).groups
    if AUTHENTICATED not in groups and UNAUTHENTICATED not in groups and name != ANONYMOUS.name:
        groups = (*groups, AUTHENTICATED)
    return Identity(name=name, groups=groups, uid=headers.get("Impersonate-Uid", ""), extra=extra)


def _impersonation_rights(wanted: Identity) -> list[Attributes]:
    """What one must be allowed in order to act as another."""
    prefix, _, rest = wanted.name.partition("system:serviceaccount:")
    if not prefix and rest.count(":") == 1:
        namespace, name = rest.split(":")
        return [Attributes(verb="impersonate", resource="serviceaccounts", namespace=namespace, name=name)]
    groups = [group for group in wanted.groups if group != AUTHENTICATED]
    return [
        Attributes(verb="impersonate", resource="users", name=wanted.name),
        *(Attributes(verb="impersonate", resource="groups", name=group) for group in groups),
    ]
