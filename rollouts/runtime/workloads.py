"""The workload that a Rollout takes its pod template from, out of the cache.

What is parsed is parsed once for each pair of versions; a workload whose pods come and go keeps its generation, and
costs nothing. How the two become one is core/resolved.py's business.
"""

from __future__ import annotations

from collections.abc import Mapping

from rollouts.api import parse
from rollouts.api.parse import Parsed
from rollouts.api.rollout import Rollout
from rollouts.core import resolved
from rollouts.core.observed import Workload
from rollouts.core.resolved import Checked as Checked
from rollouts.kube.kinds import WORKLOADS, Key, Kind
from rollouts.lib.members import mapping_at
from rollouts.runtime.cache import Entry


def rollout_of(entry: Entry) -> Parsed[Rollout]:
    """The Rollout as its own spec has it."""
    return entry.parsed("rollout", lambda entry: parse.parse_rollout(entry.object))


def workload_named(entry: Entry) -> tuple[Kind, Key] | None:
    """What a Rollout takes its pod template from; None: from its own spec, or from a kind that has none."""
    spec = mapping_at(entry.object, "spec")
    reference = spec.get("workloadRef")
    if not isinstance(reference, Mapping):
        return None
    kind = _kind(str(reference.get("apiVersion", "")), str(reference.get("kind", "")))
    name = reference.get("name")
    return (kind, Key(entry.key.namespace, name)) if kind is not None and isinstance(name, str) and name else None


def checked(entry: Entry, workload: Entry | None) -> Checked:
    """The Rollout with the pod template and the selector to act on. `workload` is what it names, if it exists."""
    if rollout_of(entry).value.spec.workload_ref is None:
        return entry.parsed("checked", lambda entry: resolved.checked(rollout_of(entry), None))
    version = None if workload is None else (workload.uid, workload.generation or workload.version)
    known: tuple[object, Checked] | None = entry.memo.get("checked")
    if known is None or known[0] != version:
        stored = None if workload is None else workload.object
        known = entry.memo["checked"] = (version, resolved.checked(rollout_of(entry), stored))
    return known[1]


def seen_workload(workload: Entry) -> Workload:
    """A workload as a decision needs it."""
    return resolved.seen_workload(workload.object, workload.kind.name)


def is_same_template(before: Entry, now: Entry | None) -> bool:
    """Whether a workload still says what was decided on; how many pods it has is another matter."""
    if now is None or now.uid != before.uid:
        return False
    stored = (each.object for each in (before, now))
    older, newer = (resolved.template_of(each, before.kind.name) for each in stored)
    return older == newer


def _kind(api_version: str, name: str) -> Kind | None:
    group = resolved.group_of(api_version)
    return next((kind for kind in WORKLOADS if (kind.group, kind.name) == (group, name)), None)
