"""What a CustomResourceDefinition's schema may say: the rules that make a schema structural, and a few more.

Structural means that every field has a type in one place, so that objects can be pruned and defaulted without solving
logic: inside allOf, anyOf, oneOf and not there are only value checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.sandbox.schema import violations as say
from rollouts.sandbox.schema.cel import compile_expression
from rollouts.sandbox.schema.definitions import OBJECT_META, compile_definition
from rollouts.sandbox.schema.model import Json, Schema, compile_custom
from rollouts.sandbox.schema.patterns import compile_pattern
from rollouts.sandbox.schema.pruning import prune
from rollouts.sandbox.schema.validation import validate
from rollouts.sandbox.schema.violations import Violation

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = ("additionalItems", "patternProperties", "definitions", "dependencies", "$ref", "id")
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_STRUCTURE = {"type": "must be empty", "default": "must be undefined", "nullable": "must be false"}
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_EMBEDDED = "x-kubernetes-embedded-resource"
_LIST_TYPE = "x-kubernetes-list-type"
_MAP_KEYS = "x-kubernetes-list-map-keys"
_MAP_TYPE = "x-kubernetes-map-type"
_RULES = "x-kubernetes-validations"


def check_schema(schema: Json, where: str, found: list[Violation]) -> None:
    """Append to `found` what makes this `openAPIV3Schema` unacceptable."""
    if schema.get("nullable"):
        found.append(say.forbidden(f"{where}.nullable", "nullable cannot be true at the root"))
    before = len(found)
    _check_node(schema, where, found, at="root")
    _check_metadata(schema, where, found)
    if len(found) == before:
        _check_defaults(schema, where, found)


def _check_node(schema: Json, where: str, found: list[Violation], *, at: str) -> None:
    _check_type(schema, where, found, at=at)
    _check_words(schema, where, found)
    _check_lists(schema, where, found)
    _check_rules(schema, where, found)
    _check_logic(schema, where, found)
    for name, part in (schema.get("properties") or {}).items():
        if at != "root" or name != "metadata":
            _check_node(part, f"{where}.properties[{name}]", found, at="field")
    if isinstance(schema.get("additionalProperties"), Mapping):
        _check_node(schema["additionalProperties"], f"{where}.additionalProperties", found, at="field")
    if isinstance(schema.get("items"), Mapping):
        _check_node(schema["items"], f"{where}.items", found, at="item")


_TYPE_NEEDED = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def _check_type(schema: Json, where: str, found: list[Violation], *, at: str) -> None:
    kind = schema.get("type", "")
    if kind and kind not in _TYPES:
        found.append(say.unsupported(f"{where}.type", kind, _TYPES))
    elif at == "root" and kind not in ("", "object"):
        found.append(say.invalid(f"{where}.type", kind, "must be object at the root"))
    elif schema.get(_EMBEDDED) and kind != "object":
        found.append(say.required(f"{where}.type", f"must be object if {_EMBEDDED} is true"))
    elif not kind and not schema.get(_INT_OR_STRING) and not (schema.get(_PRESERVE) and at != "root"):
        found.append(say.required(f"{where}.type", _TYPE_NEEDED[at]))
    if kind == "array" and not isinstance(schema.get("items"), Mapping):
        detail = "items must be a schema object and not an array" if schema.get("items") else "must be specified"
        found.append((say.forbidden if schema.get("items") else say.required)(f"{where}.items", detail))


def _check_words(schema: Json, where: str, found: list[Violation]) -> None:
    refused = [word for word in _UNSUPPORTED if schema.get(word)]
    found.extend(say.forbidden(f"{where}.{word}", f"{word} is not supported") for word in refused)
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        found.append(say.forbidden(f"{where}.uniqueItems", detail))
    if schema.get("additionalProperties") and schema.get("properties"):
        detail = "additionalProperties and properties are mutual exclusive"
        found.append(say.forbidden(f"{where}.additionalProperties", detail))
    if schema.get(_PRESERVE) is False:
        found.append(say.invalid(f"{where}.{_PRESERVE}", False, "must be true or undefined"))  # noqa: FBT003  # a value
    if schema.get(_EMBEDDED) and not schema.get("properties") and not schema.get(_PRESERVE):
        detail = f"must not be empty if {_EMBEDDED} is true without {_PRESERVE}"
        found.append(say.required(f"{where}.properties", detail))
    if schema.get("pattern"):
        _check_pattern(schema["pattern"], f"{where}.pattern", found)


def _check_pattern(pattern: str, where: str, found: list[Violation]) -> None:
    try:
        compile_pattern(pattern)
    except re.error as why:
        detail = f"must be a valid regular expression, but isn't: error parsing regexp: {why}"
        found.append(say.invalid(where, pattern, detail))


def _check_lists(schema: Json, where: str, found: list[Violation]) -> None:
    list_type, map_type, keys = schema.get(_LIST_TYPE), schema.get(_MAP_TYPE), schema.get(_MAP_KEYS)
    kind = schema.get("type", "")
    if map_type is not None and kind != "object":
        found.append(say.invalid(f"{where}.type", kind, f"must be object if {_MAP_TYPE} is specified"))
    if map_type not in (None, "atomic", "granular"):
        found.append(say.unsupported(f"{where}.{_MAP_TYPE}", map_type, ("atomic", "granular")))
    if list_type is not None and kind != "array":
        found.append(say.invalid(f"{where}.type", kind, f"must be array if {_LIST_TYPE} is specified"))
    if list_type not in (None, "atomic", "set", "map"):
        found.append(say.unsupported(f"{where}.{_LIST_TYPE}", list_type, ("atomic", "set", "map")))
    if keys and list_type != "map":
        detail = f"must be map if {_MAP_KEYS} is non-empty"
        shown = say.invalid(f"{where}.{_LIST_TYPE}", list_type, detail)
        found.append(shown if list_type else say.required(f"{where}.{_LIST_TYPE}", detail))
    if list_type == "map":
        _check_keys(schema, where, found)


def _check_keys(schema: Json, where: str, found: list[Violation]) -> None:
    keys, items = schema.get(_MAP_KEYS) or [], schema.get("items")
    if not keys:
        detail = f"must not be empty if {_LIST_TYPE} is map"
        found.append(say.required(f"{where}.{_MAP_KEYS}", detail))
    if not isinstance(items, Mapping):
        found.append(say.required(f"{where}.items", f"must have a schema if {_LIST_TYPE} is map"))
        return
    if items.get("type") != "object":
        detail = f"must be object if parent array's {_LIST_TYPE} is map"
        found.append(say.invalid(f"{where}.items.type", items.get("type", ""), detail))
    properties = items.get("properties") or {}
    for key in keys:
        if key not in properties:
            detail = "entries must all be names of item properties"
            found.append(say.invalid(f"{where}.{_MAP_KEYS}", keys, detail))
        elif key not in (items.get("required") or ()) and "default" not in properties[key]:
            detail = f"this property is in {_MAP_KEYS}, so it must have a default or be a required property"
            found.append(say.required(f"{where}.items.properties[{key}].default", detail))


def _check_rules(schema: Json, where: str, found: list[Violation]) -> None:
    for index, rule in enumerate(schema.get(_RULES) or ()):
        place = f"{where}.{_RULES}[{index}]"
        message = rule.get("message")
        if not rule.get("rule", "").strip():
            found.append(say.required(f"{place}.rule", "rule is not specified"))
        if message is not None and not message.strip():
            found.append(say.invalid(f"{place}.message", message, "must be non-empty if specified"))
        elif message and "\n" in message.strip():
            found.append(say.invalid(f"{place}.message", message, "must not contain line breaks"))
        if rule.get("reason") not in (None, *_REASONS):
            found.append(say.unsupported(f"{place}.reason", rule["reason"], _REASONS))
        _check_expression(rule, "rule", place, found)
        _check_expression(rule, "messageExpression", place, found)


def _check_expression(rule: Json, name: str, place: str, found: list[Violation]) -> None:
    text = rule.get(name, "")
    if not text.strip():
        return
    try:
        compile_expression(text)
    except ValueError as why:
        names = ("Rule", "Message", "MessageExpression", "Reason", "FieldPath", "OptionalOldSelf")
        given = (text, rule.get("message", ""), rule.get("messageExpression", ""), rule.get("reason"))
        shown = dict(zip(names, (*given, rule.get("fieldPath", ""), rule.get("optionalOldSelf")), strict=True))
        found.append(say.invalid(f"{place}.{name}", shown, f"compilation failed: {_compiler_says(str(why))}"))


def _compiler_says(message: str) -> str:
    """The compiler's report, without the sentence that the library puts before it."""
    return message[max(message.find("ERROR:"), 0) :].replace("\n|", "\n |")


def _check_logic(schema: Json, where: str, found: list[Violation]) -> None:
    for place, part in _branches(schema, where):
        if schema.get(_INT_OR_STRING) and part.keys() == {"type"} and part["type"] in ("integer", "string"):
            continue
        _check_branch(part, place, found)


def _branches(schema: Json, where: str) -> Iterator[tuple[str, Json]]:
    for word in ("allOf", "anyOf", "oneOf"):
        for index, part in enumerate(schema.get(word) or ()):
            yield f"{where}.{word}[{index}]", part
    if schema.get("not"):
        yield f"{where}.not", schema["not"]


def _check_branch(schema: Json, where: str, found: list[Violation]) -> None:
    """A branch of logic says nothing about structure."""
    for word, rule in _STRUCTURE.items():
        if schema.get(word):
            found.append(say.forbidden(f"{where}.{word}", f"{rule} to be structural"))
    if schema.get("additionalProperties"):
        found.append(say.forbidden(f"{where}.additionalProperties", "must be undefined to be structural"))
    for name, part in (schema.get("properties") or {}).items():
        _check_branch(part, f"{where}.properties[{name}]", found)
    if isinstance(schema.get("items"), Mapping):
        _check_branch(schema["items"], f"{where}.items", found)
    for place, part in _branches(schema, where):
        _check_branch(part, place, found)


def _check_metadata(schema: Json, where: str, found: list[Violation]) -> None:
    metadata = (schema.get("properties") or {}).get("metadata")
    if metadata is None:
        return
    if metadata.get("type") != "object":
        found.append(say.invalid(f"{where}.properties[metadata].type", metadata.get("type", ""), "must be object"))
    if set(metadata.get("properties") or ()) - {"name", "generateName"}:
        detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        found.append(say.forbidden(f"{where}.properties[metadata]", detail))


def _check_defaults(schema: Json, where: str, found: list[Violation]) -> None:
    """Every default must be valid and complete as it stands."""
    if "default" in schema:
        _check_default(schema, f"{where}.default", found)
    for name, part in (schema.get("properties") or {}).items():
        _check_defaults(part, f"{where}.properties[{name}]", found)
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), Mapping):
            _check_defaults(schema[word], f"{where}.{word}", found)


def _check_default(schema: Json, where: str, found: list[Violation]) -> None:
    node: Schema = compile_custom(schema)
    if node.embedded:
        node.properties["metadata"] = compile_definition(OBJECT_META)
    unknown: list[str] = []
    value: Any = schema["default"]
    prune(value, node, unknown)
    if unknown:
        found.append(say.invalid(where, value, "must not have unknown fields"))
        return
    wrong: list[Violation] = []
    validate(value, node, wrong)
    for one in wrong:
        found.append(Violation(f"{where}.{one.field}" if one.field else where, one.reason, one.message))
