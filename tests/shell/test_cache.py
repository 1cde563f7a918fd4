"""The copy of the cluster: what is kept, what is pruned, and what leads where."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from rollouts.kube.kinds import REPLICA_SETS, ROLLOUTS, Key
from rollouts.runtime.cache import Cache, Entry, entry_of, is_newer
from tests.shell.objects import a_replica_set, a_rollout, entry, owned_by

WEB = Key("default", "web")


def test_what_nobody_reads_is_not_kept() -> None:
    """managedFields and last-applied would triple the memory; other annotations stay."""
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "yes"}
    stored = a_rollout(metadata={"managedFields": [{"manager": "kubectl"}], "annotations": annotations})
    kept = entry(stored)
    assert "managedFields" not in kept.object["metadata"]
    assert kept.object["metadata"]["annotations"] == {"mine": "yes"}
    assert stored["metadata"]["annotations"] == annotations


def test_who_wrote_a_verb_is_remembered() -> None:
    """The manager and time of the annotation's own entry, not of another field's."""
    fields: dict[str, object] = {"f:metadata": {"f:annotations": {"f:rollouts.io/promote": {}}}}
    managers = [
        {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:spec": {}}},
        {"manager": "jo", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields},
    ]
    stored = a_rollout(metadata={"annotations": {"rollouts.io/promote": "step"}, "managedFields": managers})
    owner = entry(stored).verb_owners["rollouts.io/promote"]
    assert (owner.manager, owner.at, owner.is_applied) == ("jo", datetime(2026, 1, 1, tzinfo=UTC), False)


def test_a_verb_that_came_by_an_apply_is_marked() -> None:
    """By server-side apply, or by the annotation that client-side apply leaves."""
    fields: dict[str, object] = {"f:metadata": {"f:annotations": {"f:rollouts.io/abort": {}}}}
    by_server = a_rollout(
        metadata={
            "annotations": {"rollouts.io/abort": "now"},
            "managedFields": [{"manager": "flux", "operation": "Apply", "fieldsV1": fields}],
        }
    )
    applied = json.dumps({"metadata": {"annotations": {"rollouts.io/abort": "now"}}})
    by_client = a_rollout(
        metadata={
            "annotations": {
                "rollouts.io/abort": "now",
                "kubectl.kubernetes.io/last-applied-configuration": applied,
            }
        }
    )
    assert entry(by_server).verb_owners["rollouts.io/abort"].is_applied
    assert entry(by_client).verb_owners["rollouts.io/abort"].is_applied


def test_an_older_version_never_replaces_a_newer_one() -> None:
    """A late event of the watch is not news."""
    cache = Cache()
    old, new = a_rollout(), a_rollout(status={"phase": "Healthy"})
    assert cache.put(entry(new)) is not None
    assert cache.put(entry(old)) is None
    kept = cache.get(ROLLOUTS, WEB)
    assert kept is not None and kept.object.get("status") == {"phase": "Healthy"}


def test_a_namesake_replaces_what_was_there_before_it() -> None:
    """Another uid is another object, whatever its version; a late event of the first one changes nothing."""
    cache = Cache()
    first, late = a_rollout(), a_rollout()
    born = {"uid": "another", "creationTimestamp": "2026-01-01T00:00:01Z", "resourceVersion": "0"}
    second = a_rollout(metadata=born)
    cache.put(entry(first))
    assert cache.put(entry(second)) is not None
    assert cache.put(entry(late)) is None
    assert cache.drop(ROLLOUTS, Key("default", "web"), uid="uid-web") is None
    at_once = a_rollout(metadata={**born, "uid": "third", "resourceVersion": "1"})
    assert cache.put(entry(at_once)) is not None


def test_the_deletion_of_an_earlier_namesake_is_ignored() -> None:
    """A DELETED that comes late does not remove the object that took the name."""
    cache = Cache()
    cache.put(entry(a_rollout(metadata={"uid": "new"})))
    assert cache.drop(ROLLOUTS, WEB, uid="old") is None
    assert cache.get(ROLLOUTS, WEB) is not None


def test_versions_compare_as_numbers_and_else_by_difference() -> None:
    """10 is newer than 9; what is no number is only known to be different."""
    assert is_newer("10", than="9")
    assert not is_newer("9", than="9")
    assert is_newer("b", than="a") and is_newer("a", than="b") and not is_newer("a", than="a")


def test_owned_objects_follow_their_owner() -> None:
    """Adoption and release move an object from one owner's list to the other's."""
    cache = Cache()
    cache.put(entry(a_replica_set("web-1", metadata=owned_by("web"))))
    assert [each.key.name for each in cache.owned(REPLICA_SETS, "uid-web")] == ["web-1"]
    cache.put(entry(a_replica_set("web-1")))
    assert cache.owned(REPLICA_SETS, "uid-web") == []
    assert [each.key.name for each in cache.orphans(REPLICA_SETS, "default")] == ["web-1"]
    cache.drop(REPLICA_SETS, Key("default", "web-1"))
    assert cache.orphans(REPLICA_SETS, "default") == []


def test_objects_are_found_by_the_name_they_were_derived_from() -> None:
    """`web-1` is named after `web`; `web-api-1` is not."""
    cache = Cache()
    for name in ("web-1", "web-api-1", "web"):
        cache.put(entry(a_replica_set(name)))
    assert [each.key.name for each in cache.named_after(REPLICA_SETS, WEB)] == ["web-1"]


def test_the_maps_are_empty_again_after_churn() -> None:
    """Objects that come and go leave nothing behind."""
    cache = Cache()
    for index in range(100):
        cache.put(entry(a_replica_set(f"web-{index}", metadata=owned_by(f"web{index}"))))
        cache.drop(REPLICA_SETS, Key("default", f"web-{index}"))
    left = [name for name, value in vars(cache).items() if any(value.values())]
    assert left == []
    assert cache.has_ended("uid-web-99")


def test_an_object_is_parsed_once_per_version() -> None:
    """The memo lives as long as the version it was made from."""
    calls = []

    def parse(seen: Entry) -> str:
        calls.append(seen.version)
        return seen.version

    kept = entry_of(ROLLOUTS, a_rollout())
    assert kept.parsed("it", parse) == kept.parsed("it", parse) == kept.version
    assert calls == [kept.version]
