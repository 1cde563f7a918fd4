"""A plain HTTP client for claims about the API: paths and dicts in, status codes and dicts out, nothing hidden."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.sandbox.ground import Ground

Json = dict[str, Any]
CALL_SECONDS_MAX = 30.0
ATTEMPTS_MAX = 100
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its code, its body and its warnings."""

    code: int
    body: Json
    warnings: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """What a Status says."""
        return str(self.body.get("message", ""))

    @property
    def reason(self) -> str:
        """Why, in one word."""
        return str(self.body.get("reason", ""))

    def __getitem__(self, key: str) -> Any:
        return self.body[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """An administrator's view of one cluster, and a namespace that is the test's own."""

    ground: Ground
    namespace: str = "default"
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def url(self) -> str:
        """Where the API is."""
        return self.ground.url

    @property
    def token(self) -> str:
        """An administrator's bearer token."""
        return self.ground.token

    @property
    def kubeconfig(self) -> Path:
        """An administrator's kubeconfig."""
        return self.ground.kubeconfig

    @property
    def is_real(self) -> bool:
        """Whether a real kube-apiserver is asked."""
        return self.ground.is_real

    def call(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        """One request. A path that does not start with a slash is taken below the test's namespace: `v1/pods`."""
        data = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
        sent = self._headers({"Content-Type": "application/json", **(headers or {})})
        response = self.session.request(
            method, self.url + self.path(path), data=data, headers=sent, timeout=CALL_SECONDS_MAX, verify=self._verify
        )
        warnings = response.headers.get("Warning", "")
        if not response.headers["Content-Type"].startswith("application/json"):
            return Answer(response.status_code, {"text": response.text}, warnings, response.headers)
        return Answer(response.status_code, response.json(), warnings, response.headers)

    def get(self, path: str, **headers: str) -> Answer:
        """GET; keyword arguments are headers (`Accept`)."""
        return self.call("GET", path, headers=headers)

    def post(self, path: str, body: Any) -> Answer:
        """POST."""
        return self.call("POST", path, body)

    def put(self, path: str, body: Any) -> Answer:
        """PUT."""
        return self.call("PUT", path, body)

    def patch(self, path: str, body: Any, kind: str = MERGE) -> Answer:
        """PATCH, by default a merge patch."""
        return self.call("PATCH", path, body, headers={"Content-Type": kind})

    def apply(self, path: str, body: Json, manager: str = "claims") -> Answer:
        """Server-side apply; the path may carry further options."""
        join = "&" if "?" in path else "?"
        return self.patch(f"{path}{join}fieldManager={manager}", body, APPLY)

    def delete(self, path: str, options: Json | None = None) -> Answer:
        """DELETE."""
        return self.call("DELETE", path, options)

    def created(self, path: str, body: Any) -> Json:
        """POST something that must succeed."""
        answer = self.post(path, body)
        assert answer.code == 201, answer
        return answer.body

    def eventually_served(self, path: str) -> None:
        """Wait until a newly defined collection can be listed: a real server takes a moment after Established."""
        for _ in range(ATTEMPTS_MAX):
            if self.get(path).code == 200:
                return
            time.sleep(0.1)
        raise AssertionError(f"{path} is not served")

    @contextmanager
    def watch(self, path: str, **headers: str) -> Iterator[Iterator[Json]]:
        """The events of a watch; `watch=true` is added to the path."""
        join = "&" if "?" in path else "?"
        with self.session.get(
            f"{self.url}{self.path(path)}{join}watch=true",
            headers=self._headers(headers),
            timeout=CALL_SECONDS_MAX,
            stream=True,
            verify=self._verify,
        ) as response:
            assert response.status_code == 200, response.text
            yield (json.loads(line) for line in response.iter_lines(chunk_size=None) if line)

    def path(self, path: str) -> str:
        """The URL path of `v1/pods/a` in the test's namespace, or of `apps/v1/deployments`; absolute ones stay."""
        if path.startswith("/"):
            return path
        version, _, rest = path.partition("/")
        if version == "v1":
            return f"/api/v1/namespaces/{self.namespace}/{rest}"
        group_version, _, rest = rest.partition("/")
        return f"/apis/{version}/{group_version}/namespaces/{self.namespace}/{rest}"

    def in_new_namespace(self) -> Api:
        """The same view, in a namespace that is made now."""
        name = f"claim-{secrets.token_hex(4)}"
        self.created("/api/v1/namespaces", {"metadata": {"name": name}})
        return Api(ground=self.ground, namespace=name, session=self.session)

    @property
    def _verify(self) -> str | bool:
        return str(self.ground.certificate) if self.ground.certificate else False

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "User-Agent": "claims/1.0", **more}
