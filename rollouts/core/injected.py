"""What of a ReplicaSet's pod template is ours, and what its author wrote under it.

Two things are put into a template that its author did not write: labels and annotations that tell which part a version
plays (metadata.py), and a term that keeps it off another version's nodes (affinity.py). Either is written down where it
is put, so that it comes off again without a trace: the keys in an annotation that other tools know, the author's own
values under them in one of ours, the term by the label that only the controller selects by. When something is put on or
taken off is not for here.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rollouts.core import naming
from rollouts.lib import nesting

Json = Mapping[str, Any]

LABELS, ANNOTATIONS = "labels", "annotations"
KINDS = (LABELS, ANNOTATIONS)
NOTES = frozenset({naming.EPHEMERAL_METADATA, naming.COVERED_METADATA})
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True, slots=True)
class Metadata:
    """Labels and annotations."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str) -> Mapping[str, str]:
        """Those of one kind, `labels` or `annotations`."""
        return self.labels if kind == LABELS else self.annotations

    def dumped(self) -> str | None:
        """As an annotation's value; None when there is nothing to write down."""
        kinds = {kind: dict(self.of(kind)) for kind in KINDS if self.of(kind)}
        return json.dumps(kinds, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if kinds else None


@dataclass(frozen=True, slots=True)
class Dress:
    """What makes a template wear something: its new labels and annotations (None takes one off), and the notes to
    write on the ReplicaSet in the same write (None removes one)."""

    template: Mapping[str, Mapping[str, str | None]]
    notes: Mapping[str, str | None]


def loaded(text: str | None) -> Metadata:
    """What an annotation says was put on. Anyone can write it, so what cannot be read is nothing."""
    value = _read(text)
    return Metadata(*(_texts(value, kind) for kind in KINDS))


def listed(text: str | None) -> Mapping[str, frozenset[str]]:
    """The keys that an annotation lists, by kind; what cannot be read lists nothing."""
    value = _read(text)
    members = {kind: value.get(kind) for kind in KINDS}
    return {
        kind: frozenset(key for key in keys if isinstance(key, str)) if isinstance(keys, list) else frozenset()
        for kind, keys in members.items()
    }


def metadata_of(template: Json) -> Metadata:
    """The labels and annotations of a template, whoever wrote them."""
    return Metadata(*(_texts(_mapping(template, "metadata"), kind) for kind in KINDS))


def worn(annotations: Mapping[str, str]) -> Metadata:
    """The labels and annotations that were put into the template of a ReplicaSet with these annotations."""
    return loaded(annotations.get(naming.EPHEMERAL_METADATA))


def authored(template: Json, annotations: Mapping[str, str]) -> dict[str, Any]:
    """The template of a ReplicaSet with these annotations, as its author wrote it, but for the mark of its version."""
    plain = copy.deepcopy(dict(template))
    metadata = dict(_mapping(plain, "metadata"))
    for kind in KINDS:
        own = _own(template, annotations, kind)
        if own or kind in metadata:
            metadata[kind] = own
    if metadata:
        plain["metadata"] = metadata
    spec = _mapping(plain, "spec")
    return {**plain, "spec": with_term(spec, None)} if injected_terms(spec) else plain


def dress(template: Json, annotations: Mapping[str, str], wanted: Metadata) -> Dress | None:
    """How the template of a ReplicaSet with these annotations comes to wear exactly this; None: it does."""
    if wanted == Metadata() and not NOTES.intersection(annotations):
        return None
    changed: dict[str, Mapping[str, str | None]] = {}
    covered: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        now, own, put = metadata_of(template).of(kind), _own(template, annotations, kind), wanted.of(kind)
        after = {**own, **put}
        changed[kind] = {key: after.get(key) for key in sorted({*now, *after}) if now.get(key) != after.get(key)}
        covered[kind] = {key: own[key] for key in put if key in own}
    under = Metadata(covered[LABELS], covered[ANNOTATIONS])
    notes = {naming.EPHEMERAL_METADATA: wanted.dumped(), naming.COVERED_METADATA: under.dumped()}
    is_noted = worn(annotations) == wanted and loaded(annotations.get(naming.COVERED_METADATA)) == under
    if is_noted and not any(changed.values()):
        return None
    return Dress(template={kind: each for kind, each in changed.items() if each}, notes=notes)


def dressed(template: Json, wanted: Metadata) -> tuple[dict[str, Any], dict[str, str]]:
    """The author's template wearing this, and the notes for its ReplicaSet."""
    change = dress(template, {}, wanted)
    if change is None:
        return dict(template), {}
    metadata = dict(_mapping(template, "metadata"))
    for kind, put in change.template.items():
        metadata[kind] = {**_mapping(metadata, kind), **put}
    return {**template, "metadata": metadata}, {key: text for key, text in change.notes.items() if text is not None}


def injected_terms(spec: Json) -> tuple[Json, ...]:
    """The terms of ours in the pod spec of a template, each as an entry of its list."""
    return tuple(each for kind in (REQUIRED, PREFERRED) for each in _terms(spec, kind) if is_injected(each))


def is_injected(entry: Json) -> bool:
    """Whether an entry of podAntiAffinity is ours: all it asks is one value of the label that only the controller sets.

    A term of the author's that has anything to do with that label besides stays the author's.
    """
    selector = _mapping(_mapping(entry, "podAffinityTerm") or entry, "labelSelector")
    requirements = selector.get("matchExpressions")
    if not isinstance(requirements, list | tuple) or len(requirements) != 1 or selector.get("matchLabels"):
        return False
    asked = requirements[0] if isinstance(requirements[0], Mapping) else {}
    values = asked.get("values")
    is_one_version = asked.get("operator") == "In" and isinstance(values, list | tuple) and len(values) == 1
    return asked.get("key") == naming.POD_HASH_LABEL and is_one_version


def with_term(spec: Json, term: tuple[str, Json] | None) -> dict[str, Any]:
    """The pod spec with exactly this (list, entry) of ours in its podAntiAffinity; whatever is the author's stays."""
    affinity = dict(_mapping(spec, "affinity"))
    rules = dict(_mapping(affinity, "podAntiAffinity"))
    for kind in (REQUIRED, PREFERRED):
        entries = [each for each in _terms(spec, kind) if not is_injected(each)]
        entries += [term[1]] if term is not None and term[0] == kind else []
        rules.pop(kind, None)
        if entries:
            rules[kind] = entries
    affinity.pop("podAntiAffinity", None)
    affinity |= {"podAntiAffinity": rules} if rules else {}
    rest = {key: value for key, value in spec.items() if key != "affinity"}
    return {**rest, "affinity": affinity} if affinity else rest


def _own(template: Json, annotations: Mapping[str, str], kind: str) -> dict[str, str]:
    """The author's labels or annotations."""
    put, covered = worn(annotations).of(kind), loaded(annotations.get(naming.COVERED_METADATA)).of(kind)
    own = {key: value for key, value in metadata_of(template).of(kind).items() if key not in put}
    return {**own, **{key: value for key, value in covered.items() if key in put}}


def _terms(spec: Json, kind: str) -> list[Json]:
    entries = _mapping(_mapping(spec, "affinity"), "podAntiAffinity").get(kind)
    return [each for each in entries if isinstance(each, Mapping)] if isinstance(entries, list | tuple) else []


def _read(text: str | None) -> Json:
    try:
        value = nesting.loads(text.encode()) if text else None
    except ValueError:
        value = None
    return value if isinstance(value, Mapping) else {}


def _mapping(value: Any, name: str) -> Json:
    member = value.get(name) if isinstance(value, Mapping) else None
    return member if isinstance(member, Mapping) else {}


def _texts(value: Any, name: str) -> dict[str, str]:
    return {key: each for key, each in _mapping(value, name).items() if isinstance(each, str)}
