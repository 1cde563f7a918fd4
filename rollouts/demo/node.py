"""`python -m rollouts.demo.node KUBECONFIG POD_RANGE LOGS`: controllers, node and balancer around any API.

The demo runs it where the control plane is a real one; `rollouts sandbox up` has the same in its own process. It says
`ready` when it is, and leaves on SIGTERM.
"""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import sys
from pathlib import Path

from rollouts.sandbox.client import Connection
from rollouts.sandbox.workloads import Workloads


async def serve(kubeconfig: Path, pod_range: ipaddress.IPv4Network, logs: Path) -> None:
    """Run the node until SIGINT or SIGTERM."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with Workloads(Connection.from_kubeconfig(kubeconfig), pod_range=pod_range, logs=logs):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await stopping.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), ipaddress.IPv4Network(sys.argv[2]), Path(sys.argv[3])))
