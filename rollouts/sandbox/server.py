"""The API server: HTTP in, HTTP out, everything else handed to the module that knows it.

A request is authenticated, routed, authorised, met by whatever fault is injected, and answered by the verb's module.
Verbs run without waiting, so each sees and makes one moment of the store; only bodies, faults and watches wait. Every
refusal leaves as a v1 Status. Responses are never compressed: the other end is on the same machine.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable

from aiohttp import web

from rollouts.sandbox import errors, negotiation, options, reviews
from rollouts.sandbox.access import Access, asked_of
from rollouts.sandbox.backend import Backend
from rollouts.sandbox.calls import Call
from rollouts.sandbox.deletion import Deleter
from rollouts.sandbox.discovery import Answer, Discovery
from rollouts.sandbox.faults import Delay, Faults, Refuse, Reset
from rollouts.sandbox.presentation import Presenter, Reply
from rollouts.sandbox.rbac import Attributes, Identity
from rollouts.sandbox.reading import Reader
from rollouts.sandbox.resources import BUILTIN, SUBRESOURCES
from rollouts.sandbox.routing import Target, route
from rollouts.sandbox.schema.builtin import deprecation_warnings
from rollouts.sandbox.store import encode
from rollouts.sandbox.subresources import Subresources
from rollouts.sandbox.watching import Dropped, Watcher
from rollouts.sandbox.writing import Writer, Written

BODY_BYTES_MAX = 3 * 1024 * 1024
_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
_STREAM_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
_IN_ONE_NAMESPACE = ("create", "deletecollection")
_log = logging.getLogger(__name__)


class _AnswerLostError(Exception):
    """The connection is to be cut instead of answering."""


class Server:
    """Answers every request to one sandbox; `handle` is the aiohttp handler."""

    def __init__(self, backend: Backend, *, access: Access, faults: Faults) -> None:
        self.requests: Counter[tuple[str, str, str, int]] = Counter()
        """How many requests were answered, by verb, group, resource (`pods/status`) and code."""
        self._backend = backend
        self._access = access
        self._faults = faults
        self._discovery = Discovery(backend.registry)
        self._presenter = Presenter(backend)
        self._reader = Reader(backend, self._presenter)
        self._writer = Writer(backend)
        self._deleter = Deleter(backend, self._presenter, self._reader)
        self._watcher = Watcher(backend, self._presenter, self._reader, faults)
        self._subresources = Subresources(backend, self._presenter, self._writer, self._deleter, access)
        self._verbs: dict[str, Callable[[Call], Reply]] = {
            "get": self._reader.get,
            "list": self._reader.list_many,
            "create": lambda call: self._written(call, self._writer.create(call)),
            "update": lambda call: self._written(call, self._writer.update(call)),
            "patch": lambda call: self._written(call, self._writer.patch(call)),
            "delete": self._deleter.delete,
            "deletecollection": self._deleter.delete_collection,
        }

    def open(self) -> None:
        """Take watches (again)."""
        self._watcher.reopen()

    def close(self) -> None:
        """End every watch, so that their connections can be closed."""
        self._watcher.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            return await self._answered(request)
        except errors.ApiError as refusal:
            return _refusal(refusal)
        except (_AnswerLostError, Dropped):
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        except RecursionError:
            return _refusal(errors.bad_request("json parse error: exceeded max depth"))
        except Exception as broken:  # noqa: BLE001 - one broken request must not end the server
            _log.exception("%s %s failed", request.method, request.path)
            return _refusal(errors.internal(f"{type(broken).__name__}: {broken}"))

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        identity = self._access.authenticate(request.headers)
        target = route(self._backend.registry, request.method, request.path, request.query)
        if target is None:
            self._access.permit(identity, Attributes(verb=request.method.lower(), path=request.path))
            return self._document(request)
        self._access.permit(identity, asked_of(target, request.query))
        code = 0
        try:
            lost = await self._meet_faults(target, request.headers.get("User-Agent", ""))
            _check_verb(target)
            call = await _call(request, target)
            options.check(call)
            call.warnings.extend(deprecation_warnings(target.resource))
            if target.verb == "watch":
                code = 200
                return await self._watched(request, call)
            reply = self._reply(call, identity)
            code = reply.code
        except errors.ApiError as refusal:
            code = refusal.code
            raise
        finally:
            self.requests[target.verb, target.resource.group, target.label, code] += 1
        if lost:
            raise _AnswerLostError
        return web.Response(
            body=reply.body, status=reply.code, headers={**_HEADERS, **reply.headers, **_warnings(call)}
        )

    def _document(self, request: web.BaseRequest) -> web.Response:
        """The answer to a path that is no resource's."""
        if request.path == "/metrics":
            return web.Response(body=self.metrics().encode(), content_type="text/plain")
        try:
            answer = self._discovery.answer(request.path, request.headers.get("Accept"))
        except negotiation.NotAcceptable as failure:
            raise errors.not_acceptable(str(failure)) from failure
        if answer is None and self._is_below_builtin(request.path):
            raise errors.unknown_path()
        if answer is None:
            answer = Answer(body=b"404 page not found\n", status=404, content_type="text/plain; charset=utf-8")
        elif request.method not in ("GET", "HEAD"):
            raise errors.method_not_allowed()
        headers = {"Content-Type": answer.content_type, **answer.headers}
        tag = headers.get("ETag")
        if tag and tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=answer.body, status=answer.status, headers=headers)

    def _is_below_builtin(self, path: str) -> bool:
        """Whether the path is one of a group and version that the server has by itself."""
        return any(path.startswith(f"{resource.api_path}/") for resource in BUILTIN)

    def metrics(self) -> str:
        """How many requests were answered, in the Prometheus text format and by a real API server's metric name."""
        lines = ["# TYPE apiserver_request_total counter"]
        for (verb, group, resource, code), count in sorted(self.requests.items()):
            labels = f'verb="{verb.upper()}",group="{group}",resource="{resource}",code="{code}"'
            lines.append(f"apiserver_request_total{{{labels}}} {count}")
        return "\n".join(lines) + "\n"

    async def _meet_faults(self, target: Target, agent: str) -> bool:
        """Let happen what is to happen before the request; whether its answer is to be lost."""
        is_lost = False
        for fault in self._faults.met(target, agent):
            match fault:
                case Delay(seconds):
                    await asyncio.sleep(seconds)
                case Refuse():
                    raise fault.error(target)
                case Reset(after_effect=True):
                    is_lost = True
                case Reset():
                    raise _AnswerLostError
        return is_lost

    def _reply(self, call: Call, identity: Identity) -> Reply:
        target = call.target
        if target.resource.is_review:
            body = reviews.answer(
                self._access, target.resource, call.document(), asking=identity, namespace=target.namespace
            )
            return Reply(body=encode(body), code=201)
        if target.subresource and target.subresource != "status":
            return self._subresources.answer(call)
        return self._verbs[target.verb](call)

    def _written(self, call: Call, written: Written) -> Reply:
        return self._presenter.one(call, written.record, code=written.code)

    async def _watched(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        stream = self._watcher.begin(call)
        response = web.StreamResponse(headers={**_STREAM_HEADERS, **_warnings(call)})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            async for chunk in stream:
                await response.write(chunk)
            await response.write_eof()
        except ConnectionResetError:
            _log.debug("the client of a watch left")
        return response


def _check_verb(target: Target) -> None:
    resource = target.resource
    if target.subresource:
        if target.subresource not in resource.subresources:
            raise errors.unknown_path()
        verbs = SUBRESOURCES[target.subresource].verbs
    else:
        verbs = resource.verbs
    is_misplaced = target.verb == "create" and bool(target.name) and not target.subresource
    is_misplaced |= target.verb in _IN_ONE_NAMESPACE and resource.namespaced and target.namespace is None
    if target.verb not in verbs or is_misplaced:
        raise errors.method_not_allowed()


async def _call(request: web.BaseRequest, target: Target) -> Call:
    body = await request.content.read() if request.can_read_body else b""
    if len(body) > BODY_BYTES_MAX:
        raise errors.too_large()
    return Call(
        target=target,
        query=request.query,
        body=body,
        content_type=request.headers.get("Content-Type", "").partition(";")[0].strip(),
        accept=request.headers.get("Accept"),
        user_agent=request.headers.get("User-Agent", ""),
    )


def _refusal(refusal: errors.ApiError) -> web.Response:
    headers = dict(_HEADERS)
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    return web.Response(body=encode(refusal.status()), status=refusal.code, headers=headers)


def _warnings(call: Call) -> dict[str, str]:
    """Warnings as one header: its values are separated by commas, quotes in them escaped."""
    texts = [f"299 - {json.dumps(text, ensure_ascii=False)}" for text in dict.fromkeys(call.warnings)]
    return {"Warning": ", ".join(texts)} if texts else {}
