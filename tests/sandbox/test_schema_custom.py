"""What a custom resource's schema does to its objects: pruning, defaulting, validation and rules."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.sandbox.gauges import GAUGES, gauge, install
from tests.sandbox.refusals import A_NAME_PART
from tests.sandbox.rest import ATTEMPTS_MAX, Api, Json

DEFAULTS = {"colour": "grey", "nested": {"depth": 1}}
NOT_CHECKED = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


@pytest.fixture
def gauges(api: Api) -> Api:
    """The API, in a namespace of the test's own, with gauges served."""
    install(api)
    return api


def stored(api: Api, **spec: Any) -> Json:
    """What would be stored of a gauge's spec, without its name and the defaults of others."""
    answer = api.post(f"{GAUGES}?dryRun=All", gauge(**spec))
    assert answer.code == 201, answer
    return {name: value for name, value in answer["spec"].items() if name in spec}


def refused(api: Api, **spec: Any) -> str:
    """What is said about a gauge, after its name."""
    answer = api.post(f"{GAUGES}?dryRun=All", gauge(**spec))
    assert (answer.code, answer.reason) == (422, "Invalid"), answer
    return answer.message.removeprefix('Gauge.claims.example.com "x" is invalid: ')


def eventually_answers(api: Api, code: int) -> None:
    """A real server takes a moment to serve a changed definition, and shows in nothing else that it does."""
    for _ in range(ATTEMPTS_MAX):
        if api.post(f"{GAUGES}?dryRun=All", gauge("y", colour="mauve")).code == code:
            return
        time.sleep(0.05)
    raise AssertionError(f"a mauve gauge is not answered with {code}")


INNER: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a b": "c"}}}
BREAKS_A_LIMIT: list[tuple[Json, str]] = [
    ({"level": 0}, "spec.level: Invalid value: 0: spec.level in body should be greater than or equal to 1"),
    ({"level": 11}, "spec.level: Invalid value: 11: spec.level in body should be less than or equal to 10"),
    ({"ratio": 0}, "spec.ratio: Invalid value: 0: spec.ratio in body should be greater than 0"),
    ({"code": "A"}, "spec.code: Invalid value: \"A\": spec.code in body should match '^[a-z]+$'"),
    ({"title": ""}, 'spec.title: Invalid value: "": spec.title in body should be at least 1 chars long'),
    ({"inner": INNER}, f'spec.inner.metadata.labels: Invalid value: "a b": {A_NAME_PART}'),
    ({"few": []}, "spec.few: Invalid value: 0: spec.few in body should have at least 1 items"),
    ({"tags": ["a", "a"]}, 'spec.tags[1]: Duplicate value: "a"'),
    ({"parts": [{"name": "p"}, {"name": "p"}]}, 'spec.parts[1]: Duplicate value: {"name":"p"}'),
    (
        {"either": {"a": "1", "b": "2"}},
        '<nil>: Invalid value: "": "spec.either" must validate one and only one schema (oneOf). '
        "Found 2 valid alternatives",
    ),
]
BREAKS_THE_SHAPE: list[tuple[Json, str]] = [
    ({"level": "x"}, 'spec.level: Invalid value: "string": spec.level in body must be of type integer: "string"'),
    ({"on": 1}, 'spec.on: Invalid value: "integer": spec.on in body must be of type boolean: "integer"'),
    (
        {"amount": True},
        'spec.amount: Invalid value: "boolean": spec.amount in body must be of type integer,string: "boolean"',
    ),
    ({"size": "medium"}, 'spec.size: Unsupported value: "medium": supported values: "small", "large"'),
    ({"code": "abcde"}, "spec.code: Too long: may not be more than 4 bytes"),
    ({"few": ["a", "b", "c"]}, "spec.few: Too many: 3: must have at most 2 items"),
    ({"counts": {"a": 1, "b": 2}}, "spec.counts: Too many: 2: must have at most 1 item"),
    ({"since": "x"}, 'spec.since: Invalid value: "x": spec.since in body must be of type date-time: "x"'),
    ({"parts": [{"weight": 1}]}, "spec.parts[0].name: Required value"),
    ({"title": None}, "spec.title: Required value"),
]


@pytest.mark.parametrize(("spec", "complaint"), BREAKS_A_LIMIT)
def test_a_value_beyond_a_limit_is_refused(gauges: Api, spec: Json, complaint: str) -> None:
    """With the field, the value and the limit."""
    assert refused(gauges, **spec) == complaint


@pytest.mark.parametrize(("spec", "complaint"), BREAKS_THE_SHAPE)
def test_rules_are_not_run_on_an_object_of_the_wrong_shape(gauges: Api, spec: Json, complaint: str) -> None:
    """They could not rely on what they read, so the server says that they were left out."""
    assert refused(gauges, **spec) == f"[{complaint}, {NOT_CHECKED}]"


def test_unknown_fields_are_pruned(gauges: Api) -> None:
    """And reported, with their place."""
    answer = gauges.post(f"{GAUGES}?dryRun=All", gauge(typo=1, parts=[{"name": "p", "typo": 2}]))
    assert answer["spec"] == {"title": "g", "parts": [{"name": "p", "weight": 3}], **DEFAULTS}
    assert 'unknown field \\"spec.typo\\"' in answer.warnings
    assert 'unknown field \\"spec.parts[0].typo\\"' in answer.warnings


def test_strict_validation_refuses_unknown_fields(gauges: Api) -> None:
    """As kubectl asks for."""
    body = gauge(typo=1)
    body["metadata"]["typo"] = 2
    answer = gauges.post(f"{GAUGES}?dryRun=All&fieldValidation=Strict", body)
    assert answer.code == 400
    unknown = 'unknown field "metadata.typo", unknown field "spec.typo"'
    assert answer.message == f'Gauge in version "v1" cannot be handled as a Gauge: strict decoding error: {unknown}'


def test_preserved_fields_stay(gauges: Api) -> None:
    """Where the schema preserves them; what it names inside is still pruned."""
    free = {"anything": [1, None, {"a": True}]}
    assert stored(gauges, free=free) == {"free": free}
    semi = {"more": None, "known": {"z": "1", "typo": 2}}
    assert stored(gauges, semi=semi) == {"semi": {"more": None, "known": {"z": "1"}}}


def test_defaults_reach_every_depth(gauges: Api) -> None:
    """Also into items, and into objects that are defaults themselves."""
    answer = gauges.post(f"{GAUGES}?dryRun=All", gauge(parts=[{"name": "p"}]))
    assert answer["spec"] == {"title": "g", "parts": [{"name": "p", "weight": 3}], **DEFAULTS}


def test_null_is_no_value(gauges: Api) -> None:
    """Unless the schema allows it: it is pruned, and a default takes its place."""
    assert stored(gauges, maybe=None, colour=None, level=None) == {"maybe": None, "colour": "grey"}


def test_a_whole_number_is_an_integer(gauges: Api) -> None:
    """JSON has one kind of number."""
    assert stored(gauges, level=2.0, amount="50%") == {"level": 2, "amount": "50%"}


def test_a_rule_speaks_its_message(gauges: Api) -> None:
    """At the object that it is about, without showing it."""
    assert refused(gauges, limited={"min": 2, "max": 1}) == "spec.limited: Invalid value: min must not exceed max"


def test_a_rule_without_a_message_shows_itself(gauges: Api) -> None:
    """And properties that are no identifiers are spelled so that it can name them."""
    rule = "!has(self.two__dash__words) || self.two__dash__words.lowerAscii() == 'a b'"
    assert refused(gauges, limited={"two-words": "B"}) == f"spec.limited: Invalid value: failed rule: {rule}"
    assert stored(gauges, limited={"two-words": "A B"}) == {"limited": {"two-words": "A B"}}


def test_a_rule_may_compute_its_message_and_choose_its_field(gauges: Api) -> None:
    """And the reason that programs read."""
    answer = gauges.post(f"{GAUGES}?dryRun=All", gauge(limited={"marks": [{"at": 1}, {"at": 0}]}))
    cause = {"reason": "FieldValueForbidden", "message": "Forbidden: marks are above zero"}
    assert answer["details"]["causes"] == [{**cause, "field": "spec.limited.marks[1].at"}]


def test_a_transition_rule_compares_with_the_old_value(gauges: Api) -> None:
    """So it has nothing to say about a new one."""
    gauges.created(GAUGES, gauge(limited={"unit": "bar"}))
    assert gauges.patch(f"{GAUGES}/x", {"spec": {"limited": {"min": 1}}}).code == 200
    answer = gauges.patch(f"{GAUGES}/x", {"spec": {"limited": {"unit": "psi"}}})
    assert answer.code == 422
    assert answer.message.endswith('spec.limited.unit: Invalid value: "psi": the unit is for ever')


def test_a_part_that_became_invalid_does_not_block_the_rest(gauges: Api) -> None:
    """When a definition gets stricter, what did not change is not judged again."""
    definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gauges.claims.example.com"
    place = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/colour/enum"
    as_json_patch = {"Content-Type": "application/json-patch+json"}
    gauges.created(GAUGES, gauge(colour="mauve"))
    strict = [{"op": "add", "path": place, "value": ["grey"]}]
    assert gauges.call("PATCH", definition, strict, headers=as_json_patch).code == 200
    try:
        eventually_answers(gauges, 422)
        assert gauges.patch(f"{GAUGES}/x", {"spec": {"level": 5}}).code == 200
        assert gauges.patch(f"{GAUGES}/x", {"spec": {"colour": "teal"}}).code == 422
    finally:
        gauges.call("PATCH", definition, [{"op": "remove", "path": place}], headers=as_json_patch)
        eventually_answers(gauges, 201)
