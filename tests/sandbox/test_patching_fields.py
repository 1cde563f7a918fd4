"""Field sets, merges and quantities as values: laws that hold for any input."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.sandbox.patching.fields import from_fields_v1, path_text, to_fields_v1
from rollouts.sandbox.patching.merge import merge_patch
from rollouts.sandbox.patching.structure import compare, merge, remove
from rollouts.sandbox.schema.model import ANYTHING, Schema, compile_custom
from rollouts.sandbox.schema.quantity import canonical, value_of

ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'k:{"name":"y"}', 'v:"z"'])
PATHS = st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from(["", "x"]))
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON_VALUES, max_size=3)
KEYED: Schema = compile_custom(
    {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}},
    }
)
ITEMS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3)).map(
    lambda items: [{"name": name, "n": n} for name, n in items.items()]
)


@settings(max_examples=100)
@given(st.frozensets(PATHS, max_size=8))
def test_fields_survive_being_written_down(fields: frozenset[tuple[str, ...]]) -> None:
    """FieldsV1 says neither more nor less than the set."""
    assert from_fields_v1(to_fields_v1(fields)) == fields


@settings(max_examples=100)
@given(OBJECTS, OBJECTS)
def test_a_merge_is_the_same_twice(live: dict[str, Any], applied: dict[str, Any]) -> None:
    """Applying again adds nothing."""
    merged = merge(live, applied, ANYTHING)
    assert merge(merged, applied, ANYTHING) == merged
    assert not compare(merge(merged, applied, ANYTHING), merged, ANYTHING)


@settings(max_examples=100)
@given(OBJECTS, OBJECTS)
def test_a_comparison_finds_every_change(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Nothing changed exactly when there is nothing to say."""
    is_same = old == new and repr(old) == repr(new)
    if is_same:
        assert not compare(old, new, ANYTHING)
    elif old != new:
        assert compare(old, new, ANYTHING)


@settings(max_examples=100)
@given(ITEMS, ITEMS)
def test_keyed_lists_merge_without_losing_anybody(live: list[Any], applied: list[Any]) -> None:
    """Every item of both is there once; the applied one's values and order win."""
    merged = merge(live, applied, KEYED)
    names = [item["name"] for item in merged]
    assert sorted(names) == sorted({item["name"] for item in (*live, *applied)})
    wanted = {item["name"] for item in applied}
    assert [item for item in merged if item["name"] in wanted] == applied


@settings(max_examples=100)
@given(ITEMS)
def test_removing_an_item_leaves_the_others(items: list[Any]) -> None:
    """In their order."""
    gone = frozenset({('k:{"name":"a"}',)})
    assert remove(items, gone, KEYED) == [item for item in items if item["name"] != "a"]


@settings(max_examples=100)
@given(OBJECTS, OBJECTS)
def test_a_merge_patch_is_the_same_twice(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """And leaves its arguments alone."""
    before = repr(target)
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert repr(target) == before


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", "f:replicas"), ".spec.replicas"),
        (("f:c", 'k:{"name":"web"}', "f:image"), '.c[name="web"].image'),
        (("f:p", 'k:{"containerPort":80,"protocol":"TCP"}'), '.p[containerPort=80,protocol="TCP"]'),
        (("f:s", 'v:"x"'), '.s[="x"]'),
    ],
)
def test_a_path_is_written_as_conflicts_show_it(path: tuple[str, ...], text: str) -> None:
    """Keys and values in brackets."""
    assert path_text(path) == text


@settings(max_examples=100)
@given(st.integers(-(10**6), 10**6), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "u", "n"]))
def test_the_spelling_of_a_quantity_keeps_its_value(number: int, suffix: str) -> None:
    """And spelling it again changes nothing."""
    spelled = canonical(f"{number}{suffix}")
    assert value_of(spelled) == value_of(f"{number}{suffix}")
    assert canonical(spelled) == spelled


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1KiB", "--1", "1.2.3", "Gi"])
def test_not_everything_is_a_quantity(text: str) -> None:
    """And the answer says what one looks like."""
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        value_of(text)
