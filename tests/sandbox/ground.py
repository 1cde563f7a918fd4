"""The cluster that a claim is stated about: the sandbox, or a real kube-apiserver with etcd.

`KUBEBUILDER_ASSETS` names a folder with `etcd` and `kube-apiserver` (the envtest convention) and chooses the real one.
Both run apart from the test (a thread, or processes), so claims may use blocking clients and programs.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from rollouts.sandbox.cluster import Sandbox, kubeconfig

START_SECONDS_MAX = 120.0
ASSETS = "KUBEBUILDER_ASSETS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A running cluster: its address, an administrator's token and kubeconfig, and the certificate to trust, if any."""

    url: str
    token: str
    kubeconfig: Path
    certificate: Path | None = None

    @property
    def is_real(self) -> bool:
        """Whether it is a real kube-apiserver."""
        return self.certificate is not None


@contextmanager
def cluster(folder: Path) -> Iterator[Ground]:
    """The cluster that the environment chooses, with its files in this folder."""
    assets = os.environ.get(ASSETS)
    with real_cluster(Path(assets), folder) if assets else sandbox_cluster(folder) as ground:
        yield ground


@contextmanager
def sandbox_cluster(folder: Path, **options: Any) -> Iterator[Ground]:
    """A sandbox in a thread with a loop of its own; `options` are those of `Sandbox`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox")
    thread.start()

    async def start() -> Sandbox:
        sandbox = Sandbox(**options)
        await sandbox.start()
        return sandbox

    sandbox = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield Ground(url=sandbox.url, token=sandbox.token, kubeconfig=sandbox.kubeconfig(folder / "kubeconfig"))
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def real_cluster(assets: Path, folder: Path) -> Iterator[Ground]:
    """etcd and kube-apiserver of this folder of programs, on free ports."""
    peer, client, secure = free_port(), free_port(), free_port()
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    key = folder / "service-accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    with ExitStack() as stack:
        etcd = [
            str(assets / "etcd"),
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
        ]
        stack.enter_context(_program(etcd, folder / "etcd.log"))
        api_server = [
            str(assets / "kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{client}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={secure}",
            f"--cert-dir={folder}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--disable-admission-plugins=ServiceAccount",
        ]
        stack.enter_context(_program(api_server, folder / "kube-apiserver.log"))
        ground = _described(f"https://127.0.0.1:{secure}", token, folder)
        _wait_until_ready(ground)
        yield ground


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _described(url: str, token: str, folder: Path) -> Ground:
    certificate = folder / "apiserver.crt"
    document = kubeconfig(url, token)
    document["clusters"][0]["cluster"]["certificate-authority"] = str(certificate)
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return Ground(url=url, token=token, kubeconfig=path, certificate=certificate)


@contextmanager
def _program(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield
        finally:
            process.terminate()


def _wait_until_ready(ground: Ground) -> None:
    give_up_at = time.monotonic() + START_SECONDS_MAX
    headers = {"Authorization": f"Bearer {ground.token}"}
    while time.monotonic() < give_up_at:
        try:
            ready = requests.get(f"{ground.url}/readyz", headers=headers, verify=str(ground.certificate), timeout=5)
            namespace = f"{ground.url}/api/v1/namespaces/default"
            if ready.ok and requests.get(namespace, headers=headers, verify=str(ground.certificate), timeout=5).ok:
                return
        except (requests.ConnectionError, OSError):  # not listening yet, or no certificate yet
            pass
        time.sleep(0.2)
    raise TimeoutError(f"no kube-apiserver after {START_SECONDS_MAX} seconds; see {ground.kubeconfig.parent}")
