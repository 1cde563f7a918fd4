"""Access tokens by OAuth2 client credentials, kept until shortly before they expire.

Tokens live in memory only and are found by what they were obtained with. Which requests carry one is the provider's
business.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rollouts.providers.http import Answer, Http, HttpError, Request

TOKENS_MAX = 256
LIFETIME_SECONDS_DEFAULT = 300.0  # where the server names none
RENEWED_SECONDS_EARLY = 30.0
HTTP_OK = 200
_REFUSED = (400, 401)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks for a token, and where."""

    token_url: str = field(repr=False)
    shown_url: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] = ()
    is_insecure: bool = False


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    ends_at: float


class Tokens:
    """Tokens of all clients; safe to use from many threads."""

    def __init__(self, http: Http, clock: Callable[[], float]) -> None:
        self._http = http
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[Client, _Token] = {}

    def token(self, client: Client, *, deadline_seconds: float) -> str:
        """A token that is valid now. Raises HttpError."""
        with self._lock:
            known = self._tokens.get(client)
        if known is not None and known.ends_at > self._clock():
            return known.text
        fresh = self._fetched(client, deadline_seconds)
        with self._lock:
            self._tokens.pop(client, None)
            self._tokens[client] = fresh
            while len(self._tokens) > TOKENS_MAX:
                del self._tokens[next(iter(self._tokens))]
        return fresh.text

    def forget(self, client: Client) -> None:
        """The client's token was refused: the next one is fetched anew."""
        with self._lock:
            self._tokens.pop(client, None)

    def _fetched(self, client: Client, deadline_seconds: float) -> _Token:
        """Servers differ in where they want the client's secret: in the header, or else in the form."""
        answer = self._asked(client, deadline_seconds, in_form=False)
        if answer.status_code in _REFUSED:
            answer = self._asked(client, deadline_seconds, in_form=True)
        if answer.status_code != HTTP_OK:
            raise HttpError(f"OAuth2 token from {answer.host}: HTTP {answer.status_code}")
        return self._read(answer)

    def _asked(self, client: Client, deadline_seconds: float, *, in_form: bool) -> Answer:
        form = {"grant_type": "client_credentials"}
        if client.scopes:
            form["scope"] = " ".join(client.scopes)
        if in_form:
            form |= {"client_id": client.client_id, "client_secret": client.client_secret}
        return self._http.send(
            Request(
                method="POST",
                url=client.token_url,
                deadline_seconds=deadline_seconds,
                form=form,
                auth=None if in_form else (client.client_id, client.client_secret),
                is_insecure=client.is_insecure,
                shown_url=client.shown_url,
            )
        )

    def _read(self, answer: Answer) -> _Token:
        body: Any = answer.json()
        text = body.get("access_token") if isinstance(body, dict) else None
        if not isinstance(text, str) or not text:
            raise HttpError(f"OAuth2 token from {answer.host}: the answer holds no access_token")
        lifetime = body.get("expires_in")
        seconds = float(lifetime) if isinstance(lifetime, int | float) else LIFETIME_SECONDS_DEFAULT
        return _Token(text, self._clock() + seconds - RENEWED_SECONDS_EARLY)
