"""Scrape targets for a Prometheus without Kubernetes discovery: a file_sd file that follows the pods.

Debian's Prometheus is built without `kubernetes_sd_configs`; every Prometheus reads files. Listed are the pods that run
a program here, and those annotated `prometheus.io/scrape: "true"`, with their address and the port that
`prometheus.io/port` or else the first declared container port names. Each pod is one target with the labels
`namespace`, `pod` and `service`, and all its own labels as Prometheus writes their names
(`rollouts-pod-template-hash` becomes `rollouts_pod_template_hash`). A pod of several Services carries the name of the
one with the most general selector, which stays the same while narrower ones (stable, canary) move on.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from rollouts.sandbox.client import ApiClient, Connection
from rollouts.sandbox.controllers.pods import is_finished
from rollouts.sandbox.controllers.selection import labels_of, matches_all
from rollouts.sandbox.informer import Informers
from rollouts.sandbox.kinds import PODS, SERVICES, Json
from rollouts.sandbox.node.script import annotation

SCRAPE, PORT = "prometheus.io/scrape", "prometheus.io/port"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")
SETTLE_SECONDS = 0.1  # several pods change together; Prometheus rereads the file each time


def targets(pods: Iterable[Json], services: Iterable[Json]) -> list[Json]:
    """The content of the file: one group for each pod that is to be scraped and has an address."""
    known = sorted(services, key=lambda one: (len(one["spec"].get("selector") or ()), one["metadata"]["name"]))
    found = [_target(pod, known) for pod in pods if _is_scraped(pod)]
    return sorted(found, key=lambda group: (group["labels"]["namespace"], group["labels"]["pod"]))


def _is_scraped(pod: Json) -> bool:
    wanted = (pod["metadata"].get("annotations") or {}).get(SCRAPE, "true" if annotation(pod, "program") else "")
    return (
        wanted == "true" and bool(_port(pod)) and bool((pod.get("status") or {}).get("podIP")) and not is_finished(pod)
    )


def _port(pod: Json) -> str:
    if chosen := (pod["metadata"].get("annotations") or {}).get(PORT):
        return str(chosen)
    for container in pod["spec"]["containers"]:
        for declared in container.get("ports") or ():
            return str(declared["containerPort"])
    return ""


def _target(pod: Json, services: Iterable[Json]) -> Json:
    metadata, labels = pod["metadata"], labels_of(pod)
    service = next(
        (
            one["metadata"]["name"]
            for one in services
            if one["metadata"]["namespace"] == metadata["namespace"]
            and (selector := one["spec"].get("selector"))
            and matches_all(selector, labels)
        ),
        "",
    )
    told = {_NOT_IN_NAMES.sub("_", name): value for name, value in labels.items()}
    told |= {"namespace": metadata["namespace"], "pod": metadata["name"], "service": service}
    return {"targets": [f"{pod['status']['podIP']}:{_port(pod)}"], "labels": told}


async def follow(connection: Connection, path: Path) -> None:
    """Keep the file up to date until cancelled. It is replaced as a whole, and only when its content changes."""
    changed = asyncio.Event()
    async with ApiClient(connection) as api:
        informers = Informers(api)
        for kind in (PODS, SERVICES):
            informers.of(kind).on_change(lambda old, new: changed.set())
        try:
            await informers.start()
            changed.set()
            written: list[Json] | None = None
            while True:
                await changed.wait()
                changed.clear()
                content = targets(informers.of(PODS), informers.of(SERVICES))
                if content != written:
                    _replace(path, json.dumps(content, indent=1))
                    written = content
                await asyncio.sleep(SETTLE_SECONDS)
        finally:
            await informers.stop()


def _replace(path: Path, text: str) -> None:
    """Prometheus never sees half a file."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    os.replace(fresh, path)
