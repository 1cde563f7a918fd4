"""A Rollout and everything that belongs to it, read at once and kept as the JSON the API server gave.

Whose an object is follows from the uids in its ownerReferences, never from names. A kind the cluster does not serve has
no objects; a kind that could not be read is named in `unread` with the reason, because nobody knows what there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rollouts.api import parse
from rollouts.api.rollout import CanaryStrategy, Rollout
from rollouts.api.traffic import used_routers
from rollouts.core import naming, resolved, roles
from rollouts.core.observed import Unreadable
from rollouts.ctl.connection import CommandError
from rollouts.kube.client import KubeClient
from rollouts.kube.errors import ApiError, NotFound
from rollouts.kube.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    EVENTS,
    EXPERIMENTS,
    HASH_LABEL,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    ROUTED,
    SERVICES,
    WORKLOADS,
    Key,
    Kind,
)
from rollouts.lib import timestamps

Json = Mapping[str, Any]

LABELLED = (REPLICA_SETS, PODS)
PARTS = (REPLICA_SETS, PODS, ANALYSIS_RUNS, EXPERIMENTS)
TEMPLATES = (ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES)
BEGINNING = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One Rollout, and the objects of its namespace that may be its own, by plural of their kind."""

    rollout: Json
    objects: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)
    workload: Json | Unreadable | None = None
    """What spec.workloadRef names. None: nothing, or what does not exist."""
    events: tuple[Json, ...] = ()
    """Events about the Rollout, oldest first."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Plural of a kind -> why its objects could not be read."""

    def all(self, kind: Kind) -> tuple[Json, ...]:
        """Every object of a kind, oldest first."""
        return self.objects.get(kind.plural, ())

    def of(self, kind: Kind, owner: Json) -> tuple[Json, ...]:
        """The objects of a kind that `owner` owns, oldest first."""
        return tuple(each for each in self.all(kind) if is_owned(each, owner))


async def read_rollout(client: KubeClient, namespace: str, name: str) -> Json:
    """The Rollout. Raises CommandError when there is none, and ApiError."""
    try:
        return await client.get(ROLLOUTS.path(namespace, name))
    except NotFound as error:
        if "could not find the requested resource" in error.message:
            raise CommandError("the cluster serves no Rollouts: install the CRDs (kubectl apply -f crds/)") from None
        raise CommandError(
            f"there is no Rollout {name!r} in namespace {namespace!r}; `kubectl get rollouts -A` shows all there are"
        ) from None


async def read_family(client: KubeClient, namespace: str, name: str, kinds: Iterable[Kind] = PARTS) -> Family:
    """The Rollout and these kinds of its namespace. Raises CommandError when there is none, and ApiError."""
    return await _read(client, await read_rollout(client, namespace, name), tuple(kinds))


async def read_all(client: KubeClient, namespace: str, name: str) -> Family:
    """The Rollout and all that a decision about it may look at. Raises CommandError for none, and ApiError."""
    rollout = await read_rollout(client, namespace, name)
    return await _read(client, rollout, (*PARTS, *TEMPLATES, *_around(parse.parse_rollout(rollout).value)))


def _around(rollout: Rollout) -> tuple[Kind, ...]:
    """Kinds of which the strategy names objects."""
    strategy = rollout.spec.strategy
    services = (SERVICES,) if strategy is not None and roles.named(strategy) else ()
    is_routed = isinstance(strategy, CanaryStrategy) and bool(used_routers(strategy.traffic_routing))
    return (*services, *(ROUTED if is_routed else ()))


async def _read(client: KubeClient, rollout: Json, wanted: tuple[Kind, ...]) -> Family:
    namespace = key_of(rollout).namespace
    workload, answers = await asyncio.gather(
        _workload(client, rollout),
        asyncio.gather(*(_listed(client, kind, namespace) for kind in wanted), _events(client, rollout)),
    )
    found = dict(zip((*(kind.plural for kind in wanted), EVENTS.plural), answers, strict=True))
    read = {plural: answer for plural, answer in found.items() if isinstance(answer, tuple)}
    return Family(
        rollout=rollout,
        objects=read,
        workload=workload,
        events=read.get(EVENTS.plural, ()),
        unread={plural: answer for plural, answer in found.items() if isinstance(answer, str)},
    )


def workload_kind(rollout: Json) -> Kind | None:
    """The kind that spec.workloadRef names; None: there is no reference, or to a kind that has no pod template."""
    reference = (rollout.get("spec") or {}).get("workloadRef")
    if not isinstance(reference, Mapping) or not reference.get("name"):
        return None
    named = resolved.group_of(str(reference.get("apiVersion", ""))), str(reference.get("kind", ""))
    return next((kind for kind in WORKLOADS if (kind.group, kind.name) == named), None)


async def _workload(client: KubeClient, rollout: Json) -> Json | Unreadable | None:
    kind = workload_kind(rollout)
    if kind is None:
        return None
    try:
        return await client.get(kind.path(key_of(rollout).namespace, str(rollout["spec"]["workloadRef"]["name"])))
    except NotFound:
        return None
    except ApiError as error:
        return Unreadable(why=error.message)


async def _listed(client: KubeClient, kind: Kind, namespace: str) -> tuple[Json, ...] | str:
    """The objects of a kind, oldest first; or why they cannot be read."""
    query = {"labelSelector": HASH_LABEL} if kind in LABELLED else {}
    try:
        answer = await client.get(kind.path(namespace if kind.is_namespaced else ""), query=query)
    except NotFound:
        return ()  # a collection is missing only where its kind is not installed
    except ApiError as error:
        return error.message
    # items of a list do not say their kind
    items = ({"apiVersion": kind.api_version, "kind": kind.name, **item} for item in answer.get("items") or ())
    return tuple(sorted(items, key=lambda each: (created_at(each) or BEGINNING, name_of(each))))


async def _events(client: KubeClient, rollout: Json) -> tuple[Json, ...] | str:
    """The Events about the Rollout, oldest first; or why they cannot be read."""
    key = key_of(rollout)
    selector = f"involvedObject.kind={ROLLOUTS.name},involvedObject.name={key.name}"
    try:
        answer = await client.get(EVENTS.path(key.namespace), query={"fieldSelector": selector})
    except ApiError as error:
        return error.message
    mine = [each for each in answer.get("items") or () if each.get("involvedObject", {}).get("uid") == uid_of(rollout)]
    return tuple(sorted(mine, key=lambda event: (happened_at(event) or BEGINNING, _written(event))))


def _written(stored: Json) -> int:
    """Orders what happened in one second; only a hint, since the version is opaque."""
    version = str(stored["metadata"].get("resourceVersion", ""))
    return int(version) if version.isascii() and version.isdigit() else 0


def key_of(stored: Json) -> Key:
    """Namespace and name."""
    return Key(str(stored["metadata"].get("namespace", "")), name_of(stored))


def name_of(stored: Json) -> str:
    """Its name."""
    return str(stored["metadata"]["name"])


def uid_of(stored: Json) -> str:
    """Its uid."""
    return str(stored["metadata"].get("uid", ""))


def is_owned(stored: Json, owner: Json) -> bool:
    """Whether any of its owner references means `owner`."""
    return any(each.get("uid") == uid_of(owner) for each in stored["metadata"].get("ownerReferences") or ())


def annotation(stored: Json, key: str) -> str:
    """An annotation; empty when it is not there."""
    return str((stored["metadata"].get("annotations") or {}).get(key, ""))


def hash_of(stored: Json) -> str:
    """The version it belongs to; empty when it carries no mark."""
    return str((stored["metadata"].get("labels") or {}).get(naming.POD_HASH_LABEL, ""))


def revision_of(stored: Json) -> int:
    """The revision it belongs to; 0 when it does not say."""
    text = annotation(stored, naming.REVISION)
    return int(text) if text.isascii() and text.isdigit() else 0


def created_at(stored: Json) -> datetime | None:
    """When it was made."""
    return timestamps.parse(str(stored["metadata"].get("creationTimestamp", "")))


def happened_at(event: Json) -> datetime | None:
    """When an Event happened last, in whichever of its forms it says so."""
    series = event.get("series") or {}
    said = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return timestamps.parse(str(said or "")) or created_at(event)
