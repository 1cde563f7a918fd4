"""What clients send over HTTP, to a Rollout of a played world that an API server stores for as long as a request takes.

Methods, paths, content types and bodies are the clients' own, and so are the answers they get: merge and JSON patches,
the status subresource, conflicts and the 404 of a CRD without the subresource are the server's business. What the
request left behind is what the world goes on with. What a client sends when is in plugin.py and argocd.py.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import requests

from rollouts.demo import manifests
from tests.builders import Json
from tests.sandbox.ground import Ground
from tests.world import World

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
PLAIN = "application/json"
GROUP = "/apis/argoproj.io/v1alpha1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request about one object; `plural` names its kind."""

    body: Any
    method: str = "PATCH"
    media_type: str = MERGE
    subresource: str = ""
    plural: str = "rollouts"
    name: str = "web"


def status(change: Mapping[str, Any]) -> Request:
    """A merge patch of the status subresource."""
    return Request(body={"status": dict(change)}, subresource="status")


def main(change: Mapping[str, Any]) -> Request:
    """A merge patch of the object itself."""
    return Request(body=dict(change))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    code: int
    body: Any


@dataclass(slots=True)
class Wire:
    """A session with one API server that serves Rollouts; every object of a world lives in a namespace of its own."""

    ground: Ground
    session: requests.Session
    namespace: str = field(default_factory=lambda: f"clients-{next(_numbers)}")

    def call(self, method: str, path: str, body: Any = None, *, media_type: str = PLAIN) -> Answer:
        """One request, whatever comes of it."""
        done = self.session.request(
            method,
            self.ground.url + path,
            data=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {self.ground.token}", "Content-Type": media_type},
            verify=str(self.ground.certificate) if self.ground.certificate else True,
            timeout=30,
        )
        return Answer(done.status_code, done.json())

    def must(self, method: str, path: str, body: Any = None) -> Json:
        """One request that has to succeed."""
        answer = self.call(method, path, body)
        assert answer.code < HTTPStatus.BAD_REQUEST, answer
        stored: Json = answer.body
        return stored

    def send(self, request: Request) -> Answer:
        """A client's request."""
        path = self.path(request.plural, request.name) + (f"/{request.subresource}" if request.subresource else "")
        return self.call(request.method, path, request.body, media_type=request.media_type)

    def path(self, plural: str, name: str = "") -> str:
        """Of a collection, or of an object in it."""
        return f"{GROUP}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def store(self, plural: str, raw: Json) -> Json:
        """Have the object as it is in the world, status included; what the server made of it."""
        path, name = self.path(plural), raw["metadata"]["name"]
        found = self.call("GET", f"{path}/{name}")
        kept = {key: raw["metadata"][key] for key in ("labels", "annotations") if key in raw["metadata"]}
        body = {**raw, "metadata": {"name": name, "namespace": self.namespace, **kept}}
        if found.code == HTTPStatus.NOT_FOUND:
            stored = self.must("POST", path, body)
        else:
            body["metadata"]["resourceVersion"] = found.body["metadata"]["resourceVersion"]
            stored = self.must("PUT", f"{path}/{name}", body)
        if stored.get("status") == raw.get("status"):
            return stored
        return self.must("PUT", f"{path}/{name}/status", {**stored, "status": raw.get("status")})

    def read(self, plural: str, name: str) -> Json:
        """The object as stored."""
        return self.must("GET", self.path(plural, name))


def install(wire: Wire, *, has_status: bool = True) -> None:
    """Serve our kinds; without `has_status` Rollouts have no status subresource, as on very old installations."""
    for definition in manifests.definitions():
        crd = copy.deepcopy(definition)
        if not has_status:
            crd["spec"]["versions"][0].get("subresources", {}).pop("status", None)
        wire.must("POST", CRDS, crd)


def in_new_namespace(wire: Wire) -> Wire:
    """The same session for another world."""
    fresh = Wire(ground=wire.ground, session=wire.session)
    wire.must("POST", "/api/v1/namespaces", {"metadata": {"name": fresh.namespace}})
    return fresh


@dataclass(slots=True)
class Served:
    """A world whose Rollout and runs clients find at the end of a wire."""

    world: World
    wire: Wire

    @property
    def rollout(self) -> Json:
        """The Rollout as a client gets it."""
        return self.wire.store("rollouts", self.world.rollout)

    def send(self, sent: Iterable[Request]) -> list[Answer]:
        """Requests without a turn of the controller between them."""
        stored = self.wire.store("rollouts", self.world.rollout)
        assert stored["spec"] == self.world.rollout["spec"], "the server adds nothing that the world would not have"
        for run in self.world.runs.values():
            self.wire.store("analysisruns", run)
        answers = [self.wire.send(request) for request in sent]
        assert all(answer.code < HTTPStatus.BAD_REQUEST for answer in answers), answers
        self.take_back()
        return answers

    def take_back(self) -> None:
        """The world goes on with what is stored; nothing else of it changes."""
        stored, raw = self.wire.read("rollouts", self.world.rollout["metadata"]["name"]), self.world.rollout
        if stored["spec"] != raw["spec"]:
            raw["metadata"]["generation"] += 1
        raw["spec"], raw["status"] = stored["spec"], stored.get("status", {})
        for name in self.world.runs:
            if self.wire.read("analysisruns", name)["spec"].get("terminate"):
                self.world.terminate(name)
        self.world.edit({})


Ready = Callable[[str, str], Served]
"""A Rollout of a strategy in a phase, where clients find it."""
