"""Hashes come out as existing clusters know them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollouts.lib import hashing


def a_template(name: str, **pod: Any) -> dict[str, Any]:
    container = {
        "resources": {"requests": {"memory": "16Mi", "cpu": "5m"}},
        "ports": [{"protocol": "TCP", "containerPort": 80, "name": "http"}],
        "image": "nginx:1.19-alpine",
        "name": name,
    }
    return {"spec": {**pod, "containers": [container]}, "metadata": {"labels": {"app": name}}}


def test_pod_hashes_match_the_known_vectors() -> None:
    """Member order in the manifest does not matter; Go's order is restored."""
    assert hashing.pod_template_hash(a_template("canary-scaledowndelay")) == "674d8cf959"
    gates = [{"conditionType": "argoproj.io/e2e-readiness"}]
    assert hashing.pod_template_hash(a_template("dynamic-stable-scale", readinessGates=gates)) == "6b56c8cdb4"


VECTORS = Path(__file__).with_name("go_pod_templates.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("line", VECTORS)
def test_pod_hashes_match_those_of_gos_own_encoder(line: str) -> None:
    """Random templates over every member; the hashes are of the text that Go made of them (k8s.io/api v0.36)."""
    vector = json.loads(line)
    assert hashing.pod_template_hash(vector["template"]) == vector["hash"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [([{"pause": {}}, {"pause": {}}], "79c9b9f6bf"), ([{"pause": {}}], "6b9b86fbd5"), (None, "5ffbfbbd64")],
)
def test_step_hashes_match_the_known_vectors(steps: Any, expected: str) -> None:
    assert hashing.step_hash(steps) == expected


def test_equal_quantities_hash_alike() -> None:
    """1024Mi is 1Gi and 1000m is 1: the text of a quantity is canonical before it is hashed."""
    one, other = a_template("a"), a_template("a")
    one["spec"]["containers"][0]["resources"] = {"limits": {"memory": "1Gi", "cpu": 1}}
    other["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1000m", "memory": "1024Mi"}}
    assert hashing.pod_template_hash(one) == hashing.pod_template_hash(other)


def test_a_collision_count_makes_another_hash() -> None:
    """A count of 0 is a count too."""
    template = a_template("a")
    hashes = {hashing.pod_template_hash(template, count) for count in (None, 0, 1, 2)}
    assert len(hashes) == 4


def test_unknown_and_malformed_members_do_not_count() -> None:
    """They are dropped as Go's decoder would drop them; nothing raises."""
    plain = hashing.pod_template_hash(a_template("a"))
    assert hashing.pod_template_hash({**a_template("a"), "surprise": 1}) == plain
    assert hashing.pod_template_hash(a_template("a", ephemeralContainers=[{"name": 3}, "x"])) != ""
    hostiles: list[Any] = [
        None,
        3,
        "x",
        [],
        {"spec": []},
        {"spec": {"containers": {"a": 1}}},
        {"metadata": {"labels": [1]}},
    ]
    for hostile in hostiles:
        assert hashing.pod_template_hash(hostile)
        assert hashing.step_hash([hostile])


def test_go_escapes_html() -> None:
    assert hashing.go_json({"a": "<&>\u2028"}) == '{"a":"\\u003c\\u0026\\u003e\\u2028"}'
