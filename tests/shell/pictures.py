"""What the core is shown of a Rollout, out of a cache that a test fills."""

from __future__ import annotations

from typing import Any

from rollouts.core.observed import Seen
from rollouts.kube.kinds import Key, Kind
from rollouts.routers.nginx import Nginx
from rollouts.runtime.cache import Cache
from rollouts.runtime.readings import Readings
from rollouts.runtime.routes import Roads, Routers, Routes
from rollouts.runtime.snapshot import NOTHING, Read, Snapshots
from tests.shell.objects import entry

WEB = Key("default", "web")
NGINX: Routers = {"nginx": Nginx()}


def a_cache(*objects: dict[str, Any]) -> Cache:
    """A copy of a cluster with these objects."""
    cache = Cache()
    for each in objects:
        cache.put(entry(each))
    return cache


def snapshots_of(cache: Cache, unreadable: dict[Kind, str] | None = None, routers: Routers = NGINX) -> Snapshots:
    """Snapshots of a cache, while these kinds cannot be seen."""
    why = ({} if unreadable is None else unreadable).get
    routes = Routes(routers, cache, unreadable=why)
    return Snapshots(cache, Readings(), routes, unreadable=why, keeps_verbs=lambda: True, instance_id="")


def picture_of(
    *objects: dict[str, Any],
    unreadable: dict[Kind, str] | None = None,
    routers: Routers = NGINX,
    read: Read = NOTHING,
) -> tuple[Seen, Roads]:
    """What the core sees of the Rollout `web` among these objects, and its roads."""
    found = snapshots_of(a_cache(*objects), unreadable, routers).rollout(WEB, read=read)
    assert found is not None
    return found


def seen_of(
    *objects: dict[str, Any],
    unreadable: dict[Kind, str] | None = None,
    routers: Routers = NGINX,
    read: Read = NOTHING,
) -> Seen:
    """What the core sees of the Rollout `web` among these objects."""
    return picture_of(*objects, unreadable=unreadable, routers=routers, read=read)[0]
