"""What can go wrong with a call to the API server, in seven words the rest of the program reasons with.

Status codes, client library exceptions and socket errors are translated here once. Whether to wait, to look again or to
give up is the caller's decision; usually it is the queue's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """A call to the API server did not do what was asked.

    `message` is the server's sentence. `retry_after_seconds` is set where the server asked for patience.
    """

    def __init__(self, message: str, *, status: int = 0, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after_seconds = retry_after_seconds

    @property
    def reason(self) -> str:
        """The class in one word, for logs and metrics."""
        return type(self).__name__

    @property
    def is_lasting(self) -> bool:
        """Whether waiting alone will not cure it: somebody has to change something."""
        return isinstance(self, Denied | Invalid)


class NotFound(ApiError):
    """The object, its namespace or its kind does not exist."""


class AlreadyExists(ApiError):
    """The name is taken."""


class Conflict(ApiError):
    """The object changed since it was read, or a precondition does not hold."""


class Denied(ApiError):
    """These credentials may not do this, or admission refused it."""


class Invalid(ApiError):
    """The server understood the request and will never accept it."""


class Throttled(ApiError):
    """Too many requests, or (for an eviction) a disruption budget says not now."""


class Unreachable(ApiError):
    """No usable answer: refused, timed out, cut off, or a server error. The write may have happened."""


class NotLeader(Exception):
    """This process may not write: it does not hold the lease, or not for long enough."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: Invalid,
    401: Denied,
    403: Denied,
    404: NotFound,
    405: Invalid,
    409: Conflict,
    410: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: Throttled,
}


def from_answer(status: int, body: bytes, headers: Mapping[str, str]) -> ApiError:
    """The error that an answer with a status of 400 or more stands for."""
    details = _status_object(body)
    message = str(details.get("message") or body[:300].decode(errors="replace") or f"HTTP {status}")
    kind = _BY_STATUS.get(status, Unreachable)
    if status == 409 and details.get("reason") == "AlreadyExists":
        kind = AlreadyExists
    return kind(message, status=status, retry_after_seconds=_seconds(headers.get("Retry-After")))


def from_transport(error: BaseException) -> Unreachable:
    """The error that a timeout or a broken connection stands for."""
    return Unreachable(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def _status_object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdecimal() else None
