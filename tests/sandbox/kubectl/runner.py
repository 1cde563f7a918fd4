"""kubectl as the tests run it: a real binary, against one cluster, in one namespace, with a cache of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import yaml

CALL_SECONDS_MAX = 60
LINE_SECONDS_MAX = 30


def binaries() -> list[Path]:
    """Every kubectl to prove: the locked one of this environment, and the machine's own where it is another."""
    own = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    others = os.pathsep.join(part for part in os.get_exec_path() if Path(part) != Path(sys.executable).parent)
    found = [own, shutil.which("kubectl", path=others)]
    return list(dict.fromkeys(Path(each).resolve() for each in found if each))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """One kubectl; calling it runs it and gives its standard output."""

    program: Path
    kubeconfig: Path
    cache: Path
    namespace: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *args: str, stdin: str | None = None, code: int = 0) -> str:
        """Run it; the exit code must be the one expected. Standard output, or standard error when it fails."""
        done = subprocess.run(
            self._command(args),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS_MAX,
            env=self._environment(),
            check=False,
        )
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *args: str, stdin: str | None = None) -> Any:
        """What `-o json` prints."""
        return json.loads(self(*args, "-o", "json", stdin=stdin))

    def warns(self, *args: str, stdin: str | None = None) -> str:
        """What a successful call prints on standard error."""
        done = subprocess.run(
            self._command(args), input=stdin, capture_output=True, text=True, timeout=CALL_SECONDS_MAX,
            env=self._environment(), check=True,
        )  # fmt: skip
        return done.stderr

    def apply(self, *objects: Mapping[str, Any], options: tuple[str, ...] = (), code: int = 0) -> str:
        """Apply objects given as values."""
        text = yaml.safe_dump_all(objects)
        return self("apply", *options, "-f", "-", stdin=text, code=code)

    def within(self, namespace: str) -> Kubectl:
        """The same kubectl in another namespace."""
        return replace(self, namespace=namespace)

    def towards(self, kubeconfig: Path) -> Kubectl:
        """The same kubectl on another cluster."""
        return replace(self, kubeconfig=kubeconfig)

    def bearing(self, token: str) -> Kubectl:
        """The same kubectl as whom this token stands for.

        Without TLS kubectl sends no token of a kubeconfig, but it sends the credentials of a URL.
        """
        config = yaml.safe_load(self.kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        config["users"][0]["user"] = {"token": token}
        scheme, _, address = cluster["server"].partition("://")
        if scheme == "http":
            cluster["server"] = f"http://bearer:{token}@{address.rpartition('@')[2]}"
        path = self.cache / f"kubeconfig-{len(list(self.cache.glob('kubeconfig-*')))}"
        path.write_text(yaml.safe_dump(config))
        return self.towards(path)

    def editing_with(self, editor: Path) -> Kubectl:
        """The same kubectl with this program as the editor."""
        return replace(self, environment={**self.environment, "KUBE_EDITOR": str(editor)})

    @contextmanager
    def following(self, *args: str) -> Iterator[Lines]:
        """Run it in the background and read its lines as they come."""
        with subprocess.Popen(
            self._command(args), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=self._environment()
        ) as process:
            assert process.stdout is not None
            lines = Lines()
            reader = threading.Thread(target=lines.read, args=(process.stdout,))
            reader.start()
            try:
                yield lines
            finally:
                process.terminate()
                reader.join()

    def _command(self, args: tuple[str, ...]) -> list[str]:
        return [str(self.program), f"--cache-dir={self.cache}", f"--namespace={self.namespace}", *args]

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.cache), "KUBECONFIG": str(self.kubeconfig)} | dict(
            self.environment
        )


class Lines:
    """The lines of a running program."""

    def __init__(self) -> None:
        self._queue: Queue[str] = Queue()

    def read(self, stream: Any) -> None:
        """Collect lines until the stream ends."""
        for line in stream:
            self._queue.put(line.rstrip("\n"))

    def until(self, text: str) -> list[str]:
        """The lines up to and with the first that contains the text; fails when none comes."""
        seen: list[str] = []
        while not seen or text not in seen[-1]:
            try:
                seen.append(self._queue.get(timeout=LINE_SECONDS_MAX))
            except Empty:
                raise AssertionError(f"no line with {text!r} after {seen}") from None
        return seen
