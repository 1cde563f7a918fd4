"""The store: one counter, changes in order, the past as long as it is kept."""

from __future__ import annotations

import asyncio

import pytest

from rollouts.sandbox.store import Compacted, Store

PODS = ("", "pods")


def put(store: Store, name: str, value: int = 0, namespace: str = "ns") -> int:
    record = store.put(PODS, (namespace, name), {"metadata": {"name": name}, "value": value})
    return record.revision


def names(store: Store, revision: int | None = None) -> list[str]:
    pods = store.collection(PODS)
    records = pods.records() if revision is None else pods.records_at(revision)
    return [name for (_, name), _ in records]


def test_every_write_moves_the_one_counter() -> None:
    """Whatever it is about; objects carry the revision that made them."""
    store = Store()
    first = put(store, "a")
    other = store.put(("", "secrets"), ("ns", "s"), {"metadata": {}}).revision
    assert (other, put(store, "a", 1)) == (first + 1, first + 2)
    record = store.get(PODS, ("ns", "a"))
    assert record is not None
    assert record.object["metadata"]["resourceVersion"] == str(first + 2)


def test_the_past_can_be_listed() -> None:
    """Every change after a revision is undone: additions, changes and deletions."""
    store = Store()
    put(store, "a", 1)
    then = put(store, "b")
    put(store, "a", 2)
    store.delete(PODS, ("ns", "b"))
    put(store, "c")
    assert names(store) == ["a", "c"]
    assert names(store, then) == ["a", "b"]
    assert store.collection(PODS).records_at(then)[0][1].object["value"] == 1


def test_changes_are_kept_up_to_a_bound() -> None:
    """At least so many; asking for more is told apart from there being none."""
    store = Store(changes_kept_max=3)
    revisions = [put(store, "a", value) for value in range(7)]
    pods = store.collection(PODS)
    assert [change.revision for change in pods.changes_after(revisions[-4])] == revisions[-3:]
    with pytest.raises(Compacted):
        pods.changes_after(revisions[0])
    assert pods.changes_after(store.revision) == []


def test_compaction_forgets_everything_before_now() -> None:
    """And nothing after."""
    store = Store()
    put(store, "a")
    before = put(store, "b")
    store.compact()
    assert store.collection(PODS).changes_after(before) == []
    put(store, "c")
    assert len(store.collection(PODS).changes_after(before)) == 1
    with pytest.raises(Compacted):
        store.collection(PODS).changes_after(before - 1)


def test_stored_states_do_not_change() -> None:
    """A write replaces; who holds an older state keeps it."""
    store = Store()
    put(store, "a", 1)
    old = store.get(PODS, ("ns", "a"))
    put(store, "a", 2)
    assert old is not None
    assert old.object["value"] == 1


def test_an_object_is_encoded_once_per_version() -> None:
    """Bytes are shared by all who read it."""
    store = Store()
    record = store.put(PODS, ("ns", "a"), {"apiVersion": "x/v1", "kind": "A", "metadata": {"name": "a"}})
    assert record.encoded("x/v2") is record.encoded("x/v2")
    assert b'"apiVersion":"x/v2"' in record.encoded("x/v2")
    assert b"kind" not in record.encoded_untyped()


async def test_listeners_are_woken_by_their_collection_only() -> None:
    """Until they stop listening."""
    store, woken = Store(), asyncio.Event()
    store.collection(PODS).listen(woken)
    store.put(("", "secrets"), ("ns", "s"), {"metadata": {}})
    assert not woken.is_set()
    put(store, "a")
    assert woken.is_set()
    store.collection(PODS).ignore(woken)
    woken.clear()
    put(store, "b")
    assert not woken.is_set()
