"""Step plugins to hold to the contract: those of this repository, or one that a command line names.

pytest tests/plugins/test_step_contract.py --step-plugin my_package:MyPlugin --step-config '{"summary": "x"}'
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

from rollouts.ports import Operation, StepCall, StepPlugin

EXAMPLE = Path(__file__).parents[2] / "examples" / "step-plugin" / "change_approval.py"


@dataclass(frozen=True)
class Row:
    """A plugin, a configuration that it accepts, and what makes it."""

    name: str
    config: Any
    making: Callable[[], Any]
    """A context manager whose value is the plugin, with all it needs around it."""


def a_call(key: str = "uid/0/2026-01-01T12:00:00Z", **fields: Any) -> StepCall:
    """The first question about a step."""
    values: dict[str, Any] = {
        "operation": Operation.RUN,
        "rollout": {"metadata": {"name": "web", "namespace": "shop", "uid": "uid"}, "spec": {"replicas": 1}},
        "config": {"summary": "Let it out"},
        "status": None,
        "deadline_seconds": 5.0,
    }
    return StepCall(key=key, **{**values, **fields})


def example() -> ModuleType:
    """The module of the example, which is not installed."""
    name = "change_approval"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, EXAMPLE)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@dataclass
class Changes:
    """A change system in memory."""

    address: str = ""
    state: str = "waiting"
    open: dict[str, Any] = field(default_factory=dict)
    opened: int = 0
    status_code: int = 200
    text: bytes | None = None
    """What is answered instead of a change."""


@contextmanager
def a_change_system() -> Iterator[Changes]:
    """The system that the example talks to, on loopback."""
    changes = Changes()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            changes.opened += self.path not in changes.open
            changes.open[self.path] = body
            self._answer(200)

        def do_GET(self) -> None:
            self._answer(200 if self.path in changes.open else 404)

        def do_DELETE(self) -> None:
            self._answer(200 if changes.open.pop(self.path, None) else 404)

        def _answer(self, code: int) -> None:
            said = json.dumps({"state": changes.state, "by": "ann"}).encode() if changes.text is None else changes.text
            self.send_response(code if changes.status_code == 200 else changes.status_code)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    changes.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield changes
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def the_example() -> Iterator[StepPlugin]:
    with a_change_system() as changes:
        yield example().ChangeApproval(changes.address)


@contextmanager
def named(target: str) -> Iterator[StepPlugin]:
    """What an entry point like `my_package:MyPlugin` makes."""
    module, _, name = target.partition(":")
    yield getattr(importlib.import_module(module), name)()


OWN = (Row(name="change-approval", config={"summary": "Let it out"}, making=the_example),)
