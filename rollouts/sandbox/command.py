"""`rollouts sandbox up`: a cluster on this machine, in the foreground, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from rollouts.sandbox.cluster import Sandbox

KUBECONFIG_DEFAULT = "sandbox.kubeconfig"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `rollouts sandbox`."""
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    action = actions.add_parser("up", help="run a cluster in the foreground", description="Run a cluster until Ctrl-C.")
    action.add_argument(
        "--kubeconfig",
        type=Path,
        default=Path(KUBECONFIG_DEFAULT),
        metavar="PATH",
        help="where to write the kubeconfig",
    )
    action.add_argument("--port", type=int, default=0, help="the API's port on 127.0.0.1 (default: a free one)")
    action.add_argument("--rbac", action="store_true", help="judge requests by Roles and bindings")
    action.add_argument("--api-only", action="store_true", help="run no controllers, no node and no balancer")
    action.add_argument("--crds", type=Path, metavar="DIR", help="install the CustomResourceDefinitions of a folder")
    action.add_argument("--logs", type=Path, metavar="DIR", help="keep the output of the pods' programs in a folder")


def run(args: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    gc.callbacks.append(spare_what_lasts)
    try:
        asyncio.run(
            up(
                kubeconfig=args.kubeconfig.absolute(),
                port=args.port,
                rbac=args.rbac,
                workloads=not args.api_only,
                crds=args.crds,
                logs=args.logs,
            )
        )
    except OSError as failure:
        sys.stderr.write(f"rollouts sandbox: {failure}\n")
        return 1
    return 0


def spare_what_lasts(phase: str, info: Mapping[str, int]) -> None:
    """Never look again for garbage among what survived a full collection: with a million stored values each would take
    a second, in which the cluster stands still. A stored object that goes is freed all the same."""
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


async def up(
    *,
    kubeconfig: Path,
    port: int = 0,
    rbac: bool = False,
    workloads: bool = True,
    crds: Path | None = None,
    logs: Path | None = None,
) -> None:
    """Run a sandbox until SIGINT or SIGTERM; its kubeconfig exists from the moment that the API answers.

    Raises OSError when an address or a file cannot be had.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with Sandbox(port=port, rbac=rbac, workloads=workloads, logs=logs) as sandbox:
        if crds is not None:
            sandbox.install(_manifests(crds))
        sandbox.kubeconfig(kubeconfig)
        sys.stdout.write(f"The cluster answers at {sandbox.url}\nexport KUBECONFIG={kubeconfig}\n")
        if rbac:
            address = sandbox.url.replace("://", f"://admin:{sandbox.token}@")
            sys.stdout.write(f"kubectl keeps tokens to itself without TLS; give it --server {address}\n")
        sys.stdout.flush()
        await stopping.wait()


def _manifests(folder: Path) -> list[Path]:
    """The objects of a folder; what only kustomize reads is none."""
    return sorted(path for path in folder.glob("*.y*ml") if path.stem != "kustomization")
