"""JSON of any depth: what is readable stays as it is, what is not is cut where it gets too deep."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.lib import nesting

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=20,
)


def nested(depth: int) -> str:
    return '{"a[":' * depth + "1" + "}" * depth


@settings(max_examples=100)
@given(VALUES)
def test_what_is_not_deep_is_untouched(value: object) -> None:
    """Whatever stands in its strings."""
    for text in (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False).encode()):
        assert nesting.shallow(text) == nesting.readable(text) == text
        assert nesting.loads(text) == value


def test_one_deep_value_costs_its_neighbours_nothing() -> None:
    """It is cut and says so; they are whole."""
    before, deep, after = nesting.loads(f'[{{"x": "}}\\\\\\"]"}}, {nested(9000)}, [2]]'.encode())
    assert (before, after) == ({"x": '}\\"]'}, [2])
    levels = 1
    while isinstance(deep, dict):
        (deep,) = deep.values()
        levels += 1
    assert (levels, deep) == (nesting.DEPTH_MAX, nesting.TOO_DEEP)


def test_the_limit_itself_is_not_deep() -> None:
    """One level more is."""
    assert nesting.readable(nested(nesting.DEPTH_MAX).encode()) == nested(nesting.DEPTH_MAX).encode()
    assert nesting.TOO_DEEP.encode() in nesting.readable(nested(nesting.DEPTH_MAX + 1).encode())


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 5000, b"]" * 5000, nested(5000).encode() + b"}", b'"\xff"'])
def test_what_is_not_json_is_a_value_error(text: bytes) -> None:
    """However deep it is."""
    with pytest.raises(ValueError):
        nesting.loads(text)
