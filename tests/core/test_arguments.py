"""Arguments: how values get into metrics, and where values come from."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.api.analysis import AnalysisArgument, FieldRef, SecretKeyRef, ValueFrom
from rollouts.core.arguments import ArgumentError, field_value, fill, resolved, with_secrets

PLAIN = AnalysisArgument(name="service", value='web "1"')
TOKEN = AnalysisArgument(
    name="token", value_from=ValueFrom(secret_key_ref=SecretKeyRef(name="credentials", key="token"))
)
OPEN = AnalysisArgument(name="open")


def a_metric(query: str = "up", **fields: Any) -> dict[str, Any]:
    """A metric as its author wrote it."""
    return {"name": "m", "provider": {"prometheus": {"query": query}}, **fields}


@pytest.mark.parametrize(
    ("query", "filled"),
    [
        ("up", "up"),
        ("{{args.service}}", 'web "1"'),
        ("{{ args.service }}", 'web "1"'),
        ("a{{args.service}}b{{args.service}}c", 'aweb "1"bweb "1"c'),
        ("up{job='x'}", "up{job='x'}"),
        ("{{args.service", "{{args.service"),
        ("}}", "}}"),
    ],
)
def test_plain_values_are_filled_in(query: str, filled: str) -> None:
    """Anywhere in a string, spaces allowed, quotes and all."""
    metric = fill(a_metric(query), [PLAIN]).metric
    assert metric["provider"]["prometheus"]["query"] == filled


def test_every_string_is_filled() -> None:
    """Names, limits, conditions, keys and lists; numbers and the rest stay."""
    args = [AnalysisArgument(name="n", value="3")]
    metric = {
        "name": "m-{{args.n}}",
        "count": "{{args.n}}",
        "failureLimit": 1,
        "provider": {"{{args.n}}": [{"a": "{{args.n}}"}, None, 2.5]},
    }
    assert fill(metric, args).metric == {
        "name": "m-3",
        "count": "3",
        "failureLimit": 1,
        "provider": {"3": [{"a": "3"}, None, 2.5]},
    }


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("{{args.nope}}", "failed to resolve {{args.nope}}"),
        ("{{inputs.x}}", "failed to resolve {{inputs.x}}"),
        ("{{ x }}", "failed to resolve {{ x }}"),
        ("{{}}", "failed to resolve {{}}"),
        ("{{args.open}}", 'argument "open" was not supplied'),
    ],
)
def test_unknown_placeholders_are_errors(query: str, error: str) -> None:
    """A placeholder nothing is known about never reaches a backend."""
    with pytest.raises(ArgumentError) as caught:
        fill(a_metric(query), [PLAIN, OPEN])
    assert str(caught.value) == error


def test_secrets_stay_open_until_the_query_is_sent() -> None:
    """The decision knows where the value is, never what it is."""
    filled = fill(a_metric("{{args.service}} {{ args.token }}"), [PLAIN, TOKEN, OPEN])
    query = filled.metric["provider"]["prometheus"]["query"]
    assert query == 'web "1" {{args.token}}'
    assert filled.secrets == {"token": ("credentials", "token")}
    assert with_secrets({"query": query}, {"token": "x{{args.y}}"}) == {"query": 'web "1" x{{args.y}}'}


def test_secrets_of_other_metrics_are_not_read() -> None:
    """Only what a metric uses."""
    assert fill(a_metric("up"), [TOKEN]).secrets == {}


def test_secret_in_a_condition_is_an_error() -> None:
    """Conditions are evaluated where secret values are not known."""
    with pytest.raises(ArgumentError) as caught:
        fill(a_metric(successCondition="result == '{{args.token}}'"), [TOKEN])
    assert str(caught.value) == 'argument "token" comes from a Secret and can only be used in the provider'


def test_a_value_cannot_smuggle_a_secret_in() -> None:
    """A plain value that spells a placeholder is not filled a second time."""
    sly = AnalysisArgument(name="sly", value="{{args.token}}")
    with pytest.raises(ArgumentError, match="must not contain"):
        fill(a_metric("{{args.sly}} {{args.token}}"), [sly, TOKEN])
    assert fill(a_metric("{{args.sly}}"), [sly, TOKEN]).secrets == {}


def test_missing_secret_value_is_an_error() -> None:
    """Rather than a query with a placeholder in it."""
    with pytest.raises(ArgumentError, match='argument "token" was not supplied'):
        with_secrets("{{args.token}}", {})


OWNER = {
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "uid": "u-1",
        "labels": {"b": "2", "a": 'x"y'},
        "annotations": {"example.com/k": "v"},
    },
    "spec": {
        "replicas": 3,
        "paused": False,
        "ratio": 0.5,
        "big": 1e21,
        "template": {"spec": {"containers": [{"image": "v1"}, {"image": "v2"}]}},
    },
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "shop"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['b']", "2"),
        ("metadata.labels['missing']", ""),
        ("metadata.annotations['example.com/k']", "v"),
        ("metadata.labels", 'a="x\\"y"\nb="2"'),
        ("metadata.annotations", 'example.com/k="v"'),
        ("spec.replicas", "3"),
        ("spec.paused", "false"),
        ("spec.ratio", "0.5"),
        ("spec.big", "1e+21"),
        ("spec.template.spec.containers[1].image", "v2"),
    ],
)
def test_field_of_the_owner(path: str, value: str) -> None:
    """Metadata as pods see theirs, anything else by its path."""
    assert field_value(OWNER, path) == value


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("spec.nope", "invalid path spec.nope in rollout"),
        ("spec.template.spec.containers[2].image", "invalid path spec.template.spec.containers[2].image in rollout"),
        ("spec.replicas.x", "invalid path spec.replicas.x in rollout"),
        ("spec.template", "path spec.template in rollout must terminate in a primitive value"),
        ("", "path  in rollout must terminate in a primitive value"),
        ("metadata.generation", "unsupported fieldPath: metadata.generation"),
        ("metadata.labels[b]", "unsupported fieldPath: metadata.labels[b]"),
    ],
)
def test_field_that_has_no_value(path: str, error: str) -> None:
    """A path to nowhere is named."""
    with pytest.raises(ArgumentError) as caught:
        field_value(OWNER, path)
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (ValueFrom(pod_template_hash_value="Latest"), "new"),
        (ValueFrom(pod_template_hash_value="Stable"), "old"),
        (ValueFrom(pod_template_hash_value="Other"), None),
        (ValueFrom(field_ref=FieldRef(field_path="metadata.name")), "web"),
        (ValueFrom(), None),
    ],
)
def test_sources_become_values(source: ValueFrom, value: str | None) -> None:
    """Hashes and fields are settled when the run is built."""
    arg = AnalysisArgument(name="x", value_from=source)
    assert resolved(arg, owner=OWNER, latest_hash="new", stable_hash="old").value == value


def test_secret_source_stays() -> None:
    """A run names the Secret; it never holds the value."""
    assert resolved(TOKEN, owner=OWNER, latest_hash="new", stable_hash="old") == TOKEN


def test_value_wins_over_its_source() -> None:
    """An argument with both is taken by its value."""
    both = AnalysisArgument(name="x", value="v", value_from=ValueFrom(pod_template_hash_value="Latest"))
    assert resolved(both, owner=OWNER, latest_hash="new", stable_hash="old").value == "v"
