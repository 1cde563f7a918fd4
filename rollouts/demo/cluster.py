"""The demo's cluster: the sandbox as a process of its own, or a real control plane with the sandbox's node around it.

Either way the result is a kubeconfig, and nothing else of the cluster is known to the rest. A real control plane is
taken from the folder that KUBEBUILDER_ASSETS names (etcd and kube-apiserver). Since it refuses loopback addresses in
endpoints, its pods and Services get a part of the range for benchmarks (RFC 2544), which is routed to this machine as
long as the demo runs; for that root is needed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import random
import secrets
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import aiohttp
import yaml

from rollouts.demo.processes import Child, ChildEnded, Processes, free_port, last_lines
from rollouts.sandbox.cluster import kubeconfig as described
from rollouts.sandbox.loopback import Block, claim

ASSETS = "KUBEBUILDER_ASSETS"
SERVICE_ACCOUNT_KEY = "service-accounts.key"
START_SECONDS_MAX = 90.0
RANGES = tuple(ipaddress.IPv4Network("198.18.0.0/15").subnets(new_prefix=19))


class ClusterUnusable(Exception):
    """The cluster cannot be made here; the text says what is missing."""


@asynccontextmanager
async def running(processes: Processes, folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Path]:
    """The cluster that the environment chooses: its kubeconfig, from when it can be used.

    Raises ClusterUnusable, ChildEnded or TimeoutError.
    """
    assets = environment.get(ASSETS)
    if not assets:
        yield await _start_sandbox(processes, folder)
        return
    with _routed() as block:
        yield await _start_real(processes, folder, Path(assets), block)


async def _start_sandbox(processes: Processes, folder: Path) -> Path:
    path = folder / "kubeconfig"
    pods = folder / "logs" / "pods"
    pods.mkdir()
    command = (sys.executable, "-m", "rollouts", "sandbox", "up", f"--kubeconfig={path}", f"--logs={pods}")
    child = await processes.start("sandbox", command)
    await processes.until(child, lambda: path.exists() and path.stat().st_size > 0, seconds_max=START_SECONDS_MAX)
    return path


async def _start_real(processes: Processes, folder: Path, assets: Path, block: Block) -> Path:
    for name in ("etcd", "kube-apiserver"):
        if not os.access(assets / name, os.X_OK):
            raise ClusterUnusable(f"{ASSETS}={assets} has no program {name}")
    etcd, peer, secure = free_port(), free_port(), free_port()
    await processes.start("etcd", _etcd(assets, folder, etcd, peer))
    token = _credentials(folder)
    server = await processes.start("kube-apiserver", _api_server(assets, folder, etcd, secure, block.services))
    path = await _until_ready(server, f"https://127.0.0.1:{secure}", token, folder)
    node = (sys.executable, "-m", "rollouts.demo.node", str(path), str(block.pods), str(folder / "logs"))
    ready = folder / "logs" / "node.log"
    child = await processes.start("node", node)
    await processes.until(child, lambda: "ready" in ready.read_text(), seconds_max=START_SECONDS_MAX)
    return path


def _credentials(folder: Path) -> str:
    """Make the key for service accounts and an administrator's token; the token."""
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    _run("openssl", "genrsa", "-out", str(folder / SERVICE_ACCOUNT_KEY), "2048")
    return token


@contextmanager
def _routed() -> Iterator[Block]:
    """Addresses that programs of this machine can listen on, ours for as long as this lasts."""
    for network in random.sample(RANGES, len(RANGES)):
        route = ("local", str(network), "dev", "lo")
        _run("ip", "route", "replace", *route)  # one may be left from a demo that was killed
        with suppress(OSError):  # another demo has this range
            block = claim((network,))
            break
    else:
        raise ClusterUnusable(f"all parts of {RANGES[0].supernet(new_prefix=15)} are in use")
    try:
        yield block
    finally:
        block.close()
        _run("ip", "route", "del", *route)


def _run(*command: str) -> None:
    """Run a command. Raises ClusterUnusable with what it said when it fails."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = (getattr(error, "stderr", "") or str(error)).strip()
        raise ClusterUnusable(f"{' '.join(command)}: {why}") from error


def _etcd(assets: Path, folder: Path, client: int, peer: int) -> list[str]:
    return [
        str(assets / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",
    ]


def _api_server(assets: Path, folder: Path, etcd: int, secure: int, services: ipaddress.IPv4Network) -> list[str]:
    key = folder / SERVICE_ACCOUNT_KEY
    return [
        str(assets / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--secure-port={secure}",
        f"--cert-dir={folder}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        f"--service-cluster-ip-range={services}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--disable-admission-plugins=ServiceAccount",
    ]


async def _until_ready(server: Child, url: str, token: str, folder: Path) -> Path:
    """Wait until the API server serves its first namespaces, and write the kubeconfig."""
    certificate = folder / "apiserver.crt"
    headers = {"Authorization": f"Bearer {token}"}
    async with asyncio.timeout(START_SECONDS_MAX), aiohttp.ClientSession(headers=headers) as session:
        while not (certificate.exists() and await _serves(session, url, certificate)):
            if server.process.returncode is not None:
                raise ChildEnded(f"kube-apiserver ended\n{last_lines(server.log)}")
            await asyncio.sleep(0.2)
    document = described(url, token)
    document["clusters"][0]["cluster"]["certificate-authority"] = str(certificate)
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    path.chmod(0o600)
    return path


async def _serves(session: aiohttp.ClientSession, url: str, certificate: Path) -> bool:
    try:
        tls = ssl.create_default_context(cafile=certificate)
        for path in ("/readyz", "/api/v1/namespaces/default"):
            async with session.get(f"{url}{path}", ssl=tls) as answer:
                if answer.status != 200:
                    return False
    except (aiohttp.ClientError, OSError):  # not listening, or its certificate is not complete yet
        return False
    return True
