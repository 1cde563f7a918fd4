"""What every verb works on: the store, the registry, the time and the addresses, with the bookkeeping between them.

A write that makes, changes or removes an object goes through `put` and `remove`, so what follows from it follows at
once: a CustomResourceDefinition changes what is served, a Service that goes gives its address back.
"""

from __future__ import annotations

from rollouts.sandbox import conversion, errors
from rollouts.sandbox.addresses import Addresses
from rollouts.sandbox.clock import Clock, stamp, wall_clock
from rollouts.sandbox.naming import is_established, judged
from rollouts.sandbox.resources import Json, Registry, Resource
from rollouts.sandbox.store import Collection, Key, Record, Store

CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")
CRDS_RESOURCE = ("apiextensions.k8s.io", "v1", "customresourcedefinitions")
CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
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
        if resource.store_key == CRDS and not (before is not None and is_established(before.object)):
            obj = judged(obj, self._siblings(obj), now=self.now())
        record = self.store.put(resource.store_key, key, conversion.stored(obj, resource))
        if resource.store_key == CRDS and is_established(record.object):
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
            self._accept_waiting(resource, record.object)
        elif resource.store_key == SERVICES:
            self.addresses.release(self.addresses.claims(record.object))
        elif resource.custom is not None and not self.collection(resource):
            self._let_definition_go(resource)
        return record

    def custom_resource(self, crd: Json) -> Resource | None:
        """A resource that a CustomResourceDefinition defines, in any of its versions."""
        spec = crd["spec"]
        found = (self.registry.find(spec["group"], v["name"], spec["names"]["plural"]) for v in spec["versions"])
        return next(filter(None, found), None)

    def _let_definition_go(self, custom: Resource) -> None:
        """The last object of a definition is gone: if the definition waited for that, it waits no more."""
        definitions = self.registry.find(*CRDS_RESOURCE)
        assert definitions is not None
        key = ("", custom.qualified_name)
        record = self.find(definitions, key)
        finalizers = [] if record is None else record.object["metadata"].get("finalizers") or []
        if record is None or CLEANUP_FINALIZER not in finalizers:
            return
        left = [name for name in finalizers if name != CLEANUP_FINALIZER]
        if left:
            meta = {**record.object["metadata"], "finalizers": left}
            self.put(definitions, key, {**record.object, "metadata": meta})
        else:
            self.remove(definitions, key)

    def _siblings(self, crd: Json) -> list[Json]:
        """The other definitions of the same group."""
        name, group = crd["metadata"]["name"], crd["spec"]["group"]
        stored = [record.object for _, record in self.store.collection(CRDS).records()]
        return [other for other in stored if other["spec"]["group"] == group and other["metadata"]["name"] != name]

    def _accept_waiting(self, resource: Resource, gone: Json) -> None:
        """Serve definitions whose names a definition has left."""
        for waiting in self._siblings(gone):
            if is_established(waiting):
                continue
            found = judged(waiting, self._siblings(waiting), now=self.now())
            if is_established(found):
                self.put(resource, ("", waiting["metadata"]["name"]), found)
