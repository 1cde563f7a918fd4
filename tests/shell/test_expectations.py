"""A key waits until the cache shows our own writes."""

from __future__ import annotations

from rollouts.kube.kinds import REPLICA_SETS, Key
from rollouts.runtime.cache import Cache
from rollouts.runtime.expectations import PATIENCE_SECONDS, Expectations, Expected
from tests.shell.objects import a_replica_set, entry

NAME = Key("default", "web-1")


def expected(version: str | None, *, uid: str = "uid-web-1", at: float = 0.0) -> Expected:
    return Expected(kind=REPLICA_SETS, key=NAME, uid=uid, version=version, written_at=at)


def test_a_key_is_free_when_nothing_was_written() -> None:
    """The usual case."""
    assert Expectations(Cache()).patience_left("web", 0) is None


def test_a_created_object_is_awaited() -> None:
    """Until the watch tells of it, in this version or a later one."""
    cache = Cache()
    expectations = Expectations(cache)
    stored = entry(a_replica_set("web-1"))
    expectations.expect("web", expected(stored.version))
    assert expectations.patience_left("web", 1) == PATIENCE_SECONDS - 1
    cache.put(entry(a_replica_set("web-1")))
    assert expectations.patience_left("web", 1) is None


def test_an_older_version_does_not_satisfy() -> None:
    """The cache must show the write, not what was before it."""
    cache = Cache()
    before = entry(a_replica_set("web-1"))
    cache.put(before)
    written = entry(a_replica_set("web-1"))
    expectations = Expectations(cache)
    expectations.expect("web", expected(written.version))
    assert expectations.patience_left("web", 0) is not None
    cache.put(written)
    assert expectations.patience_left("web", 0) is None


def test_a_deletion_is_shown_by_absence_or_by_its_mark() -> None:
    """Or by a namesake with another uid."""
    cache = Cache()
    expectations = Expectations(cache)
    cache.put(entry(a_replica_set("web-1")))
    expectations.expect("web", expected(None))
    assert expectations.patience_left("web", 0) is not None
    cache.put(entry(a_replica_set("web-1", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})))
    assert expectations.patience_left("web", 0) is None
    expectations.expect("web", expected(None, uid="an earlier one"))
    assert expectations.patience_left("web", 0) is None


def test_patience_ends() -> None:
    """A lost event delays a key, it does not stop it."""
    expectations = Expectations(Cache())
    expectations.expect("web", expected("9", at=100))
    assert expectations.patience_left("web", 100 + PATIENCE_SECONDS - 1) == 1
    assert expectations.patience_left("web", 100 + PATIENCE_SECONDS) is None


def test_other_keys_do_not_wait() -> None:
    """Expectations belong to one key."""
    expectations = Expectations(Cache())
    expectations.expect("web", expected("9"))
    assert expectations.patience_left("api", 0) is None


def test_what_was_made_and_is_gone_again_is_not_awaited() -> None:
    """Somebody deleted it before we saw it: that is seen too."""
    cache = Cache()
    expectations = Expectations(cache)
    cache.put(entry(a_replica_set("web-1")))
    cache.drop(REPLICA_SETS, NAME)
    expectations.expect("web", expected("999999"))
    assert expectations.patience_left("web", 0) is None
