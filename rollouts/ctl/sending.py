"""Sending what a verb means, and seeing what came of it.

The status is patched before the spec, as the public plugin does it; on a cluster whose CRD has no status subresource
both go to the object in one patch. Nothing is sent twice: patches name only what they change, so they meet no conflict.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from typing import assert_never

from rollouts.api import conditions as c
from rollouts.api import parse
from rollouts.api.rollout import Rollout
from rollouts.core import conditions
from rollouts.ctl import connection, family, summary
from rollouts.ctl.connection import Cluster, CommandError
from rollouts.ctl.family import Json
from rollouts.ctl.steering import Answer, Nothing, Refused, Steer
from rollouts.kube.client import MERGE_PATCH, KubeClient, Request
from rollouts.kube.errors import NotFound
from rollouts.kube.kinds import ROLLOUTS

FIELD_MANAGER = "kubectl-rollouts"
ANSWER_SECONDS_MAX = 3.0  # the controller usually answers within one
LOOK_AGAIN_SECONDS = 0.1


def run(args: argparse.Namespace, verb: Callable[[Rollout], Answer]) -> int:
    """The whole of a command that is one verb: its exit code."""

    async def work(cluster: Cluster) -> int:
        name = connection.name_in(args.name)
        rollout = parse.parse_rollout(await family.read_rollout(cluster.client, cluster.namespace, name)).value
        answer = verb(rollout)
        match answer:
            case Refused():
                raise CommandError(f"{name}: {answer.why}")
            case Nothing():
                print(f"{name}: {answer.why}")
            case Steer():
                print(f"{name}: {answer.said}")
                print(await outcome(cluster, await send(cluster.client, rollout, answer)))
            case _:
                assert_never(answer)
        return 0

    return connection.run(args, work)


async def send(client: KubeClient, rollout: Rollout, steer: Steer) -> Json:
    """Send the patches; the Rollout as stored after them. Raises ApiError."""
    path = ROLLOUTS.path(rollout.meta.namespace, rollout.meta.name)
    stored: Json = rollout.raw
    if steer.status:
        try:
            stored = await _patch(client, f"{path}/status", {"status": steer.status})
        except NotFound:
            both = {"status": steer.status, **({"spec": steer.spec} if steer.spec else {})}
            return await _patch(client, path, both)
    if steer.spec:
        stored = await _patch(client, path, {"spec": steer.spec})
    return stored


async def outcome(cluster: Cluster, sent: Json) -> str:
    """What the Rollout says of itself once the controller has answered, in a sentence."""
    key = family.key_of(sent)
    loop = asyncio.get_running_loop()
    end = loop.time() + ANSWER_SECONDS_MAX
    while loop.time() < end:
        stored = await family.read_rollout(cluster.client, key.namespace, key.name)
        rollout = parse.parse_rollout(stored).value
        if stored.get("status") != sent.get("status") and summary.is_observed(rollout):
            return f"{key.name}: {_says(rollout)}"
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    follow = cluster.command(f"status {key.name} --watch")
    return f"{key.name}: no answer from the controller within {ANSWER_SECONDS_MAX:.0f} s; `{follow}` goes on waiting"


def _says(rollout: Rollout) -> str:
    said = summary.said(rollout)
    ready = conditions.get(rollout.status.conditions, c.READY)
    words = ready.message if ready is not None and ready.message else said.message
    return f"{said.phase}: {words}" if words else said.phase


async def _patch(client: KubeClient, path: str, patch: Json) -> Json:
    body = json.loads(json.dumps(patch))
    query = {"fieldManager": FIELD_MANAGER}
    return await client.send(Request(method="PATCH", path=path, query=query, body=body, content_type=MERGE_PATCH))
