"""kubectl writes: apply in both ways, diff, patches of every type, and the verbs that are patches underneath."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sandbox.kubectl.manifests import config_map, deployment, pod, toy
from tests.sandbox.kubectl.runner import Kubectl


def test_apply_creates_changes_and_leaves_alone(kubectl: Kubectl) -> None:
    """Client-side apply is a three-way merge with what was applied last."""
    assert kubectl.apply(config_map("a", k="1", gone="soon")) == "configmap/a created\n"
    assert kubectl.apply(config_map("a", k="1", gone="soon")) == "configmap/a unchanged\n"
    kubectl("patch", "cm", "a", "--type=merge", "-p", '{"data":{"other":"kept"}}')
    assert kubectl.apply(config_map("a", k="2")) == "configmap/a configured\n"
    assert kubectl.json("get", "cm", "a")["data"] == {"k": "2", "other": "kept"}
    assert '"k": "2"' in kubectl("apply", "view-last-applied", "cm", "a", "-o", "json")


def test_apply_merges_containers_by_name(kubectl: Kubectl) -> None:
    """Built-in kinds merge strategically: a container added by another is kept."""
    kubectl.apply(deployment("web"))
    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:v1"}]}}}}
    kubectl("patch", "deploy", "web", "-p", json.dumps(side))
    assert kubectl.apply(deployment("web", image="demo:v2")) == "deployment.apps/web configured\n"
    containers = kubectl.json("get", "deploy", "web")["spec"]["template"]["spec"]["containers"]
    assert {each["name"]: each["image"] for each in containers} == {"web": "demo:v2", "side": "side:v1"}


def test_apply_of_a_custom_object_is_a_merge_patch(kubectl: Kubectl) -> None:
    """Lists of custom objects are replaced; what was dropped from the manifest goes."""
    kubectl.apply(toy("bear", size="large", parts=[{"name": "eye", "color": "blue"}]))
    assert kubectl.apply(toy("bear", parts=[{"name": "ear"}])) == "toy.play.example.com/bear configured\n"
    assert kubectl.json("get", "toy", "bear")["spec"] == {"size": "small", "replicas": 1, "parts": [{"name": "ear"}]}


def test_apply_refuses_unknown_fields(kubectl: Kubectl) -> None:
    """Validation is the server's, strict by default, and can be a warning or nothing."""
    wrong = toy("bear", colour="red")
    assert 'strict decoding error: unknown field "spec.colour"' in kubectl.apply(wrong, code=1)
    text = json.dumps(wrong)
    assert 'unknown field "spec.colour"' in kubectl.warns("apply", "--validate=warn", "-f", "-", stdin=text)
    assert kubectl.apply(wrong, options=("--validate=false",)) == "toy.play.example.com/bear configured\n"
    assert "colour" not in kubectl.json("get", "toy", "bear")["spec"]
    assert "spec.replicas" in kubectl.apply(deployment("web") | {"spec": {"replicas": "two"}}, code=1)


def test_apply_refuses_bad_values_in_the_servers_words(kubectl: Kubectl) -> None:
    """An error names field, value and what is allowed."""
    told = kubectl.apply(toy("bear", size="huge"), code=1)
    assert 'The Toy "bear" is invalid: spec.size: Unsupported value: "huge"' in told
    assert 'supported values: "small", "large"' in told


def test_server_side_apply_owns_and_conflicts(kubectl: Kubectl) -> None:
    """Fields have owners: another one's change is a conflict until forced."""
    ours, theirs = ("--server-side", "--field-manager=ours"), ("--server-side", "--field-manager=theirs")
    assert kubectl.apply(config_map("a", k="1"), options=ours) == "configmap/a serverside-applied\n"
    kubectl.apply(config_map("a", other="2"), options=theirs)
    assert kubectl.json("get", "cm", "a")["data"] == {"k": "1", "other": "2"}
    conflict = kubectl.apply(config_map("a", k="9"), options=theirs, code=1)
    assert 'Apply failed with 1 conflict: conflict with "ours": .data.k' in conflict
    kubectl.apply(config_map("a", k="9"), options=(*theirs, "--force-conflicts"))
    assert kubectl.json("get", "cm", "a")["data"] == {"k": "9"}
    managers = kubectl.json("get", "cm", "a", "--show-managed-fields")["metadata"]["managedFields"]
    assert [(each["manager"], each["operation"]) for each in managers] == [("theirs", "Apply")]


def test_server_side_apply_takes_over_from_client_side(kubectl: Kubectl) -> None:
    """What `kubectl apply` owned before belongs to the server-side applier after."""
    kubectl.apply(config_map("a", k="1", old="x"))
    kubectl.apply(config_map("a", k="2"), options=("--server-side",))
    assert kubectl.json("get", "cm", "a")["data"] == {"k": "2"}


def test_server_side_apply_merges_a_custom_list_by_its_keys(kubectl: Kubectl) -> None:
    """A list of type map has an owner for each entry."""
    kubectl.apply(toy("bear", parts=[{"name": "eye"}]), options=("--server-side", "--field-manager=a"))
    kubectl.apply(toy("bear", parts=[{"name": "ear"}]), options=("--server-side", "--field-manager=b"))
    assert [part["name"] for part in kubectl.json("get", "toy", "bear")["spec"]["parts"]] == ["eye", "ear"]


@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_diff_shows_and_changes_nothing(kubectl: Kubectl, options: tuple[str, ...]) -> None:
    """Exit code 0 without a difference, 1 with one, and the object stays as it was."""
    kubectl.apply(deployment("web"), options=options)
    before = kubectl.json("get", "deploy", "web")["metadata"]["resourceVersion"]
    assert kubectl("diff", *options, "-f", "-", stdin=json.dumps(deployment("web"))) == ""
    told = kubectl("diff", *options, "-f", "-", stdin=json.dumps(deployment("web", image="demo:v2")), code=1)
    assert "-      - image: demo:v1" in told
    assert "+      - image: demo:v2" in told
    assert kubectl.json("get", "deploy", "web")["metadata"]["resourceVersion"] == before


def test_diff_shows_what_is_new(kubectl: Kubectl) -> None:
    """An object that does not exist yet is all plus."""
    told = kubectl("diff", "-f", "-", stdin=json.dumps(toy("bear")), code=1)
    assert "+  size: small" in told
    assert kubectl("get", "toys", "-o", "name") == ""


def test_patch_of_every_type(kubectl: Kubectl) -> None:
    """Strategic (the default), merge and JSON patches."""
    kubectl.apply(deployment("web"))
    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "demo:v2"}]}}}}
    assert kubectl("patch", "deploy", "web", "-p", json.dumps(image)) == "deployment.apps/web patched\n"
    assert kubectl("patch", "deploy", "web", "-p", json.dumps(image)) == "deployment.apps/web patched (no change)\n"
    kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"spec":{"replicas":5}}')
    operations = [
        {"op": "test", "path": "/spec/replicas", "value": 5},
        {"op": "replace", "path": "/spec/replicas", "value": 6},
    ]
    kubectl("patch", "deploy", "web", "--type=json", "-p", json.dumps(operations))
    seen = kubectl.json("get", "deploy", "web")["spec"]
    assert (seen["replicas"], seen["template"]["spec"]["containers"][0]["image"]) == (6, "demo:v2")
    refused = kubectl("patch", "deploy", "web", "--type=json", "-p", json.dumps(operations), code=1)
    assert "the server rejected our request due to an error in our request" in refused or "test" in refused


def test_a_custom_kind_takes_no_strategic_patch(kubectl: Kubectl) -> None:
    """kubectl is told 415, as by every server."""
    kubectl.apply(toy("bear"))
    refused = kubectl("patch", "toy", "bear", "-p", '{"spec":{"size":"large"}}', code=1)
    assert "application/strategic-merge-patch+json is not supported" in refused or "UnsupportedMediaType" in refused


def test_patch_of_status_leaves_the_spec(kubectl: Kubectl) -> None:
    """The status subresource changes status only, the object itself everything but."""
    kubectl.apply(toy("bear"))
    both = '{"spec":{"size":"large"},"status":{"phase":"Done"}}'
    kubectl("patch", "toy", "bear", "--subresource=status", "--type=merge", "-p", both)
    seen = kubectl.json("get", "toy", "bear")
    assert (seen["spec"]["size"], seen["status"], seen["metadata"]["generation"]) == ("small", {"phase": "Done"}, 1)
    kubectl("patch", "toy", "bear", "--type=merge", "-p", '{"spec":{"size":"large"},"status":{"phase":"No"}}')
    seen = kubectl.json("get", "toy", "bear")
    assert (seen["spec"]["size"], seen["status"], seen["metadata"]["generation"]) == ("large", {"phase": "Done"}, 2)


def test_labels_and_annotations(kubectl: Kubectl) -> None:
    """Set, refuse to overwrite, overwrite, and remove."""
    kubectl.apply(toy("bear"))
    assert kubectl("label", "toy", "bear", "mood=good") == "toy.play.example.com/bear labeled\n"
    assert "already has a value (good)" in kubectl("label", "toy", "bear", "mood=bad", code=1)
    kubectl("label", "toy", "bear", "mood=bad", "--overwrite")
    assert kubectl("get", "toys", "-l", "mood=bad", "-o", "name") == "toy.play.example.com/bear\n"
    kubectl("label", "toy", "bear", "mood-")
    assert kubectl("annotate", "toy", "bear", "note=hello there") == "toy.play.example.com/bear annotated\n"
    seen = kubectl.json("get", "toy", "bear")["metadata"]
    assert (seen.get("labels", {}), seen["annotations"]["note"]) == ({}, "hello there")
    kubectl("annotate", "toys", "--all", "note-")
    assert "note" not in kubectl.json("get", "toy", "bear")["metadata"]["annotations"]


def test_scale_through_the_subresource(kubectl: Kubectl) -> None:
    """For built-in and custom kinds alike, with a precondition if one is given."""
    kubectl.apply(deployment("web"), toy("bear"))
    assert kubectl("scale", "deploy/web", "--replicas=4") == "deployment.apps/web scaled\n"
    assert kubectl("scale", "toy/bear", "--replicas=7") == "toy.play.example.com/bear scaled\n"
    assert kubectl("get", "deploy/web", "toy/bear", "-o", "jsonpath={.items[*].spec.replicas}") == "4 7"
    refused = kubectl("scale", "toy/bear", "--replicas=1", "--current-replicas=3", code=1)
    assert "Expected replicas to be 3, was 7" in refused


def test_create_makes_objects_from_arguments(kubectl: Kubectl) -> None:
    """The generators of `create` send complete objects."""
    for args in (
        ("deployment", "web", "--image=demo:v1", "--port=80"),
        ("configmap", "conf", "--from-literal=k=v"),
        ("secret", "generic", "key", "--from-literal=k=v"),
        ("service", "clusterip", "svc", "--tcp=80:8080"),
        ("serviceaccount", "bot"),
        ("role", "reader", "--verb=get", "--resource=pods"),
        ("rolebinding", "reads", "--role=reader", "--serviceaccount=default:bot"),
        ("job", "once", "--image=demo:v1"),
        ("ingress", "in", "--rule=a.example.com/*=svc:80"),
        ("poddisruptionbudget", "pdb", "--selector=app=web", "--min-available=1"),
    ):
        assert "created" in kubectl("create", *args), args
    assert kubectl.json("get", "secret", "key")["data"] == {"k": "dg=="}
    assert "already exists" in kubectl("create", "configmap", "conf", code=1)
    assert kubectl("create", "token", "bot").strip()


def test_a_dry_run_stores_nothing(kubectl: Kubectl) -> None:
    """The server does all its work but the last step."""
    text = json.dumps(toy("bear"))
    made = kubectl.json("create", "--dry-run=server", "-f", "-", stdin=text)
    assert made["spec"] == {"size": "small", "replicas": 1}
    assert kubectl("get", "toys", "-o", "name") == ""
    kubectl.apply(toy("bear"))
    kubectl("delete", "toy", "bear", "--dry-run=server")
    assert "(server dry run)" in kubectl("scale", "toy/bear", "--replicas=9", "--dry-run=server")
    assert kubectl("get", "toy", "bear", "-o", "jsonpath={.spec.replicas}") == "1"


def test_replace_and_edit_put_the_whole_object(kubectl: Kubectl, tmp_path: Path) -> None:
    """A replacement drops what it does not say; a stale one is a conflict."""
    kubectl.apply(config_map("a", k="1", other="x"))
    stale = kubectl.json("get", "cm", "a")
    assert kubectl("replace", "-f", "-", stdin=json.dumps(config_map("a", k="2"))) == "configmap/a replaced\n"
    assert kubectl.json("get", "cm", "a")["data"] == {"k": "2"}
    assert "the object has been modified" in kubectl("replace", "-f", "-", stdin=json.dumps(stale), code=1)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/k: "2"/k: "3"/\' "$1"\n')
    editor.chmod(0o755)
    assert kubectl.editing_with(editor)("edit", "cm", "a") == "configmap/a edited\n"
    assert kubectl.json("get", "cm", "a")["data"] == {"k": "3"}
    uid = kubectl.json("get", "cm", "a")["metadata"]["uid"]
    kubectl("replace", "--force", "-f", "-", stdin=json.dumps(config_map("a", k="4")))
    assert kubectl.json("get", "cm", "a")["metadata"]["uid"] != uid


def test_set_changes_a_template(kubectl: Kubectl) -> None:
    """`set image`, `set env` and `set resources` patch containers by name."""
    kubectl.apply(deployment("web"))
    assert kubectl("set", "image", "deploy/web", "web=demo:v9") == "deployment.apps/web image updated\n"
    kubectl("set", "env", "deploy/web", "COLOR=red")
    kubectl("set", "resources", "deploy/web", "--limits=cpu=100m")
    container = kubectl.json("get", "deploy", "web")["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["env"]) == ("demo:v9", [{"name": "COLOR", "value": "red"}])
    assert container["resources"] == {"limits": {"cpu": "100m"}}


def test_run_and_expose(kubectl: Kubectl) -> None:
    """Objects made from other objects."""
    kubectl.apply(deployment("web"))
    assert kubectl("run", "one", "--image=demo:v1") == "pod/one created\n"
    assert kubectl("expose", "deploy", "web", "--port=80", "--target-port=8080") == "service/web exposed\n"
    assert kubectl.json("get", "svc", "web")["spec"]["selector"] == {"app": "web"}


def test_delete_by_name_label_and_file(kubectl: Kubectl) -> None:
    """Each form deletes what it names, waits until it is gone, and says so."""
    kubectl.apply(toy("a"), toy("b"), toy("c"), toy("d"))
    kubectl("label", "toy", "b", "c", "old=yes")
    assert 'toy.play.example.com "a" deleted' in kubectl("delete", "toy", "a")
    assert kubectl("delete", "toys", "-l", "old=yes").count("deleted") == 2
    assert "deleted" in kubectl("delete", "-f", "-", stdin=json.dumps(toy("d")))
    assert kubectl("get", "toys", "-o", "name") == ""
    assert "not found" in kubectl("delete", "toy", "a", code=1)
    assert kubectl("delete", "toy", "a", "--ignore-not-found") == ""


def test_delete_waits_for_finalizers(kubectl: Kubectl) -> None:
    """An object with a finalizer stays, marked, until the finalizer goes."""
    held = toy("bear")
    held["metadata"]["finalizers"] = ["play.example.com/hug"]
    kubectl.apply(held)
    kubectl("delete", "toy", "bear", "--wait=false")
    assert kubectl.json("get", "toy", "bear")["metadata"]["deletionTimestamp"]
    assert "timed out" in kubectl("wait", "--for=delete", "toy/bear", "--timeout=100ms", code=1)
    kubectl("patch", "toy", "bear", "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]')
    kubectl("wait", "--for=delete", "toy/bear", "--timeout=20s")
    assert kubectl("get", "toys", "-o", "name") == ""


def test_delete_by_force_leaves_nothing(kubectl: Kubectl) -> None:
    """A pod that no node knows goes at once."""
    kubectl.apply(pod("p"))
    kubectl("delete", "pod", "p", "--force", "--grace-period=0")
    assert kubectl("get", "pods", "-o", "name") == ""


def test_apply_from_a_folder_and_a_kustomization(kubectl: Kubectl, tmp_path: Path) -> None:
    """Files of a folder, and what kustomize makes of them."""
    (tmp_path / "a.json").write_text(json.dumps(config_map("a", k="1")))
    (tmp_path / "b.json").write_text(json.dumps(toy("bear")))
    assert kubectl("apply", "-f", str(tmp_path)).splitlines() == [
        "configmap/a created",
        "toy.play.example.com/bear created",
    ]
    (tmp_path / "kustomization.yaml").write_text("namePrefix: my-\nresources: [a.json, b.json]\n")
    assert "configmap/my-a created" in kubectl("apply", "-k", str(tmp_path))
    assert kubectl("apply", "-k", str(tmp_path), "--server-side").count("serverside-applied") == 2


def test_a_namespace_is_made_used_and_deleted(kubectl: Kubectl) -> None:
    """Nothing can be made in a namespace that does not exist."""
    name = f"{kubectl.namespace}-more"
    missing = kubectl.within(name).apply(config_map("a"), code=1)
    assert f'namespaces "{name}" not found' in missing
    kubectl("create", "namespace", name)
    kubectl.within(name).apply(config_map("a"))
    assert kubectl("get", "ns", name, "--no-headers").split()[:2] == [name, "Active"]
