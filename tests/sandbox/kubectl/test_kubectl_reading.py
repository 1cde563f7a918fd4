"""kubectl reads: every output form, watches, descriptions and questions, with every kubectl at hand."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.sandbox.kubectl.manifests import TOYS, config_map, deployment, pod, service, toy
from tests.sandbox.kubectl.runner import Kubectl


def test_get_shows_the_columns_of_a_built_in_kind(kubectl: Kubectl) -> None:
    """The server renders the table; `-o wide` shows more of it."""
    kubectl.apply(deployment("web"))
    assert kubectl("get", "deployments").splitlines()[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    name, ready, *_ = kubectl("get", "deploy", "web", "--no-headers").split()
    assert (name, ready) == ("web", "0/2")
    assert kubectl("get", "deploy", "-o", "wide").splitlines()[1].split()[-3:] == ["web", "demo:v1", "app=web"]


def test_get_shows_the_columns_of_a_custom_kind(kubectl: Kubectl) -> None:
    """Printer columns by JSONPath; an empty cell stays empty; priority 1 needs `-o wide`."""
    kubectl.apply(toy("bear", size="large", replicas=3))
    header, row = kubectl("get", "toys").splitlines()
    assert (header.split(), row.split()[:2]) == (["NAME", "SIZE", "READY", "AGE"], ["bear", "large"])
    kubectl(
        "patch", "ty", "bear", "--subresource=status", "--type=merge",
        "-p", '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}',
    )  # fmt: skip
    assert kubectl("get", "toy/bear", "-o", "wide").splitlines()[1].split()[:4] == ["bear", "large", "True", "3"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("name", "configmap/a\n"),
        ("jsonpath={.data.k}", "v"),
        ("jsonpath={.data['k']}{\"\\n\"}", "v\n"),
        ("go-template={{.data.k}}", "v"),
        ("custom-columns=N:.metadata.name,K:.data.k", "N     K\na     v\n"),
    ],
)
def test_get_prints_in_every_form(kubectl: Kubectl, form: str, expected: str) -> None:
    """Names, paths, templates and columns of one's own."""
    kubectl.apply(config_map("a", k="v"))
    assert kubectl("get", "configmap", "a", "-o", form) == expected


def test_get_prints_whole_objects(kubectl: Kubectl) -> None:
    """JSON and YAML carry the object as stored, a list of them as a List."""
    kubectl.apply(config_map("a", k="v"), config_map("b", k="w"))
    one = yaml.safe_load(kubectl("get", "cm", "a", "-o", "yaml"))
    assert (one["kind"], one["data"]) == ("ConfigMap", {"k": "v"})
    listed = kubectl.json("get", "cm", "-l", "")
    assert listed["kind"] == "List"
    assert {"a", "b"} <= {each["metadata"]["name"] for each in listed["items"]}
    assert all(each["kind"] == "ConfigMap" and each["apiVersion"] == "v1" for each in listed["items"])


def test_get_selects_and_sorts(kubectl: Kubectl) -> None:
    """Label and field selectors are the server's work, sorting and label columns kubectl's own."""
    kubectl.apply(pod("p1", app="web", rank="2"), pod("p2", app="web", rank="1"), pod("p3", app="db"))
    assert kubectl("get", "po", "-l", "app=web", "-o", "name").split() == ["pod/p1", "pod/p2"]
    assert kubectl("get", "po", "-l", "app in (db), !rank", "-o", "name").split() == ["pod/p3"]
    assert kubectl("get", "po", "--field-selector=metadata.name=p2", "-o", "name").split() == ["pod/p2"]
    assert kubectl("get", "po", "--field-selector=status.phase!=Pending", "-o", "name") == ""
    ranked = kubectl("get", "po", "-l", "rank", "--sort-by=.metadata.labels.rank", "-L", "rank", "--no-headers")
    assert [line.split()[-1] for line in ranked.splitlines()] == ["1", "2"]
    assert "app=db" in kubectl("get", "po", "p3", "--show-labels")


def test_get_reads_long_lists_in_pages(kubectl: Kubectl) -> None:
    """`--chunk-size` follows the server's continue tokens."""
    kubectl.apply(*(config_map(f"m{n}", page="x") for n in range(5)))
    names = kubectl("get", "cm", "--chunk-size=2", "-o", "name").split()
    assert [name for name in names if "/m" in name] == [f"configmap/m{n}" for n in range(5)]
    assert len(kubectl("get", "cm", "--chunk-size=2", "--no-headers").splitlines()) == len(names)


def test_get_reads_several_kinds_and_all_namespaces(kubectl: Kubectl) -> None:
    """Kinds by comma, by category, and across namespaces."""
    kubectl.apply(service("web"), toy("bear"), config_map("a"))
    assert set(kubectl("get", "svc,toys", "-o", "name").split()) == {"service/web", "toy.play.example.com/bear"}
    everything = kubectl("get", "all", "-o", "name").split()
    assert {"service/web", "toy.play.example.com/bear"} <= set(everything)
    assert not any(name.startswith("configmap/") for name in everything)
    rows = kubectl("get", "toys", "-A", "--no-headers").splitlines()
    assert [kubectl.namespace, "bear"] in [row.split()[:2] for row in rows]


def test_get_says_what_is_missing(kubectl: Kubectl) -> None:
    """A missing object, an empty list and an unknown kind are three different things."""
    missing = kubectl("get", "deploy", "nope", code=1)
    assert missing.strip() == 'Error from server (NotFound): deployments.apps "nope" not found'
    assert kubectl("get", "toys", "nope", "--ignore-not-found") == ""
    assert f"No resources found in {kubectl.namespace} namespace." in kubectl.warns("get", "toys")
    assert "the server doesn't have a resource type" in kubectl("get", "unicorns", code=1)


def test_get_reads_raw_paths(kubectl: Kubectl) -> None:
    """What has a path can be read."""
    assert kubectl("get", "--raw", "/readyz").strip() == "ok"
    assert json.loads(kubectl("get", "--raw", "/version"))["major"] == "1"
    assert json.loads(kubectl("get", "--raw", "/apis/apps/v1"))["kind"] == "APIResourceList"


def test_watch_shows_every_change_as_a_row(kubectl: Kubectl) -> None:
    """`-w` prints the list and then each change."""
    kubectl.apply(toy("bear", size="small"))
    with kubectl.following("get", "toys", "-w") as lines:
        assert [line.split()[0] for line in lines.until("bear")] == ["NAME", "bear"]
        kubectl.apply(toy("bear", size="large"))
        assert lines.until("large")[-1].split()[:2] == ["bear", "large"]
        kubectl("delete", "toy", "bear", "--wait=false")
        lines.until("bear")


def test_watch_tells_what_kind_of_event_it_was(kubectl: Kubectl) -> None:
    """`--output-watch-events` names the event, also for other output forms."""
    kubectl.apply(toy("bear"))
    with kubectl.following("get", "toys", "-w", "--output-watch-events") as lines:
        assert lines.until("bear")[-1].split()[:2] == ["ADDED", "bear"]
        kubectl("scale", "toy/bear", "--replicas=5")
        assert lines.until("MODIFIED")[-1].split()[1] == "bear"
        kubectl("delete", "toy", "bear")
        assert lines.until("DELETED")[-1].split()[1] == "bear"


def test_watch_follows_one_object(kubectl: Kubectl) -> None:
    """A name narrows the watch to it, in any output form."""
    kubectl.apply(config_map("a", k="1"), config_map("b"))
    with kubectl.following("get", "cm", "a", "-w", "-o", 'jsonpath={.data.k}{"\\n"}') as lines:
        lines.until("1")
        kubectl.apply(config_map("a", k="2"))
        assert lines.until("2") == ["2"]


def test_describe_tells_about_built_in_kinds(kubectl: Kubectl) -> None:
    """Descriptions gather the object, what belongs to it, and its events."""
    kubectl.apply(deployment("web"), service("web"), pod("p", app="web"), config_map("conf", k="v"))
    told = kubectl("describe", "deployment", "web")
    assert "Replicas:" in told
    assert "2 desired" in told
    assert "StrategyType:           RollingUpdate" in told
    assert "Port:                     http  80/TCP" in kubectl("describe", "svc", "web")
    assert "Image:        demo:v1" in kubectl("describe", "pod", "p")
    assert "k:\n----\nv" in kubectl("describe", "cm", "conf")
    assert "Status:       Active" in kubectl("describe", "ns", kubectl.namespace)


def test_describe_tells_about_a_custom_kind_with_its_events(kubectl: Kubectl) -> None:
    """Unknown kinds are described field by field; their events are found by the object's uid."""
    kubectl.apply(toy("bear", size="large"))
    seen = kubectl.json("get", "toy", "bear")
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "bear.1"},
            "involvedObject": {
                "apiVersion": seen["apiVersion"],
                "kind": "Toy",
                "name": "bear",
                "namespace": kubectl.namespace,
                "uid": seen["metadata"]["uid"],
            },
            "reason": "Hugged",
            "message": "Somebody hugged it",
            "type": "Normal",
            "source": {"component": "tests"},
        }
    )
    told = kubectl("describe", "toy", "bear")
    assert "Size:      large" in told
    assert "Somebody hugged it" in told
    assert "Somebody hugged it" in kubectl("events", "--for", "toy/bear")
    assert kubectl("get", "events", "--no-headers").split()[1:4] == ["Normal", "Hugged", "toy/bear"]


def test_explain_reads_the_schema_of_a_custom_kind(kubectl: Kubectl) -> None:
    """Descriptions, types, enums and, recursively, every field."""
    told = kubectl("explain", "toy")
    assert "Toy is something to play with." in told
    assert "spec\t<Object> -required-" in told
    assert "How big it is." in kubectl("explain", "toy.spec.size")
    everything = kubectl("explain", "toy", "--recursive")
    for line in ("parts\t<[]Object>", "name\t<string> -required-", "replicas\t<integer>", "metadata\t<ObjectMeta>"):
        assert line in everything


def test_explain_reads_the_schema_of_a_built_in_kind(kubectl: Kubectl) -> None:
    """Both from version 3, which kubectl reads by default, and from version 2."""
    assert "maxSurge\t<IntOrString>" in kubectl("explain", "deployment.spec.strategy.rollingUpdate")
    old = kubectl("explain", "deployment.spec.strategy", "--output=plaintext-openapiv2")
    assert "rollingUpdate" in old


def test_api_resources_lists_kinds_and_verbs(kubectl: Kubectl) -> None:
    """Short names, groups, scope, verbs and categories."""
    told = kubectl("api-resources", "-o", "wide", "--api-group=play.example.com").splitlines()[1].split()
    assert told[:5] == ["toys", "ty", "play.example.com/v1", "true", "Toy"]
    assert told[5:] == ["create,delete,deletecollection,get,list,patch,update,watch", "all"] or set(
        told[5].split(",")
    ) == {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
    assert "play.example.com/v1" in kubectl("api-versions").splitlines()
    assert "toys.play.example.com" in kubectl("api-resources", "--categories=all", "-o", "name").split()


def test_version_and_cluster_info_answer(kubectl: Kubectl) -> None:
    """A server has a version that kubectl understands."""
    version = json.loads(kubectl("version", "-o", "json"))["serverVersion"]
    assert (version["major"], int(version["minor"].rstrip("+")) >= 32) == ("1", True)
    assert "is running at" in kubectl("cluster-info")


def test_auth_answers_who_and_what(kubectl: Kubectl) -> None:
    """`can-i`, its list, and `whoami` are reviews."""
    assert kubectl("auth", "can-i", "create", "deployments.apps").strip() == "yes"
    assert kubectl("auth", "can-i", "get", "/healthz").strip() == "yes"
    assert "*.*" in kubectl("auth", "can-i", "--list")
    assert "Username" in kubectl("auth", "whoami")


def test_wait_ends_with_the_condition(kubectl: Kubectl) -> None:
    """For a condition, for a value, for existence and for deletion."""
    kubectl.apply(toy("bear"))
    status = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Done"}
    kubectl("patch", "toy", "bear", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    assert "condition met" in kubectl("wait", "toy/bear", "--for=condition=Ready", "--timeout=20s")
    assert "condition met" in kubectl("wait", "toy/bear", "--for=jsonpath={.status.phase}=Done", "--timeout=20s")
    assert "condition met" in kubectl("wait", "toy/bear", "--for=create", "--timeout=20s")
    kubectl("delete", "toy", "bear")
    kubectl("wait", "toy/bear", "--for=delete", "--timeout=20s")
    assert "timed out" in kubectl("wait", "crd/toys.play.example.com", "--for=condition=No", "--timeout=100ms", code=1)


def test_a_new_definition_is_served_at_once(kubectl: Kubectl) -> None:
    """Established is waited for as on any cluster, and the kind is there."""
    assert TOYS["metadata"]["name"] in kubectl("get", "crd", "-o", "name")
    assert "met" in kubectl("wait", "crd", TOYS["metadata"]["name"], "--for=condition=Established", "--timeout=20s")
    assert kubectl("get", "crd", TOYS["metadata"]["name"], "--no-headers").split()[0] == TOYS["metadata"]["name"]
