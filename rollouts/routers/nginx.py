"""Ingress-NGINX: beside each Ingress of the stable version stands a canary's, whose annotations say its share.

The canary Ingress repeats those rules of the stable one that have a path to the stable Service, with these paths
leading to the canary Service; the users' Ingress is never written. At weight 0 it stays. Ingress-NGINX sends
`canary-weight` of `canary-weight-total` requests to it and takes any total below 100 for 100, so a weight of a smaller
maximum is written as a multiple. Several Ingresses receive unknown parts of the traffic: where they disagree, the
weight is a range.

`defaultBackend` is not repeated: Ingress-NGINX would put the canary behind all paths of all Ingresses without a host.
Managed routes and weights of other Services are not in this dialect; validation keeps them from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from rollouts.api import codec
from rollouts.api.codec import Problem
from rollouts.api.fields import Doc
from rollouts.api.schema import object_schema
from rollouts.api.validate_labels import key_problem
from rollouts.ports import Manifest, ObjectRef, Objects, Subject, Told, TrafficIntent, TrafficSeen, Unknown
from rollouts.routers import ingress

CLASS = "kubernetes.io/ingress.class"
DEFAULT_PREFIX = "nginx.ingress.kubernetes.io"
CANARY, WEIGHT, TOTAL = "canary", "canary-weight", "canary-weight-total"
DEFAULT_TOTAL = 100  # and the least one
NAME_MAX = 253  # of a DNS subdomain
_WHOLE = re.compile(r"[0-9]{1,18}")

Range = tuple[int, int]
"""The least and the greatest weight that the canary may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """`trafficRouting.nginx`, as users write it."""

    annotation_prefix: Annotated[str, Doc(f"Prefix of the ingress annotations; {DEFAULT_PREFIX} when unset.")] = ""
    stable_ingress: Annotated[str, Doc("Name of the Ingress of the stable version.")] = ""
    stable_ingresses: Annotated[tuple[str, ...], Doc("Names of several Ingresses, in place of one.")] = ()
    additional_ingress_annotations: Annotated[
        Mapping[str, str], Doc("Annotations for the canary Ingress, without the prefix.")
    ] = field(default_factory=dict)
    canary_ingress_annotations: Annotated[
        Mapping[str, str], Doc("Annotations for the canary Ingress, as they are.")
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An Ingress of the stable version and the canary's; `path` is where the section names the former."""

    path: str
    stable: ObjectRef
    canary: ObjectRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The section, read. `annotations` are the users' for every canary Ingress, by full name."""

    subject: Subject
    prefix: str
    annotations: Mapping[str, str]
    pairs: tuple[Pair, ...]


class Nginx:
    """The router `nginx`."""

    schema: ClassVar[Mapping[str, Any]] = object_schema(Section, "Ingress-NGINX.")

    def parse(self, section: Mapping[str, Any], subject: Subject) -> Config | tuple[Problem, ...]:
        """Read the section, or say what is wrong with it."""
        malformed: list[Problem] = []
        read = codec.decode(Section, section, malformed)
        if malformed:
            return tuple(malformed)
        config = _config(read, subject)
        return tuple(_contradictions(read, config)) or config

    def reads(self, config: Config) -> tuple[ObjectRef, ...]:
        """The stable Ingresses and their canaries."""
        return tuple(ref for pair in config.pairs for ref in (pair.stable, pair.canary))

    def problems(self, config: Config, objects: Objects) -> tuple[Problem, ...]:
        """Stable Ingresses without a rule to split, and canary Ingresses that are somebody else's."""
        return tuple(Problem(pair.path, text) for pair in config.pairs for text in _complaints(config, pair, objects))

    def observe(self, config: Config, objects: Objects) -> TrafficSeen | Unknown:
        """The weight that the canary Ingresses say; what may reach either version is under the empty name."""
        ranges = []
        for pair in config.pairs:
            found = _range(config, pair, objects)
            if isinstance(found, Unknown):
                return found
            ranges.append(found)
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        others = {"": high - low} if high > low else {}
        return TrafficSeen(canary=low, stable=config.subject.weight_max - high, others=others)

    def render(self, config: Config, intent: TrafficIntent, objects: Objects) -> tuple[Manifest, ...]:
        """The canary Ingresses."""
        return tuple(_canary(config, pair, intent, objects) for pair in config.pairs)

    def tell(self, config: Config, intent: TrafficIntent, manifest: Manifest, live: Manifest | None) -> Told:
        """Whether a canary Ingress came or changed, and the weight that it is for."""
        name, weight = manifest["metadata"]["name"], intent.canary.weight
        if live is None:
            return Told(
                reason="CreatingCanaryIngress", message=f"Creating canary ingress `{name}` with weight `{weight}`"
            )
        return Told(reason="PatchingCanaryIngress", message=f"Updating Ingress `{name}` to desiredWeight '{weight}'")


def canary_name(rollout: str, stable: str) -> str:
    """The name of a canary Ingress; what is too long loses its end, and a dot that would come before the suffix."""
    return f"{rollout}-{stable}"[: NAME_MAX - len("-canary")].rstrip(".") + "-canary"


def _config(read: Section, subject: Subject) -> Config:
    def ref(name: str) -> ObjectRef:
        return ingress.ref(subject.namespace, name)

    names = read.stable_ingresses
    paths = {name: f"stableIngresses[{names.index(name)}]" for name in names} or {read.stable_ingress: "stableIngress"}
    pairs = [
        Pair(path=path, stable=ref(name), canary=ref(canary_name(subject.rollout, name)))
        for name, path in paths.items()
    ]
    prefix = read.annotation_prefix or DEFAULT_PREFIX
    additional = {_key(prefix, name): value for name, value in read.additional_ingress_annotations.items()}
    annotations = {**additional, **read.canary_ingress_annotations}
    return Config(subject=subject, prefix=prefix, annotations=annotations, pairs=tuple(pairs))


def _key(prefix: str, name: str) -> str:
    return name if name.startswith(f"{prefix}/") else f"{prefix}/{name}"


def _contradictions(read: Section, config: Config) -> Iterator[Problem]:
    if bool(read.stable_ingress) == bool(read.stable_ingresses):
        which = "Both" if read.stable_ingress else "Neither"
        yield Problem("", f"Either StableIngress or StableIngresses must be configured. {which} are configured.")
        return
    subject, total = config.subject, _key(config.prefix, TOTAL)
    if subject.weight_max < 1:
        yield Problem("", "maxTrafficWeight must be greater than 0")
    if config.annotations.get(total) not in (None, str(subject.weight_max)):
        yield Problem("", f"annotation `{total}` is for trafficRouting.maxTrafficWeight to say")
    yield from _misnamed(read, config.prefix)
    canaries: dict[str, str] = {}
    for pair in config.pairs:
        first = canaries.setdefault(pair.canary.name, pair.stable.name)
        if not pair.stable.name:
            yield Problem(pair.path, "must be the name of an Ingress")
        elif first != pair.stable.name:
            yield Problem(pair.path, f"canary ingress `{pair.canary.name}` is already that of ingress `{first}`")


def _misnamed(read: Section, prefix: str) -> Iterator[Problem]:
    """Annotations that the API server would refuse in every write."""
    for path, keys in (
        ("annotationPrefix", [_key(prefix, CANARY)]),
        ("additionalIngressAnnotations", [_key(prefix, name) for name in read.additional_ingress_annotations]),
        ("canaryIngressAnnotations", list(read.canary_ingress_annotations)),
    ):
        for key in keys:
            if (problem := key_problem(key.lower())) is not None:
                yield Problem(path, f"annotation `{key}`: {problem}")


def _complaints(config: Config, pair: Pair, objects: Objects) -> Iterator[str]:
    stable, canary, subject = objects.get(pair.stable), objects.get(pair.canary), config.subject
    if stable is None:
        yield f'ingress.networking.k8s.io "{pair.stable.name}" not found'
    elif isinstance(stable, Mapping) and not ingress.routes(stable, subject.stable_service):
        yield f"ingress `{pair.stable.name}` has no rules using service {subject.stable_service} backend"
    if isinstance(canary, Mapping) and not ingress.is_controlled(canary, owner=subject.owner):
        yield f"canary ingress `{pair.canary.name}` controlled by different object"


def _range(config: Config, pair: Pair, objects: Objects) -> Range | Unknown:
    """The canary's weight on one Ingress."""
    stable, canary, subject = objects.get(pair.stable), objects.get(pair.canary), config.subject
    if isinstance(stable, Unknown):
        return stable
    if isinstance(canary, Unknown):
        return canary
    if stable is None:
        return Unknown(why=f"Ingress `{pair.stable.name}` does not exist")
    if canary is None:
        return 0, 0
    annotations = ingress.annotations_of(canary)
    if annotations.get(_key(config.prefix, CANARY)) != "true":
        return 0, subject.weight_max  # two plain Ingresses with the same paths: either may win
    weight = _share(config, annotations)
    is_on_all = ingress.routes(stable, subject.stable_service) <= ingress.routes(canary, subject.canary_service)
    return weight if is_on_all else (0, weight[1])


def _share(config: Config, annotations: Mapping[str, str]) -> Range:
    """What annotations mean to Ingress-NGINX, as a part of our maximum, rounded both ways. No number may mean any."""
    numbers = []
    for key, default in ((_key(config.prefix, WEIGHT), 0), (_key(config.prefix, TOTAL), DEFAULT_TOTAL)):
        text = annotations.get(key, str(default))
        if not _WHOLE.fullmatch(text):
            return 0, config.subject.weight_max
        numbers.append(int(text))
    total = max(numbers[1], DEFAULT_TOTAL)
    part = min(numbers[0], total) * config.subject.weight_max
    return part // total, -(-part // total)


def _canary(config: Config, pair: Pair, intent: TrafficIntent, objects: Objects) -> Manifest:
    """The canary Ingress as it is, or a new one, with all that is ours in it put right."""
    stable, live, subject = objects[pair.stable], objects.get(pair.canary), config.subject
    assert not isinstance(stable, Unknown) and not isinstance(live, Unknown), "a router renders what it can see"
    fresh = {"name": pair.canary.name, "namespace": subject.namespace, "ownerReferences": [dict(subject.owner)]}
    base = live or {"metadata": fresh}
    annotations = _put(ingress.annotations_of(base), _annotations(config, intent, stable))
    copied = {member: ingress.spec_of(stable).get(member) for member in ("ingressClassName", "tls")}
    rules = ingress.turned(stable, service=subject.stable_service, to=subject.canary_service)
    spec = _put(ingress.spec_of(base), {**copied, "rules": rules})
    metadata = {**base["metadata"], "annotations": annotations}
    return {**base, "apiVersion": ingress.API_VERSION, "kind": ingress.KIND, "metadata": metadata, "spec": spec}


def _put(live: Manifest, wanted: Manifest) -> Manifest:
    """`live` with the wanted members; those wanted as None are left out."""
    return {key: value for key, value in {**live, **wanted}.items() if value is not None}


def _annotations(config: Config, intent: TrafficIntent, stable: Manifest) -> Mapping[str, str | None]:
    scale = -(-DEFAULT_TOTAL // intent.weight_max)
    return {
        CLASS: ingress.annotations_of(stable).get(CLASS),
        **config.annotations,
        _key(config.prefix, CANARY): "true",
        _key(config.prefix, WEIGHT): str(intent.canary.weight * scale),
        _key(config.prefix, TOTAL): None if intent.weight_max == DEFAULT_TOTAL else str(intent.weight_max * scale),
    }
