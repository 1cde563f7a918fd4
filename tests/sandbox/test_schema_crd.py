"""Which CustomResourceDefinitions are accepted, and what the server says about the others."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest

from tests.sandbox.rest import ATTEMPTS_MAX, Api, Json

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
A_NAME = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
SCHEMA = "spec.validation.openAPIV3Schema"


def definition(schema: Json | None = None, **spec: Any) -> Json:
    declared = {"openAPIV3Schema": schema or {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": declared}
    names = {"plural": "bars", "kind": "Bar"}
    body = {"group": "claims.example.com", "scope": "Namespaced", "names": names, "versions": [version], **spec}
    return {"metadata": {"name": "bars.claims.example.com"}, "spec": body}


def with_field(field: Json) -> Json:
    return {"type": "object", "properties": {"a": field}}


def complaint(api: Api, body: Json) -> str:
    answer = api.post(f"{PATH}?dryRun=All", copy.deepcopy(body))
    assert (answer.code, answer.reason) == (422, "Invalid"), answer
    head = f'CustomResourceDefinition.apiextensions.k8s.io "{body["metadata"]["name"]}" is invalid: '
    return answer.message.removeprefix(head)


DEFINITIONS = [
    (
        definition(group="other.example.com"),
        'metadata.name: Invalid value: "bars.claims.example.com": must be spec.names.plural+"."+spec.group',
    ),
    (definition(scope="Galaxy"), 'spec.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced"'),
    (
        definition(names={"plural": "bars", "kind": "Bar", "listKind": "Bar"}),
        'spec.names.listKind: Invalid value: "Bar": kind and listKind may not be the same',
    ),
    (
        definition(names={"plural": "bars", "kind": "Bar", "shortNames": ["X"]}),
        f'spec.names.shortNames[0]: Invalid value: "X": {A_NAME}',
    ),
    (
        definition(preserveUnknownFields=True),
        "spec.preserveUnknownFields: Invalid value: true: cannot set to true, "
        "set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
    ),
]
FIELDS = [
    ({}, "type: Required value: must not be empty for specified object fields"),
    ({"type": "array"}, "items: Required value: must be specified"),
    ({"type": "array", "items": {}}, "items.type: Required value: must not be empty for specified array items"),
    (
        {"type": "text"},
        'type: Unsupported value: "text": '
        'supported values: "array", "boolean", "integer", "number", "object", "string"',
    ),
    (
        {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
        "uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
    ),
    (
        {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": {"type": "string"}},
        "additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
    ),
    (
        {"type": "string", "x-kubernetes-list-type": "set"},
        'type: Invalid value: "string": must be array if x-kubernetes-list-type is specified',
    ),
    (
        {"type": "array", "x-kubernetes-list-type": "heap", "items": {"type": "string"}},
        'x-kubernetes-list-type: Unsupported value: "heap": supported values: "atomic", "set", "map"',
    ),
    (
        {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["z"],
            "items": {"type": "object", "properties": {"n": {"type": "string"}}},
        },
        'x-kubernetes-list-map-keys: Invalid value: ["z"]: entries must all be names of item properties',
    ),
    (
        {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["n"],
            "items": {"type": "object", "properties": {"n": {"type": "string"}}},
        },
        "items.properties[n].default: Required value: "
        "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
    ),
    (
        {"type": "object", "x-kubernetes-preserve-unknown-fields": False},
        "x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
    ),
    ({"type": "string", "default": 1}, 'default: Invalid value: "integer":  in body must be of type string: "integer"'),
    ({"type": "object", "default": {"x": 1}}, 'default: Invalid value: {"x":1}: must not have unknown fields'),
    ({"type": "string", "$ref": "#/elsewhere"}, "$ref: Forbidden: $ref is not supported"),
    ({"type": "string", "anyOf": [{"type": "string"}]}, "anyOf[0].type: Forbidden: must be empty to be structural"),
    (
        {"type": "object", "x-kubernetes-embedded-resource": True},
        "properties: Required value: "
        "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
    ),
    (
        {"type": "string", "x-kubernetes-validations": [{"rule": "self.size() > 1", "message": "a\nb"}]},
        'x-kubernetes-validations[0].message: Invalid value: "a\\nb": must not contain line breaks',
    ),
]


@pytest.mark.parametrize(("body", "said"), DEFINITIONS)
def test_a_definition_that_breaks_a_rule_is_refused(api_anywhere: Api, body: Json, said: str) -> None:
    """With the field and the rule, in the server's words."""
    assert complaint(api_anywhere, body) == said


@pytest.mark.parametrize(("field", "said"), FIELDS)
def test_a_schema_must_be_structural(api_anywhere: Api, field: Json, said: str) -> None:
    """Every field has one type in one place, so that objects can be pruned and defaulted."""
    assert complaint(api_anywhere, definition(with_field(field))) == f"{SCHEMA}.properties[a].{said}"


def test_a_schema_needs_a_type_at_its_root(api_anywhere: Api) -> None:
    """Whatever else it says."""
    body = definition({"properties": {"a": {"type": "string"}}})
    assert complaint(api_anywhere, body) == f"{SCHEMA}.type: Required value: must not be empty at the root"


def test_metadata_is_not_for_a_schema_to_define(api_anywhere: Api) -> None:
    """Its name may be restricted, nothing else."""
    metadata = {"type": "object", "properties": {"labels": {"type": "object"}}}
    said = complaint(api_anywhere, definition({"type": "object", "properties": {"metadata": metadata}}))
    detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
    assert said == f"{SCHEMA}.properties[metadata]: Forbidden: {detail}"


def test_a_rule_must_compile(api_anywhere: Api) -> None:
    """The compiler's report says where it does not."""
    field = {"type": "string", "x-kubernetes-validations": [{"rule": "self =="}]}
    said = complaint(api_anywhere, definition(with_field(field)))
    assert said.startswith(f"{SCHEMA}.properties[a].x-kubernetes-validations[0].rule: Invalid value: ")
    assert "compilation failed: ERROR: <input>:1:8: Syntax error" in said


def test_the_scale_subresource_points_into_spec_and_status(api_anywhere: Api) -> None:
    """Elsewhere there is nothing to scale."""
    body = definition()
    paths = {"specReplicasPath": ".status.x", "statusReplicasPath": ".status.replicas"}
    body["spec"]["versions"][0]["subresources"] = {"scale": paths}
    place = "spec.subresources.scale.specReplicasPath"
    assert complaint(api_anywhere, body) == f'{place}: Invalid value: ".status.x": should be a json path under .spec'


def test_a_printer_column_has_a_name_a_type_and_a_path(api_anywhere: Api) -> None:
    """Each is missed by its own name."""
    body = definition()
    column = {"name": "", "type": "text", "jsonPath": "x"}
    body["spec"]["versions"][0]["additionalPrinterColumns"] = [column]
    place = "spec.additionalPrinterColumns[0]"
    assert complaint(api_anywhere, body) == (
        f"[{place}.name: Required value, "
        f'{place}.type: Invalid value: "text": must be one of boolean,date,integer,number,string, '
        f'{place}.JSONPath: Invalid value: "x": must be a simple json path starting with .]'
    )


def test_one_version_is_stored(api_anywhere: Api) -> None:
    """Not none, not two."""
    said = complaint(api_anywhere, definition(versions=[]))
    assert "spec.versions: Invalid value: []: must have exactly one version marked as storage version" in said


def test_names_are_completed(api_anywhere: Api) -> None:
    """The singular and the kind of the list follow from the kind."""
    answer = api_anywhere.post(f"{PATH}?dryRun=All", definition())
    assert answer.code == 201
    names = {"plural": "bars", "kind": "Bar", "singular": "bar", "listKind": "BarList"}
    assert answer["spec"]["names"] == names
    assert answer["spec"]["conversion"] == {"strategy": "None"}
    assert answer["status"]["storedVersions"] == ["v1"]


def condition(api: Api, name: str, kind: str) -> Json:
    """A condition of a definition, once it is there: a real server judges a moment later."""
    for _ in range(ATTEMPTS_MAX):
        for each in api.get(f"{PATH}/{name}")["status"].get("conditions") or ():
            if each["type"] == kind:
                return dict(each)
        time.sleep(0.1)
    raise AssertionError(f"{name} has no condition {kind}")


def test_a_name_belongs_to_who_was_accepted_first(api: Api) -> None:
    """The other definition of the group says so, and is served as soon as the name is free."""
    group = f"{api.namespace}.example.com"
    first, second = (
        definition(group=group, names={"plural": plural, "kind": "Bar"}) | {"metadata": {"name": f"{plural}.{group}"}}
        for plural in ("bars", "pubs")
    )
    api.created(PATH, first)
    api.eventually_served(f"{group}/v1/bars")
    api.created(PATH, second)
    refused = condition(api, f"pubs.{group}", "NamesAccepted")
    assert (refused["status"], refused["reason"]) == ("False", "ListKindConflict")
    assert refused["message"] == '"BarList" is already in use'
    assert condition(api, f"pubs.{group}", "Established")["status"] == "False"
    assert api.get(f"{PATH}/pubs.{group}")["status"]["acceptedNames"] == {"plural": "pubs", "kind": ""}
    assert api.get(f"{group}/v1/pubs").code == 404
    assert api.delete(f"{PATH}/bars.{group}").code == 200
    api.eventually_served(f"{group}/v1/pubs")
    assert api.get(f"{group}/v1/bars").code == 404
