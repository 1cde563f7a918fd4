"""Which part of an old object a part of the new one replaces, and whether it differs from it."""

from __future__ import annotations

import json
from typing import Any

from rollouts.sandbox.schema.model import Schema

ItemKey = tuple[str, ...]


def item_key(item: Any, schema: Schema) -> ItemKey:
    """The identity of an item of a list of maps, by the values of the list's keys."""
    return tuple(repr(item.get(name)) for name in schema.map_keys) if type(item) is dict else ()


def by_key(items: Any, schema: Schema) -> dict[ItemKey, Any]:
    """The items of a list of maps by identity; nothing for other lists, whose items replace nobody in particular."""
    if schema.list_type != "map" or type(items) is not list:
        return {}
    return {item_key(item, schema): item for item in items}


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, where true is not 1."""
    if one != other:
        return False
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
