"""Who owns whom: the graph that garbage collection walks. Pure bookkeeping over objects as their caches report them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from rollouts.sandbox.kinds import Json, Key, Kind, is_terminating, key_of, uid_of

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
GONE_KEPT_MAX = 20_000  # uids; beyond that the API server is asked again


@dataclass(frozen=True, slots=True)
class Owned:
    """One object as far as ownership goes."""

    kind: Kind
    key: Key
    uid: str
    owners: tuple[Json, ...]
    finalizers: tuple[str, ...]
    terminating: bool
    version: str

    @classmethod
    def of(cls, kind: Kind, obj: Json) -> Owned:
        """Read an object (its metadata is enough)."""
        metadata = obj["metadata"]
        return cls(
            kind=kind,
            key=key_of(obj),
            uid=uid_of(obj),
            owners=tuple(metadata.get("ownerReferences") or ()),
            finalizers=tuple(metadata.get("finalizers") or ()),
            terminating=is_terminating(obj),
            version=metadata["resourceVersion"],
        )

    @property
    def awaits_dependents(self) -> bool:
        """It is being deleted and goes only after those that block it."""
        return self.terminating and FOREGROUND in self.finalizers

    @property
    def leaves_orphans(self) -> bool:
        """It is being deleted and its dependents are to stay."""
        return self.terminating and ORPHAN in self.finalizers

    def blocks(self, owner: str) -> bool:
        """Whether the owner with that uid may not go before this object."""
        return any(reference["uid"] == owner and reference.get("blockOwnerDeletion") for reference in self.owners)

    def same_ties(self, other: Owned | None) -> bool:
        """Whether nothing that ownership depends on differs."""
        return other is not None and (self.owners, self.finalizers, self.terminating) == (
            other.owners,
            other.finalizers,
            other.terminating,
        )


class Ownership:
    """All known objects by uid, and the dependents of each."""

    def __init__(self) -> None:
        self._objects: dict[str, Owned] = {}
        self._dependents: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._gone: OrderedDict[str, None] = OrderedDict()

    def get(self, uid: str) -> Owned | None:
        """One object."""
        return self._objects.get(uid)

    def is_gone(self, uid: str) -> bool:
        """Whether the object was seen here and then seen to go; False says nothing."""
        return uid in self._gone

    def dependents(self, uid: str) -> list[Owned]:
        """The objects that name this uid as an owner."""
        return [self._objects[dependent] for dependent in self._dependents.get(uid, ())]

    def put(self, owned: Owned) -> Iterable[str]:
        """Take in a version of an object; returns the uids that deserve a look because of it."""
        before = self._objects.get(owned.uid)
        self._objects[owned.uid] = owned
        if owned.same_ties(before):
            return ()
        self._untie(before)
        for reference in owned.owners:
            self._dependents[reference["uid"]][owned.uid] = None
        return self._affected(owned)

    def remove(self, uid: str) -> Iterable[str]:
        """Take in that an object is gone; returns the uids that deserve a look because of it."""
        gone = self._objects.pop(uid, None)
        if gone is None:
            return ()
        self._gone[uid] = None
        if len(self._gone) > GONE_KEPT_MAX:
            self._gone.popitem(last=False)
        self._untie(gone)
        waiting = [reference["uid"] for reference in gone.owners if self._awaits(reference["uid"])]
        return [*self._dependents.get(uid, ()), *waiting]

    def _affected(self, owned: Owned) -> list[str]:
        ties = [self._objects.get(reference["uid"]) for reference in owned.owners]
        settled = all(owner is not None and not owner.awaits_dependents for owner in ties)
        own = [] if settled and not owned.terminating else [owned.uid]
        return own + [owner.uid for owner in ties if owner is not None and owner.awaits_dependents]

    def _awaits(self, uid: str) -> bool:
        owner = self._objects.get(uid)
        return owner is not None and owner.awaits_dependents

    def _untie(self, owned: Owned | None) -> None:
        for reference in owned.owners if owned else ():
            dependents = self._dependents[reference["uid"]]
            dependents.pop(owned.uid if owned else "", None)
            if not dependents:
                del self._dependents[reference["uid"]]
