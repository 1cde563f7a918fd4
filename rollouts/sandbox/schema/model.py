"""A schema, compiled once into nodes that every walker reads: pruning, defaulting, validation, patching, ownership.

Two sources become the same nodes: the OpenAPI v3 schema of a CustomResourceDefinition (`compile_custom`) and the
definitions of the built-in kinds (see definitions.py). A node says what a value may be and how lists and maps merge;
it has no behaviour. Nodes may form cycles (a JSON schema describes itself): walkers follow the value, not the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollouts.sandbox.schema.patterns import compile_pattern

Json = dict[str, Any]

NO_DEFAULT: Any = object()
"""Stands for "the schema has no default", since null can be one."""


@dataclass(slots=True, kw_only=True, eq=False)
class Rule:
    """One entry of `x-kubernetes-validations`."""

    expression: str
    message: str = ""
    message_expression: str = ""
    reason: str = "FieldValueInvalid"
    field_path: str = ""
    optional_old_self: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Limits:
    """The value checks of a node that has any; None means unlimited."""

    enum: tuple[Any, ...] | None = None
    pattern: re.Pattern[str] | None = None
    pattern_text: str = ""
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False
    min_properties: int | None = None
    max_properties: int | None = None
    format: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Junctors:
    """The logical parts of a node; each branch only validates, it never prunes or defaults."""

    all_of: tuple[Schema, ...] = ()
    any_of: tuple[Schema, ...] = ()
    one_of: tuple[Schema, ...] = ()
    none_of: Schema | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Schema:
    """What a value may be, and how it merges. An empty `type` accepts anything."""

    type: str = ""
    properties: dict[str, Schema] = field(default_factory=dict)
    additional: Schema | None = None
    items: Schema | None = None
    required: tuple[str, ...] = ()
    nullable: bool = False
    default: Any = NO_DEFAULT
    defaults: tuple[str, ...] = ()
    """The names of the properties that have a default."""
    preserve_unknown: bool = False
    int_or_string: bool = False
    embedded: bool = False
    limits: Limits | None = None
    junctors: Junctors | None = None
    rules: tuple[Rule, ...] = ()
    deep_rules: bool = False
    """Whether this node or one below it has rules."""
    list_type: str = "atomic"
    map_keys: tuple[str, ...] = ()
    map_type: str = "granular"
    merge_key: str = ""
    patch_strategy: tuple[str, ...] = ()
    omits_zero: bool = False
    """Whether a typed server forgets this field when its value is zero or empty."""
    normalise: Callable[[Any], Any] | None = None
    """How a typed server spells the value when it stores it; raises ValueError for what it cannot read."""
    status_apart: bool = False
    """Whether an object's `status` is written through its subresource only."""
    go_type: str = ""
    """How a decoding error of a built-in kind names the type: `int32`, `v1.PodSpec`, `[]v1.Container`."""

    def child(self, name: str) -> Schema | None:
        """The schema of a named field: a known property, or what the map holds; None when nothing is said."""
        return self.properties.get(name) or self.additional


ANYTHING = Schema(preserve_unknown=True, nullable=True)
"""The schema of a value about which nothing is known."""

_INTEGER_FORMATS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_LIMIT_KEYS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_items",
    "maxItems": "max_items",
    "uniqueItems": "unique_items",
    "minProperties": "min_properties",
    "maxProperties": "max_properties",
    "format": "format",
}


def compile_custom(schema: Mapping[str, Any]) -> Schema:
    """Compile one `openAPIV3Schema` (or a part of one)."""
    properties = {name: compile_custom(part) for name, part in (schema.get("properties") or {}).items()}
    additional, items = schema.get("additionalProperties"), schema.get("items")
    node = Schema(
        type=schema.get("type", ""),
        properties=properties,
        additional=_additional(additional),
        items=compile_custom(items) if isinstance(items, Mapping) else None,
        required=tuple(schema.get("required") or ()),
        nullable=bool(schema.get("nullable")),
        default=schema.get("default", NO_DEFAULT),
        defaults=tuple(name for name, part in properties.items() if part.default is not NO_DEFAULT),
        preserve_unknown=bool(schema.get("x-kubernetes-preserve-unknown-fields")),
        int_or_string=bool(schema.get("x-kubernetes-int-or-string")),
        embedded=bool(schema.get("x-kubernetes-embedded-resource")),
        limits=compile_limits(schema),
        junctors=_junctors(schema),
        rules=tuple(_rule(rule) for rule in schema.get("x-kubernetes-validations") or ()),
    )
    merge_semantics(node, schema)
    below = [*properties.values(), *(part for part in (node.additional, node.items) if part)]
    node.deep_rules = bool(node.rules) or any(part.deep_rules for part in below)
    return node


def merge_semantics(node: Schema, schema: Mapping[str, Any]) -> None:
    """Set how lists and maps merge, as far as the schema's `x-kubernetes-` words say so."""
    node.list_type = schema.get("x-kubernetes-list-type", node.list_type)
    node.map_keys = tuple(schema.get("x-kubernetes-list-map-keys", node.map_keys))
    node.map_type = schema.get("x-kubernetes-map-type", node.map_type)
    node.merge_key = schema.get("x-kubernetes-patch-merge-key", node.merge_key)
    strategy = schema.get("x-kubernetes-patch-strategy")
    node.patch_strategy = tuple(strategy.split(",")) if strategy else node.patch_strategy


def compile_limits(schema: Mapping[str, Any]) -> Limits | None:
    """The value checks of a schema; None when it has none."""
    found = {ours: schema[theirs] for theirs, ours in _LIMIT_KEYS.items() if schema.get(theirs) is not None}
    if schema.get("enum") is not None:
        found["enum"] = tuple(schema["enum"])
    if schema.get("pattern"):
        found["pattern_text"] = schema["pattern"]
        found["pattern"] = compile_pattern(schema["pattern"])
    return Limits(**found) if found else None


def integer_range(format_name: str) -> tuple[int, int] | None:
    """The bounds that an integer format implies."""
    return _INTEGER_FORMATS.get(format_name)


def _additional(value: Any) -> Schema | None:
    if isinstance(value, Mapping):
        return compile_custom(value)
    return ANYTHING if value is True else None


def _rule(rule: Mapping[str, Any]) -> Rule:
    return Rule(
        expression=rule["rule"],
        message=rule.get("message", ""),
        message_expression=rule.get("messageExpression", ""),
        reason=rule.get("reason") or "FieldValueInvalid",
        field_path=rule.get("fieldPath", ""),
        optional_old_self=bool(rule.get("optionalOldSelf")),
    )


def _junctors(schema: Mapping[str, Any]) -> Junctors | None:
    if not any(schema.get(word) for word in ("allOf", "anyOf", "oneOf", "not")):
        return None
    if schema.get("x-kubernetes-int-or-string") and not any(schema.get(word) for word in ("allOf", "oneOf", "not")):
        return None  # its anyOf only repeats "integer or string", which int_or_string says already
    return Junctors(
        all_of=tuple(compile_custom(part) for part in schema.get("allOf") or ()),
        any_of=tuple(compile_custom(part) for part in schema.get("anyOf") or ()),
        one_of=tuple(compile_custom(part) for part in schema.get("oneOf") or ()),
        none_of=compile_custom(schema["not"]) if schema.get("not") else None,
    )
