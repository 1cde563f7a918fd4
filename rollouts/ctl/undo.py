"""`rollouts undo NAME [--to-revision N]`: the pod template of an earlier revision is wanted again.

That is a new update as any other: its steps run, unless the rollback window lets it skip them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rollouts.api import template as templates
from rollouts.ctl import connection, family, pod_template, sending
from rollouts.ctl.connection import Cluster, CommandError
from rollouts.ctl.family import Json, revision_of
from rollouts.kube.client import Request
from rollouts.kube.kinds import REPLICA_SETS

JSON_PATCH = "application/json-patch+json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    connection.add_arguments(parser)
    connection.add_name(parser)
    parser.add_argument("--to-revision", type=int, default=0, metavar="N", help="the revision (default: the previous)")


def run(args: argparse.Namespace) -> int:
    """The command; its exit code."""

    async def work(cluster: Cluster) -> int:
        name = connection.name_in(args.name)
        seen = await family.read_family(cluster.client, cluster.namespace, name, kinds=(REPLICA_SETS,))
        why = seen.unread.get(REPLICA_SETS.plural)
        if why is not None:
            raise CommandError(f"{name}: its ReplicaSets cannot be read: {why}")
        chosen = choose(seen.of(REPLICA_SETS, seen.rollout), revision=args.to_revision)
        wanted = pod_template.authored(chosen)
        path, pointer = pod_template.holder_path(seen.rollout), pod_template.template_path(seen.rollout)
        if templates.is_same(wanted, pod_template.at(await cluster.client.get(path), pointer)):
            print(f"{name}: revision {revision_of(chosen)} is what it wants already")
            return 0
        patch = [{"op": "replace", "path": pointer, "value": wanted}]
        query = {"fieldManager": sending.FIELD_MANAGER}
        request = Request(method="PATCH", path=path, query=query, body=patch, content_type=JSON_PATCH)
        stored = await cluster.client.send(request)
        print(f"{name}: the template of revision {revision_of(chosen)} is wanted again")
        print(await sending.outcome(cluster, stored if stored.get("kind") == "Rollout" else seen.rollout))
        return 0

    return connection.run(args, work)


def choose(replica_sets: Sequence[Json], *, revision: int) -> Json:
    """The ReplicaSet of a revision; 0 means the one before the latest. Raises CommandError when there is none."""
    ordered = sorted(replica_sets, key=revision_of, reverse=True)
    if revision:
        found = next((each for each in ordered if revision_of(each) == revision), None)
    else:
        found = ordered[1] if len(ordered) > 1 else None
    if found is not None:
        return found
    known = ", ".join(str(revision_of(each)) for each in ordered) or "none"
    if revision:
        raise CommandError(f"there is no revision {revision}; there are: {known}")
    raise CommandError(f"there is no earlier revision to go back to; there are: {known}")
