"""Prometheus: instant and range queries through its HTTP API.

The client library knows the API, our Http knows how to talk to a stranger; `_Line` puts one under the other. A vector
or matrix becomes a list of floats in the order of the answer, a scalar a float. Whether a value is good does not belong
here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from rollouts.lib import durations, floats
from rollouts.lib.redaction import redacted
from rollouts.ports import Pending, Query, Reading
from rollouts.providers.http import Answer, Http, HttpError, Request
from rollouts.providers.oauth2 import HTTP_OK, Client, Tokens

TIMEOUT_SECONDS_DEFAULT = 30.0
SAMPLES_MAX = 20_000  # a condition can look through so many within its budget of steps
ERROR_TEXT_MAX = 500  # characters
UNAUTHORIZED = 401
_POST_NOT_SERVED = (405, 501)

Moment = Callable[[str, datetime], datetime]
"""Reads a time expression such as `now() - duration("5m")`, given the time now. Raises ValueError."""


class _Unusable(Exception):
    """The metric's section, or the answer, cannot be used; the text is safe to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    start: datetime
    end: datetime
    step_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A metric's section, read."""

    address: str = field(repr=False)
    shown_address: str
    text: str = field(repr=False)
    timeout_seconds: float
    headers: Mapping[str, str] = field(repr=False)
    is_insecure: bool
    basic: tuple[str, str] | None = field(repr=False)
    oauth2: Client | None
    range: _Range | None


class Prometheus:
    """The provider `prometheus`. `default_address` serves metrics that name none."""

    def __init__(
        self,
        *,
        moment: Moment,
        clock: Callable[[], float],
        default_address: str = "",
        ca_bundle: str | None = None,
    ) -> None:
        self._moment = moment
        self._default_address = default_address
        self._http = Http(clock, ca_bundle=ca_bundle)
        self._tokens = Tokens(self._http, clock)

    def begin(self, query: Query) -> Reading:
        """Ask and answer; every failure is a reading's error."""
        hidden = query.secrets
        try:
            question = self._question(query)
            answer = self._answered(question, query)
            hidden += answer.credentials
            reading = _reading(_envelope(answer), question)
        except (_Unusable, HttpError) as error:
            return Reading(error=redacted(str(error), hidden)[:ERROR_TEXT_MAX])
        return Reading(
            value=reading.value,
            text=reading.text,
            metadata={name: redacted(text, hidden) for name, text in reading.metadata.items()},
            about={"ResolvedPrometheusQuery": redacted(question.text, hidden)},
        )

    def resume(self, query: Query, pending: Pending) -> Reading:
        """Ask again: an earlier question left nothing behind."""
        return self.begin(query)

    def cancel(self, query: Query, pending: Pending) -> None:
        """Nothing is left running that could be stopped."""

    def close(self) -> None:
        """Let go of all connections."""
        self._http.close()

    # The question

    def _question(self, query: Query) -> _Question:
        config = query.config
        text = config.get("query")
        if not isinstance(text, str) or not text:
            raise _Unusable("prometheus query is not configured")
        is_insecure = config.get("insecure") is True
        authentication = _section(config, "authentication")
        address = _address(config.get("address") or self._default_address)
        return _Question(
            address=address,
            shown_address=query.redact(address),
            text=text,
            timeout_seconds=min(_timeout(config.get("timeout")), query.deadline_seconds),
            headers=_headers(config.get("headers")),
            is_insecure=is_insecure,
            basic=_basic(_section(authentication, "basicAuth")),
            oauth2=_oauth2(authentication, is_insecure=is_insecure, shown=query.redact),
            range=self._range(_section(config, "rangeQuery"), query.now),
        )

    def _range(self, section: Mapping[str, Any], now: datetime) -> _Range | None:
        if not section:
            return None
        step = durations.parse(str(section.get("step", "")))
        if step is None or step <= 0:
            raise _Unusable(f"failed to parse rangeQuery.step as duration: {str(section.get('step'))[:40]!r}")
        return _Range(
            start=self._time("start", section, now), end=self._time("end", section, now), step_seconds=float(step)
        )

    def _time(self, name: str, section: Mapping[str, Any], now: datetime) -> datetime:
        try:
            return self._moment(str(section.get(name, "")), now)
        except ValueError as error:
            raise _Unusable(f"failed to parse rangeQuery.{name} as time: {error}") from None

    # The exchange

    def _answered(self, question: _Question, query: Query) -> Answer:
        """The answer, whatever it is. Servers that take no POST are asked again by GET."""
        answer = self._sent(question, query, "POST")
        if answer.status_code in _POST_NOT_SERVED:
            answer = self._sent(question, query, "GET")
        if answer.status_code == UNAUTHORIZED and question.oauth2 is not None:
            self._tokens.forget(question.oauth2)
        return answer

    def _sent(self, question: _Question, query: Query, method: str) -> Answer:
        headers = dict(question.headers)
        if question.oauth2 is not None:
            token = self._tokens.token(question.oauth2, deadline_seconds=question.timeout_seconds)
            headers["Authorization"] = f"Bearer {token}"
        line = _Line(self._http, question)
        client = PrometheusConnect(
            url=question.address,
            headers=headers,
            auth=question.basic,
            session=line,
            retry=Retry(total=0),
            timeout=question.timeout_seconds,
            method=method,
        )
        server_timeout = {"timeout": f"{floats.plain(question.timeout_seconds)}s"}
        try:
            if question.range is None:
                client.custom_query(question.text, params={"time": query.now.timestamp(), **server_timeout})
            else:
                step = floats.plain(question.range.step_seconds)
                client.custom_query_range(
                    question.text, question.range.start, question.range.end, step, params=server_timeout
                )
        except (PrometheusApiClientException, LookupError, TypeError):
            if line.answer is None:
                raise _Unusable("the query could not be sent") from None
        return line.require_answer()


class _Line:
    """What the client library takes for its session: it carries one exchange and keeps the whole answer.

    The library hands on only the result; its type and the warnings are read from the answer kept here.
    """

    def __init__(self, http: Http, question: _Question) -> None:
        self._http = http
        self._question = question
        self.verify = not question.is_insecure
        self.cert = None
        self.answer: Answer | None = None

    def mount(self, prefix: str, adapter: object) -> None:
        """Ignore the library's adapter: connections are Http's."""

    def request(
        self,
        *,
        method: str,
        url: str,
        params: Mapping[str, Any],
        headers: Mapping[str, str],
        auth: tuple[str, str] | None,
        **_: Any,
    ) -> Answer:
        """Send what the library asks for; a POST carries the query in its body, where no proxy logs or cuts it."""
        is_post = method == "POST"
        self.answer = self._http.send(
            Request(
                method=method,
                url=url,
                deadline_seconds=self._question.timeout_seconds,
                headers=headers,
                params=None if is_post else params,
                form=params if is_post else None,
                auth=auth,
                is_insecure=self._question.is_insecure,
                shown_url=self._question.shown_address,
            )
        )
        return self.answer

    def require_answer(self) -> Answer:
        """The answer, which the library must have asked for."""
        assert self.answer is not None, "the client library sent no request"
        return self.answer


# The answer


def _envelope(answer: Answer) -> Mapping[str, Any]:
    """The JSON object around a result; every other answer is an error."""
    is_success = answer.status_code == HTTP_OK
    try:
        body = answer.json()
    except HttpError:
        if is_success:
            raise
        raise _Unusable(f"prometheus at {answer.host} answered HTTP {answer.status_code}") from None
    if isinstance(body, Mapping) and body.get("status") == "error":
        raise _Unusable(f"{body.get('errorType', 'error')}: {body.get('error', '')}")
    if not is_success:
        raise _Unusable(f"prometheus at {answer.host} answered HTTP {answer.status_code}")
    if not isinstance(body, Mapping) or not isinstance(body.get("data"), Mapping):
        raise _Unusable(f"prometheus at {answer.host} answered with JSON that is no query result")
    return body


def _reading(envelope: Mapping[str, Any], question: _Question) -> Reading:
    data = envelope["data"]
    kind, result = data.get("resultType"), data.get("result")
    warnings = ", ".join(json.dumps(str(text)) for text in _items(envelope.get("warnings")))
    metadata = {"warnings": warnings} if warnings else {}
    try:
        if kind == "scalar":
            value = _sample(result)
            return Reading(value=value, text=floats.plain(value), metadata=metadata)
        if kind in ("vector", "matrix"):
            values = _bounded(_samples(kind, result))
            text = "[" + ",".join(map(floats.plain, values)) + "]"
            return Reading(value=values, text=text, metadata=metadata)
    except (LookupError, TypeError, ValueError, OverflowError):
        raise _Unusable(f"prometheus answered with a {kind} that cannot be read") from None
    raise _Unusable("Prometheus metric type not supported")


def _samples(kind: str, result: Any) -> Iterator[float]:
    for series in result:
        if kind == "vector":
            yield _sample(series["value"])
        else:
            yield from (_sample(point) for point in series["values"])


def _bounded(samples: Iterator[float]) -> list[float]:
    values: list[float] = []
    for sample in samples:
        if len(values) == SAMPLES_MAX:
            raise _Unusable(f"prometheus answered with more than {SAMPLES_MAX} samples")
        values.append(sample)
    return values


def _sample(point: Any) -> float:
    """The value of `[time, "0.5"]`."""
    _, text = point
    if not isinstance(text, str):
        raise TypeError("a sample's value is a string")
    return float(text)


# The metric's section


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    return section if isinstance(section, Mapping) else {}


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _address(address: Any) -> str:
    if not address:
        raise _Unusable("prometheus address is not configured")
    if not _is_url(str(address)):
        raise _Unusable("prometheus address is not is url format")
    return str(address).rstrip("/")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _timeout(value: Any) -> float:
    if value is None or value == "":
        return TIMEOUT_SECONDS_DEFAULT
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise _Unusable("prometheus timeout is not a number of seconds")
    if seconds < 0:
        raise _Unusable("prometheus timeout should not be negative")
    return seconds or TIMEOUT_SECONDS_DEFAULT


def _headers(value: Any) -> dict[str, str]:
    """`[{key, value}]`; of two with one name the later counts."""
    headers: dict[str, str] = {}
    for item in _items(value):
        key, text = (item.get("key"), item.get("value", "")) if isinstance(item, Mapping) else (None, "")
        if not isinstance(key, str) or not key or not str(text).isprintable():
            raise _Unusable("prometheus headers need a key and a value of one line")
        headers[key] = str(text)
    return headers


def _basic(section: Mapping[str, Any]) -> tuple[str, str] | None:
    if not section:
        return None
    for name in ("username", "password"):
        if not section.get(name):
            raise _Unusable(f"missing mandatory parameter in metric for basic auth setup: {name}")
    return str(section["username"]), str(section["password"])


def _oauth2(authentication: Mapping[str, Any], *, is_insecure: bool, shown: Callable[[str], str]) -> Client | None:
    if _section(authentication, "sigv4"):
        raise _Unusable("authentication.sigv4 is not supported by this version of the controller")
    section = _section(authentication, "oauth2")
    if not section:
        return None
    if not all(section.get(name) for name in ("tokenUrl", "clientId", "clientSecret")):
        raise _Unusable("missing mandatory parameter in metric for OAuth2 setup")
    if not _is_url(str(section["tokenUrl"])):
        raise _Unusable("authentication.oauth2.tokenUrl is not a URL")
    return Client(
        token_url=str(section["tokenUrl"]),
        shown_url=shown(str(section["tokenUrl"])),
        client_id=str(section["clientId"]),
        client_secret=str(section["clientSecret"]),
        scopes=tuple(map(str, _items(section.get("scopes")))),
        is_insecure=is_insecure,
    )
