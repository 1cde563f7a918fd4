"""`rollouts set image NAME CONTAINER=IMAGE...`: a new version, by its image.

The object that holds the pod template is read, changed and written back as a whole; when somebody else wrote meanwhile,
that is done again.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from rollouts.ctl import connection, family, pod_template, sending
from rollouts.ctl.connection import Cluster, CommandError
from rollouts.ctl.family import Json
from rollouts.kube.client import Request
from rollouts.kube.errors import Conflict

ATTEMPTS_MAX = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    connection.add_arguments(parser)
    parser.add_argument("what", choices=["image"], help="what to set")
    parser.add_argument(
        "words",
        nargs="+",
        metavar="NAME CONTAINER=IMAGE",
        help="the Rollout, then images by container; * means every container",
    )


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""

    async def work(cluster: Cluster) -> int:
        name, images = read(args.words)
        sent = await _set(cluster, name, images)
        if sent is None:
            print(f"{name}: it has these images already")
            return 0
        print(f"{name}: set " + ", ".join(f"{container} to {image}" for container, image in images.items()))
        print(await sending.outcome(cluster, sent))
        return 0

    return connection.run(args, work)


def read(words: Sequence[str]) -> tuple[str, Mapping[str, str]]:
    """The Rollout's name, and images by container. Raises CommandError."""
    pairs = [word for word in words if "=" in word]
    images = {container: image for container, _, image in (pair.partition("=") for pair in pairs)}
    if not images or not all(container and image for container, image in images.items()):
        raise CommandError("say which image goes where, as in: set image web web=example.com/web:2")
    return connection.name_in([word for word in words if word not in pairs] or [""]), images


async def _set(cluster: Cluster, name: str, images: Mapping[str, str]) -> Json | None:
    """Write the images; the Rollout that answers for them, or None when nothing had to be written."""
    rollout = await family.read_rollout(cluster.client, cluster.namespace, name)
    path, pointer = pod_template.holder_path(rollout), pod_template.template_path(rollout)
    for _ in range(ATTEMPTS_MAX):
        holder = await cluster.client.get(path)
        before = pod_template.at(holder, pointer)
        after = pod_template.with_images(before, images)
        if after == before:
            return None
        body = pod_template.replaced(holder, after)
        try:
            stored = await cluster.client.send(
                Request(method="PUT", path=path, query={"fieldManager": sending.FIELD_MANAGER}, body=body)
            )
        except Conflict:
            continue
        return stored if stored.get("kind") == "Rollout" else rollout
    raise CommandError(f"{name}: others wrote it at the same time, {ATTEMPTS_MAX} times in a row; try again")
