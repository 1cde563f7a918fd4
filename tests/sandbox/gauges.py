"""A custom resource whose schema uses what schemas can say: `gauges.claims.example.com`."""

from __future__ import annotations

from typing import Any

from tests.sandbox.rest import Api, Json

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GAUGES = "claims.example.com/v1/gauges"
LIMITED: Json = {
    "type": "object",
    "properties": {
        "min": {"type": "integer"},
        "max": {"type": "integer"},
        "unit": {
            "type": "string",
            "maxLength": 20,
            "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "the unit is for ever"},
                {"rule": "self.size() < 5"},
            ],
        },
        "two-words": {"type": "string", "maxLength": 20},
        "marks": {
            "type": "array",
            "maxItems": 5,
            "items": {
                "type": "object",
                "properties": {"at": {"type": "integer"}},
                "x-kubernetes-validations": [
                    {
                        "rule": "!has(self.at) || self.at > 0",
                        "messageExpression": "'marks are ' + 'above zero'",
                        "reason": "FieldValueForbidden",
                        "fieldPath": ".at",
                    }
                ],
            },
        },
    },
    "x-kubernetes-validations": [
        {"rule": "!has(self.min) || !has(self.max) || self.min <= self.max", "message": "min must not exceed max"},
        {"rule": "!has(self.two__dash__words) || self.two__dash__words.lowerAscii() == 'a b'"},
    ],
}
SPEC: Json = {
    "type": "object",
    "required": ["title"],
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "level": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 10},
        "ratio": {"type": "number", "exclusiveMinimum": True, "minimum": 0},
        "code": {"type": "string", "maxLength": 4, "pattern": "^[a-z]+$"},
        "size": {"type": "string", "enum": ["small", "large"]},
        "on": {"type": "boolean"},
        "amount": {"x-kubernetes-int-or-string": True},
        "maybe": {"type": "string", "nullable": True},
        "colour": {"type": "string", "default": "grey"},
        "since": {"type": "string", "format": "date-time"},
        "few": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "weight": {"type": "integer", "default": 3},
                    "note": {"type": "string"},
                },
            },
        },
        "counts": {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "integer"}},
        "inner": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "free": {"x-kubernetes-preserve-unknown-fields": True},
        "semi": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"known": {"type": "object", "properties": {"z": {"type": "string"}}}},
        },
        "either": {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        "nested": {"type": "object", "default": {}, "properties": {"depth": {"type": "integer", "default": 1}}},
        "limited": LIMITED,
    },
}
STATUS: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
DEFINITION: Json = {
    "metadata": {"name": "gauges.claims.example.com"},
    "spec": {
        "group": "claims.example.com",
        "scope": "Namespaced",
        "names": {"plural": "gauges", "kind": "Gauge"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC, "status": STATUS}},
                },
            }
        ],
    },
}


def gauge(name: str = "x", **spec: Any) -> Json:
    """A valid gauge, but for these fields of its spec."""
    meta = {"name": name}
    return {"apiVersion": "claims.example.com/v1", "kind": "Gauge", "metadata": meta, "spec": {"title": "g", **spec}}


def install(api: Api) -> None:
    """Define gauges and wait until they are served; again is no harm."""
    if api.get(f"{DEFINITIONS}/gauges.claims.example.com").code == 404:
        api.created(DEFINITIONS, DEFINITION)
    api.eventually_served(GAUGES)
