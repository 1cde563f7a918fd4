"""Which keys a change concerns: from an event to the queues.

A ReplicaSet, an AnalysisRun and an Experiment lead to the Rollout that controls them, before and after the change; a
Service, a workload, an object of a router or a template leads to the Rollouts that name it, a template also through
other templates. A Service that a Rollout pointed is worked on itself, and looked at when that Rollout stops naming it.
What everyone shares is looked up in maps; no event walks through all objects. What a key's turn does about it does not
belong here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.api.analysis import TemplateRef
from rollouts.core.naming import MANAGED_BY
from rollouts.kube.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    EXPERIMENTS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    Key,
    Kind,
)
from rollouts.lib.members import mapping_at
from rollouts.runtime.cache import Cache, Change, Entry, Json
from rollouts.runtime.workloads import workload_named

TEMPLATES = (ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES)
ABORT_ANNOTATION = "rollouts.io/abort"
SERVICE_MEMBERS = ("canaryService", "stableService", "pingService", "pongService", "activeService", "previewService")

Named = tuple[Kind, Key]
Reads = Callable[[Entry], Iterable[Named]]
"""Rollout -> the objects that its routers look at."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A key to look at; an urgent one overtakes."""

    kind: Kind
    key: Key
    is_urgent: bool = False


class Triggers:
    """The map from what changed to who must look, kept up to date by the changes themselves."""

    def __init__(self, cache: Cache, reads: Reads) -> None:
        self._cache = cache
        self._reads = reads
        self._users: dict[Named, set[Named]] = defaultdict(set)
        """Object -> the Rollouts and templates that name it."""
        self._held: dict[Key, set[Key]] = defaultdict(set)
        """Rollout -> the Services that carry its name."""

    def of(self, change: Change) -> set[Trigger]:
        """Take note of what a change says about names, and tell whom it concerns."""
        kind = change.entries[0].kind
        if kind == ROLLOUTS:
            self._note_names(change)
            rollout = change.entries[-1]
            return {Trigger(ROLLOUTS, rollout.key, is_urgent=asks_for_abort(rollout)), *self._left(change)}
        if kind in (REPLICA_SETS, EXPERIMENTS):
            return {trigger for entry in change.entries for trigger in self._owners(entry)}
        if kind == ANALYSIS_RUNS:
            owners = {trigger for entry in change.entries for trigger in self._owners(entry)}
            return owners | {Trigger(ANALYSIS_RUNS, change.entries[-1].key)}
        if kind in TEMPLATES:
            self._note_names(change)
        users = {Trigger(ROLLOUTS, key) for key in self._rollouts_using(kind, change.entries[-1].key)}
        if kind == SERVICES and any(map(is_worked_on, change.entries)):
            self._note_holder(change)
            users.add(Trigger(SERVICES, change.entries[-1].key))
        return users

    def _left(self, change: Change) -> Iterator[Trigger]:
        """The Services that carry a Rollout's name and that it does not name, whatever changed of it: they may wait for
        that."""
        named = frozenset() if change.after is None else frozenset(named_services(change.after))
        for key in self._held.get(change.entries[-1].key, ()):
            if key.name not in named:
                yield Trigger(SERVICES, key)

    def _owners(self, entry: Entry) -> Iterator[Trigger]:
        owner = entry.controller
        if owner is None:
            yield from self._adopters(entry)
        elif is_rollout(owner):
            key = Key(entry.key.namespace, str(owner.get("name", "")))
            yield Trigger(ROLLOUTS, key, is_urgent=has_failed(entry))

    def _adopters(self, orphan: Entry) -> Iterator[Trigger]:
        """An orphan is looked at by the Rollout after which it is named."""
        stem, dash, _ = orphan.key.name.rpartition("-")
        key = Key(orphan.key.namespace, stem)
        if dash and self._cache.get(ROLLOUTS, key) is not None:
            yield Trigger(ROLLOUTS, key)

    def _rollouts_using(self, kind: Kind, key: Key) -> set[Key]:
        found: set[Key] = set()
        seen: set[tuple[Kind, Key]] = set()
        todo = [(kind, key)]
        while todo:
            template = todo.pop()
            seen.add(template)
            for user in self._users.get(template, ()):
                if user[0] == ROLLOUTS:
                    found.add(user[1])
                elif user not in seen:
                    todo.append(user)
        return found

    def _note_names(self, change: Change) -> None:
        if change.before is not None:
            for name in self._named_by(change.before):
                self._users[name].discard((change.before.kind, change.before.key))
                if not self._users[name]:
                    del self._users[name]
        if change.after is not None:
            for name in self._named_by(change.after):
                self._users[name].add((change.after.kind, change.after.key))

    def _note_holder(self, change: Change) -> None:
        before, after = (None if entry is None else holder_of(entry) for entry in (change.before, change.after))
        service = change.entries[-1].key
        if before is not None:
            self._held[before].discard(service)
            if not self._held[before]:
                del self._held[before]
        if after is not None:
            self._held[after].add(service)

    def _named_by(self, entry: Entry) -> frozenset[Named]:
        return entry.parsed("named", lambda entry: frozenset(self._names(entry)))

    def _names(self, entry: Entry) -> Iterator[Named]:
        yield from (template_at(ref, entry.key.namespace) for ref in named_templates(entry))
        if entry.kind == ROLLOUTS:
            yield from ((SERVICES, Key(entry.key.namespace, name)) for name in named_services(entry))
            workload = workload_named(entry)
            if workload is not None:
                yield workload
            yield from self._reads(entry)


def template_at(ref: TemplateRef, namespace: str) -> tuple[Kind, Key]:
    """Kind and key of a template that an object in `namespace` names."""
    if ref.cluster_scope:
        return CLUSTER_ANALYSIS_TEMPLATES, Key("", ref.template_name)
    return ANALYSIS_TEMPLATES, Key(namespace, ref.template_name)


def named_services(entry: Entry) -> Iterator[str]:
    """The Services that a Rollout's strategy names, as they are written."""
    todo = [mapping_at(entry.object, "spec", "strategy", name) for name in ("canary", "blueGreen")]
    todo += [mapping_at(strategy, "pingPong") for strategy in todo]
    for section in todo:
        yield from (name for member in SERVICE_MEMBERS if isinstance(name := section.get(member), str) and name)


def named_templates(entry: Entry) -> frozenset[TemplateRef]:
    """The templates an object names in its spec, wherever in it; each object is searched once."""
    return entry.parsed("named_templates", lambda entry: frozenset(_template_refs(entry.object.get("spec"))))


def _template_refs(spec: Any) -> Iterator[TemplateRef]:
    """Without recursion: a spec may be nested deeper than calls can be."""
    todo = [spec]
    while todo:
        value = todo.pop()
        if isinstance(value, Mapping):
            name = value.get("templateName")
            if isinstance(name, str) and name:
                yield TemplateRef(template_name=name, cluster_scope=value.get("clusterScope") is True)
            # a pod template names no analysis, and is the largest part of a Rollout
            todo.extend(member for field, member in value.items() if field != "template")
        elif isinstance(value, list):
            todo.extend(value)


def is_worked_on(entry: Entry) -> bool:
    """Whether an object of a kind that has turns needs any: of Services, those that carry a holder's name."""
    return entry.kind != SERVICES or holder_of(entry) is not None


def holder_of(service: Entry) -> Key | None:
    """The Rollout whose name a Service carries, the one that pointed it at a version; None: nobody did."""
    name = mapping_at(service.object, "metadata", "annotations").get(MANAGED_BY)
    return Key(service.key.namespace, name) if isinstance(name, str) and name else None


def is_rollout(owner: Json) -> bool:
    """Whether an owner reference means a Rollout."""
    return owner.get("kind") == ROLLOUTS.name and str(owner.get("apiVersion", "")).startswith(f"{ROLLOUTS.group}/")


def asks_for_abort(entry: Entry) -> bool:
    """Whether an abort is asked for and not yet carried out."""
    status, annotations = mapping_at(entry.object, "status"), mapping_at(entry.object, "metadata", "annotations")
    return ABORT_ANNOTATION in annotations or bool(status.get("abort") and not status.get("abortedAt"))


def has_failed(entry: Entry) -> bool:
    """Whether an analysis or an experiment ended in a way that aborts."""
    is_judged = entry.kind in (ANALYSIS_RUNS, EXPERIMENTS)
    return is_judged and mapping_at(entry.object, "status").get("phase") in ("Failed", "Error")
