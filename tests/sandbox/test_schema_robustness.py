"""Whatever a client sends, admission answers: an object to store, or a refusal. Never an error of its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollouts.sandbox.admission import admit
from rollouts.sandbox.errors import ApiError
from rollouts.sandbox.patching.apply import apply
from rollouts.sandbox.patching.managed import Writer, record
from rollouts.sandbox.resources import BUILTIN, Json, Resource, custom_resources
from rollouts.sandbox.schema.catalog import schema_of
from rollouts.sandbox.schema.model import Schema
from tests.sandbox.gauges import DEFINITION

DEPTH_MAX = 7
PROPERTIES_MAX = 4
GAUGE = custom_resources(DEFINITION)[0]
STORED = [resource for resource in (*BUILTIN, GAUGE) if not resource.is_review]
TEXTS = st.sampled_from(["", "a", "A b", "1", "50%", "80", "1Gi", "Always", "None", "2026-01-01T00:00:00Z", "Yg=="])
NUMBERS = st.sampled_from([0, 1, -1, 80, 70000, 2**31 - 1])
BY = Writer(manager="m", group_version="v1", now="2026-01-01T00:00:00Z")


@st.composite
def values(draw: st.DrawFn, schema: Schema, depth: int = 0) -> Any:
    """A value that has the shape of the schema, with any subset of its fields; now and then it has not."""
    if draw(st.integers(0, 60)) == 0:
        return draw(st.sampled_from([None, 1, "x", [], {}, True, 1.5]))
    if schema.properties and depth < DEPTH_MAX:
        names = draw(st.lists(st.sampled_from(sorted(schema.properties)), max_size=PROPERTIES_MAX, unique=True))
        return {name: draw(values(schema.properties[name], depth + 1)) for name in {*names, *schema.required}}
    if schema.additional and depth < DEPTH_MAX:
        return {draw(TEXTS): draw(values(schema.additional, depth + 1)) for _ in range(draw(st.integers(0, 2)))}
    if schema.items and depth < DEPTH_MAX:
        return [draw(values(schema.items, depth + 1)) for _ in range(draw(st.integers(0, 2)))]
    scalars = {"string": TEXTS, "integer": NUMBERS, "number": NUMBERS, "boolean": st.booleans()}
    if schema.type in scalars:
        return draw(scalars[schema.type])
    return {} if schema.type == "object" else [] if schema.type == "array" else draw(st.one_of(TEXTS, NUMBERS))


@st.composite
def objects(draw: st.DrawFn, resource: Resource) -> Json:
    """An object of the resource, with a spec."""
    schema = schema_of(resource)
    obj = {name: draw(values(part)) for name, part in schema.properties.items() if name in ("spec", *schema.required)}
    more = draw(values(schema))
    named = {"name": "x", **({"namespace": "default"} if resource.namespaced else {})}
    return {**(more if isinstance(more, dict) else {}), **obj, "metadata": named}


def admitted(resource: Resource, obj: Json, old: Json | None) -> Json | None:
    """What would be stored; None when it is refused."""
    try:
        return admit(resource, obj, old, verb="update", field_validation="Warn").object
    except ApiError as refusal:
        assert refusal.status()["message"]
        return None


@pytest.mark.parametrize("resource", STORED, ids=lambda resource: resource.kind)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_admission_always_answers(resource: Resource, data: st.DataObject) -> None:
    """And what it stores, it accepts again unchanged."""
    first = data.draw(objects(resource))
    stored = admitted(resource, first, None)
    if stored is None:
        return
    assert admitted(resource, stored, stored) == stored
    admitted(resource, data.draw(objects(resource)), stored)


@pytest.mark.parametrize("resource", STORED, ids=lambda resource: resource.kind)
@given(data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_applying_always_answers(resource: Resource, data: st.DataObject) -> None:
    """Applying what was applied changes nothing, and an ordinary write can follow."""
    wanted, schema = data.draw(objects(resource)), schema_of(resource)
    try:
        once = apply(None, wanted, by=BY, force=False, schema=schema)
        if "managedFields" not in once["metadata"]:  # who applies nothing owns nothing, and is forgotten
            return
        assert apply(once, wanted, by=BY, force=False, schema=schema) == once
        other = Writer(manager="o", group_version="v1", now="2026-01-02T00:00:00Z")
        apply(
            record(once, data.draw(objects(resource)), by=other, schema=schema),
            wanted,
            by=BY,
            force=True,
            schema=schema,
        )
    except ApiError as refusal:
        assert refusal.status()["message"]
