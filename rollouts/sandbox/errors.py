"""What a refused request is told: `ApiError` carries a v1 `Status`, worded as an API server words it.

Any layer below the server may raise it; only the server turns it into a response. Deciding what is wrong belongs to
whoever raises; the constructors only know code, reason and wording.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rollouts.sandbox.resources import Json, Resource


class ApiError(Exception):
    """A refusal: HTTP code, machine-readable reason, message, and the details of a v1 Status."""

    def __init__(self, code: int, reason: str, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = None if details is None else dict(details)

    def status(self) -> Json:
        """The v1 Status that a client receives."""
        status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}

    @property
    def retry_after_seconds(self) -> int | None:
        """How long the client is asked to wait, if it is."""
        return (self.details or {}).get("retryAfterSeconds")


def done(*, code: int) -> Json:
    """The v1 Status of a request that was carried out and says no more."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code}


def success(*, details: Json) -> Json:
    """The v1 Status of a request that leaves no object to show."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _details(resource: Resource, name: str, **more: Any) -> Json:
    details: Json = {"name": name, "group": resource.group, "kind": resource.plural} | more
    return {key: value for key, value in details.items() if value}


def not_found(resource: Resource, name: str) -> ApiError:
    """No object of this name."""
    message = f'{resource.qualified_name} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_details(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    """The name is taken."""
    message = f'{resource.qualified_name} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_details(resource, name))


def unmet(resource: Resource, name: str, why: str) -> ApiError:
    """A deletion's precondition does not hold; such a conflict names the kind."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = _details(resource, name) | {"kind": resource.kind}
    return ApiError(409, "Conflict", f'Operation cannot be fulfilled on {kind} "{name}": {why}', details=details)


def no_version(resource: Resource, name: str) -> ApiError:
    """An update must say which state it builds on, and does not."""
    message = "Invalid value: 0: must be specified for an update"
    causes = [cause("metadata.resourceVersion", "FieldValueInvalid", message)]
    return _invalid(resource.qualified_name, name, causes, details=_details(resource, name))


def conflict(resource: Resource, name: str, why: str = "") -> ApiError:
    """The write builds on a state that is no longer the current one."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource.qualified_name} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(resource, name))


def invalid(resource: Resource, name: str, causes: Sequence[Json]) -> ApiError:
    """The object breaks rules; each cause is a StatusCause: reason, message, field."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return _invalid(kind, name, causes, details=_details(resource, name) | {"kind": resource.kind})


def invalid_options(kind: str, causes: Sequence[Json]) -> ApiError:
    """The options of a request (`ListOptions`, `DeleteOptions`) break rules."""
    return _invalid(f"{kind}.meta.k8s.io", "", causes, details={"group": "meta.k8s.io", "kind": kind})


def invalid_patch(patched: str, why: str) -> ApiError:
    """A patch made something unreadable of an object."""
    broken = cause("patch", "FieldValueInvalid", f"Invalid value: {json.dumps(patched)}: {why}")
    return _invalid("", "", [broken], details={})


def _invalid(kind: str, name: str, causes: Sequence[Json], *, details: Json) -> ApiError:
    texts = list(dict.fromkeys(f"{cause['field']}: {cause['message']}" for cause in causes))
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = f'{kind} "{name}" is invalid: {listed}'
    return ApiError(422, "Invalid", message, details=details | {"causes": list(causes)})


def cause(field: str, reason: str, message: str) -> Json:
    """One StatusCause."""
    return {"reason": reason, "message": message, "field": field}


def bad_request(message: str) -> ApiError:
    """The request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def bad_version(why: str) -> ApiError:
    """A list asks for a state that has no number."""
    return bad_request(f"invalid resource version: {why}")


def broken(message: str) -> ApiError:
    """What a real server did not foresee: it answers with the bare complaint and no reason."""
    return ApiError(500, "", message)


def expired(message: str, *, continue_token: str = "") -> ApiError:
    """The resource version asked for is no longer kept."""
    error = ApiError(410, "Expired", message)
    return error if not continue_token else _ExpiredList(message, continue_token)


class _ExpiredList(ApiError):
    """An expired list that may be continued, at the price of inconsistency, from the token in its metadata."""

    def __init__(self, message: str, continue_token: str) -> None:
        super().__init__(410, "Expired", message)
        self._continue_token = continue_token

    def status(self) -> Json:
        return super().status() | {"metadata": {"continue": self._continue_token}}


def too_large_version(asked: int, current: int) -> ApiError:
    """The resource version asked for is yet to come."""
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return ApiError(504, "Timeout", message, details={"causes": causes, "retryAfterSeconds": 1})


def forbidden(resource: Resource, name: str, why: str, *, causes: Sequence[Json] = ()) -> ApiError:
    """The client may not do this, or not in this state."""
    message = f'{resource.qualified_name} "{name}" is forbidden: {why}'
    if not name:
        message = f"{resource.qualified_name} is forbidden: {why}"
    return ApiError(403, "Forbidden", message, details=_details(resource, name, causes=list(causes)))


def unauthorized() -> ApiError:
    """Nobody known is asking."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    """The path exists, the verb does not."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={})


def unknown_path() -> ApiError:
    """The path names nothing that is served, below a group that is."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def not_acceptable(message: str) -> ApiError:
    """The server has no representation that the client accepts."""
    return ApiError(406, "NotAcceptable", message)


def unsupported_media_type(allowed: Sequence[str]) -> ApiError:
    """The body is in a format that this path does not take."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(allowed)}"
    return ApiError(415, "UnsupportedMediaType", message)


def too_large() -> ApiError:
    """The object, or the request, is bigger than the store takes."""
    return ApiError(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")


def too_many_requests(message: str, *, retry_after: int = 0, causes: Sequence[Json] = ()) -> ApiError:
    """Not now; `retry_after` is in seconds."""
    details: Json = {"causes": list(causes)} if causes else {}
    if retry_after:
        details["retryAfterSeconds"] = retry_after
    return ApiError(429, "TooManyRequests", message, details=details or None)


def internal(message: str) -> ApiError:
    """The server broke; the message says how."""
    return ApiError(
        500,
        "InternalError",
        f"Internal error occurred: {message}",
        details={"causes": [{"message": message}]},
    )
