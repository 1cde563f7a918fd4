"""What every verb works on: the store, the registry, the time and the addresses, with the bookkeeping between them.

A write that makes, changes or removes an object goes through `put` and `remove`, so what follows from it follows at
once: a CustomResourceDefinition changes what is served, a Service that goes gives its address back.
"""

from __future__ import annotations

from rollouts.sandbox import conversion, errors
from rollouts.sandbox.addresses import Addresses
from rollouts.sandbox.clock import Clock, stamp, wall_clock
from rollouts.sandbox.resources import Json, Registry, Resource
from rollouts.sandbox.store import Collection, Key, Record, Store

CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")
NAMESPACES = ("", "namespaces")
SERVICES = ("", "services")


class Backend:
    """The state of one sandbox."""

    def __init__(
        self, *, store: Store, registry: Registry, addresses: Addresses | None = None, clock: Clock = wall_clock
    ) -> None:
        self.store = store
        self.registry = registry
        self.addresses = addresses or Addresses()
        self.clock = clock

    def now(self) -> str:
        """The time of the cluster, as it stands in objects."""
        return stamp(self.clock())

    def collection(self, resource: Resource) -> Collection:
        """The stored objects of a resource."""
        return self.store.collection(resource.store_key)

    def find(self, resource: Resource, key: Key) -> Record | None:
        """The current state of an object."""
        return self.store.get(resource.store_key, key)

    def require(self, resource: Resource, key: Key) -> Record:
        """The current state of an object. Raises NotFound."""
        record = self.find(resource, key)
        if record is None:
            raise errors.not_found(resource, key[1])
        return record

    def namespace_of(self, name: str) -> Json | None:
        """The Namespace object of this name."""
        record = self.store.get(NAMESPACES, ("", name))
        return None if record is None else record.object

    def put(self, resource: Resource, key: Key, obj: Json) -> Record:
        """Store a complete object, given as its resource serves it."""
        before = self.find(resource, key)
        record = self.store.put(resource.store_key, key, conversion.stored(obj, resource))
        if resource.store_key == CRDS and _is_established(record.object):
            self.registry.install(record.object)
        elif resource.store_key == SERVICES and before is not None:
            held = self.addresses.claims
            self.addresses.release(held(before.object) - held(record.object))
        return record

    def remove(self, resource: Resource, key: Key) -> Record:
        """Remove an object that is there; its last state, at the revision of its removal."""
        record = self.store.delete(resource.store_key, key)
        if resource.store_key == CRDS:
            self.registry.remove(record.object)
        elif resource.store_key == SERVICES:
            self.addresses.release(self.addresses.claims(record.object))
        return record


def _is_established(crd: Json) -> bool:
    conditions = crd.get("status", {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)
