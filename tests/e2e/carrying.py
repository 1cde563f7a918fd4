"""Law 1 as a watcher of the whole story: at every moment each version has the pods that its share of traffic needs.

It collects every version of every object that was stored, and at the end puts them in the order in which the cluster
wrote them, which their resourceVersions tell across kinds. So it judges states that were really there, between any two
writes, not what some watch told first.

Two things are no fault of the controller. A pod that was ready counts until it is told to leave, for a probe may fail
on a busy machine. And when people ask for more pods, a version owes what it carried before until it has caught up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import TracebackType
from typing import Self

from rollouts.demo.sight import ROLLOUTS
from rollouts.sandbox.informer import Informers
from rollouts.sandbox.kinds import PODS, SERVICES, Json, Kind, uid_of, version_of
from tests.e2e.stage import HASH, Place, until

INGRESSES = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
WEIGHT = "nginx.ingress.kubernetes.io/canary-weight"
KINDS = (ROLLOUTS, PODS, SERVICES, INGRESSES)

Named = Mapping[str, Json]
Shares = Mapping[str, Fraction]
"""Of all traffic, by the version's hash; the empty hash is any version."""
Way = Callable[[Named, Named], Shares]
"""How Services and Ingresses, by their names, share traffic out."""


def switched(active: str) -> Way:
    """All of it goes where the active Service leads."""
    return lambda services, ingresses: {_leads_to(services, active): Fraction(1)}


def weighted(*, stable: str, canary: str, ingress: str) -> Way:
    """Split by the weight of a canary Ingress."""

    def way(services: Named, ingresses: Named) -> Shares:
        weight = weight_of(ingresses[ingress]) if ingress in ingresses else 0
        shares: dict[str, Fraction] = {}
        for service, part in ((canary, weight), (stable, 100 - weight)):
            version = _leads_to(services, service)
            shares[version] = shares.get(version, Fraction(0)) + Fraction(part, 100)
        return shares

    return way


def weight_of(ingress: Json) -> int:
    """The percentage that a canary Ingress says."""
    return int((ingress["metadata"].get("annotations") or {}).get(WEIGHT, 0))


def _leads_to(services: Named, name: str) -> str:
    return str(services[name]["spec"]["selector"].get(HASH, ""))


@dataclass(slots=True)
class Picture:
    """What was stored at one moment."""

    way: Way
    desired: int = 0
    services: dict[str, Json] = field(default_factory=dict)
    ingresses: dict[str, Json] = field(default_factory=dict)
    standing: dict[str, set[str]] = field(default_factory=dict)
    """The uids of pods that were ready and are not leaving, by version."""
    carried: dict[str, int] = field(default_factory=dict)
    """By version, the number of wanted pods for which it last had enough."""

    def take(self, kind: Kind, obj: Json) -> None:
        """Take in the next write."""
        if kind == PODS:
            self._take_pod(obj)
        elif kind == ROLLOUTS:
            self.desired = int(obj["spec"].get("replicas", 1))
        else:
            named = self.services if kind == SERVICES else self.ingresses
            named[obj["metadata"]["name"]] = obj

    def owing(self) -> Iterator[str]:
        """What is wrong with it."""
        for version, share in self.way(self.services, self.ingresses).items():
            have = len(self.standing.get(version, ()))
            if not version or have >= math.ceil(share * self.desired):
                self.carried[version] = self.desired
            elif have < math.ceil(share * self.carried.get(version, self.desired)):
                yield f"{float(share):.0%} of the traffic of {self.desired} pods reach {version}, which has {have}"

    def _take_pod(self, pod: Json) -> None:
        standing = self.standing.setdefault(str(pod["metadata"]["labels"].get(HASH, "")), set())
        if "deletionTimestamp" in pod["metadata"]:
            standing.discard(uid_of(pod))
        elif any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ()):
            standing.add(uid_of(pod))


class Carrying:
    """Watches one place; an async context manager that fails at its end when the law was broken within it."""

    def __init__(self, place: Place, way: Way) -> None:
        self._place = place
        self._way = way
        self._writes: dict[int, tuple[Kind, Json]] = {}
        self._before = 0
        self._informers = Informers(place.api)
        for kind in KINDS:
            self._watch(kind)

    @property
    def weights(self) -> list[int]:
        """Each weight that the canary Ingress said, in their order."""
        said: list[int] = []
        for version in sorted(self._writes):
            kind, obj = self._writes[version]
            if kind == INGRESSES and WEIGHT in (obj["metadata"].get("annotations") or {}):
                said += [weight_of(obj)] if said[-1:] != [weight_of(obj)] else []
        return said

    async def __aenter__(self) -> Self:
        await self._informers.start()
        self._before = max(self._writes)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self._until_all_seen()
        await self._informers.stop()
        if kind is None:
            wrongs = list(self._wrongs())
            assert not wrongs, "\n".join(wrongs)

    def _watch(self, kind: Kind) -> None:
        def record(old: Json | None, new: Json | None) -> None:
            if new is not None and new["metadata"]["namespace"] == self._place.namespace:
                self._writes[version_of(new)] = (kind, new)

        self._informers.of(kind).on_change(record)

    async def _until_all_seen(self) -> None:
        """The watches may be late: wait until they have told what is there now."""
        there = [each for kind in KINDS for each in await self._place.objects(kind)]

        async def look() -> bool | None:
            return all(version_of(each) in self._writes for each in there) or None

        await until("the watches to tell everything", look)

    def _wrongs(self) -> Iterator[str]:
        picture = Picture(self._way)
        for version in sorted(self._writes):
            picture.take(*self._writes[version])
            if version >= self._before:
                yield from (f"after write {version}: {wrong}" for wrong in picture.owing())
