"""The schemas of the built-in kinds, read lazily from the definitions that kubernetes-validate carries as data.

The data says types, required fields and how lists merge. What it lacks and every API server knows is added here: the
Go type names that decoding errors mention, and the defaults that are part of list keys. Defaults and rules of the
kinds themselves are not here (see builtin.py).
"""

from __future__ import annotations

import functools
import json
from importlib import resources as package_data
from typing import Any

from rollouts.sandbox.schema.go_values import NORMALISED, base64_text, forgets_zero
from rollouts.sandbox.schema.model import ANYTHING, Json, Schema, compile_limits, merge_semantics

VERSION = "v1.37.0"
"""The Kubernetes version whose kinds are served."""

_REF = "#/$defs/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
OBJECT_META = f"{_META}ObjectMeta"
DELETE_OPTIONS = f"{_META}DeleteOptions"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_KEY_DEFAULTS = {
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
}
_GO_SCALARS = {"boolean": "bool", "string": "string", "integer": "int64", "number": "float64"}


@functools.cache
def definitions() -> Json:
    """Every built-in definition by name (`io.k8s.api.core.v1.Pod`). The caller must not change it."""
    folder = package_data.files("kubernetes_validate") / "kubernetes-json-schema" / f"{VERSION}-local"
    loaded: Json = json.loads((folder / "_definitions.json").read_text(encoding="utf-8"))["$defs"]
    return loaded


@functools.cache
def _names_by_kind() -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], str] = {}
    for name, definition in definitions().items():
        for gvk in definition.get("x-kubernetes-group-version-kind") or ():
            found.setdefault((gvk["group"], gvk["version"], gvk["kind"]), name)
    return found


def definition_name(group: str, version: str, kind: str) -> str | None:
    """The name of the definition of a built-in kind; None when there is none."""
    return _names_by_kind().get((group, version, kind))


@functools.cache
def builtin_schema(group: str, version: str, kind: str) -> Schema:
    """The compiled schema of a built-in kind; one that accepts anything when the data does not know the kind."""
    name = definition_name(group, version, kind)
    if name is None:
        return ANYTHING
    schema = compile_definition(name)
    schema.status_apart = "status" in schema.properties
    return schema


@functools.cache
def compile_definition(name: str) -> Schema:
    """Compile a definition by name, with everything it refers to; a reference to itself becomes a cycle."""
    return _Compiler().named(name)


class _Compiler:
    """Compiles definitions that refer to each other; a name is one node within one compilation."""

    def __init__(self) -> None:
        self._named: dict[str, Schema] = {}

    def named(self, name: str) -> Schema:
        """The node of a definition; it may still be empty while the definition refers to itself."""
        if name not in self._named:
            node = self._named[name] = Schema()
            self._fill(node, definitions()[name])
            self._finish(node, name)
        return self._named[name]

    def _finish(self, node: Schema, name: str) -> None:
        *_, version, kind = name.rsplit(".", 2)
        if node.properties or node.type == "object":
            node.go_type = f"{version}.{kind}"
        node.normalise = NORMALISED.get(name)
        node.int_or_string = name == _INT_OR_STRING
        for field, part in node.properties.items():
            shape = "map" if part.type == "object" and part.additional else part.type
            is_text_of_its_own = part.normalise is None and field not in node.required
            part.omits_zero = is_text_of_its_own and shape != "object" and forgets_zero(kind, field, shape)
        for (owner, field), default in _KEY_DEFAULTS.items():
            if owner == name:
                node.properties[field].default = default
                node.defaults += (field,)

    def _node(self, definition: Json) -> Schema:
        if "$ref" in definition:
            return self._merging_reference(self.named(definition["$ref"].removeprefix(_REF)), definition)
        node = Schema()
        self._fill(node, definition)
        return node

    def _merging_reference(self, target: Schema, definition: Json) -> Schema:
        """A reference that says itself how it merges (as a Deployment's strategy does) copies its target."""
        if not any(word.startswith("x-kubernetes-") for word in definition):
            return target
        node = Schema()
        for slot in Schema.__slots__:
            setattr(node, slot, getattr(target, slot))
        merge_semantics(node, definition)
        return node

    def _fill(self, node: Schema, definition: Json) -> None:
        node.type = _single_type(definition.get("type"))
        node.properties = {name: self._node(part) for name, part in (definition.get("properties") or {}).items()}
        node.required = tuple(definition.get("required") or ())
        if isinstance(definition.get("additionalProperties"), dict):
            node.additional = self._node(definition["additionalProperties"])
        if isinstance(definition.get("items"), dict):
            node.items = self._node(definition["items"])
        node.preserve_unknown = node.type in ("", "object") and not node.properties and node.additional is None
        node.limits = compile_limits({"format": definition.get("format")})
        if definition.get("format") == "byte":
            node.normalise = base64_text
        node.go_type = _go_type(node, definition.get("format") or "")
        merge_semantics(node, definition)


def _single_type(types: Any) -> str:
    """The data writes optional fields as ["string", "null"]; null is never stored, so only the first matters."""
    return (types[0] if isinstance(types, list) else types) or ""


def _go_type(node: Schema, format_name: str) -> str:
    if node.type == "array" and node.items:
        return f"[]{node.items.go_type}"
    if node.type == "object" and node.additional:
        return f"map[string]{node.additional.go_type}"
    if node.type == "integer" and format_name == "int32":
        return "int32"
    return _GO_SCALARS.get(node.type, "")
