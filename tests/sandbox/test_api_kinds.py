"""What the server does for one kind only when it is written: Secrets, Pods, Services, Leases, Namespaces."""

from __future__ import annotations

import base64

from tests.sandbox.rest import Api, Json


def test_secrets_take_plain_text(api: Api) -> None:
    """`stringData` is written into `data` and never shown."""
    body = {"metadata": {"name": "s"}, "stringData": {"k": "v"}}
    made = api.created("v1/secrets", body)
    assert (made["data"], made["type"]) == ({"k": base64.b64encode(b"v").decode()}, "Opaque")
    assert "stringData" not in made


def test_pods_begin_pending(api: Api) -> None:
    """The server gives a new pod its first status and tolerations."""
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "demo:v1"}]}}
    made = api.created("v1/pods", pod | {"status": {"phase": "Running"}})
    assert made["status"]["phase"] == "Pending"
    assert made["status"]["qosClass"] == "BestEffort"
    assert {each["key"] for each in made["spec"]["tolerations"]} == {
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    }
    assert made["spec"]["schedulerName"] == "default-scheduler"


def test_services_get_addresses(api: Api) -> None:
    """Each its own, kept over updates; headless ones none; node ports on request."""
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    first = api.created("v1/services", body)["spec"]
    second = api.created("v1/services", body | {"metadata": {"name": "t"}})["spec"]
    assert first["clusterIP"] != second["clusterIP"]
    assert first["clusterIPs"] == [first["clusterIP"]]
    headless = api.created("v1/services", {"metadata": {"name": "h"}, "spec": {"clusterIP": "None"}})["spec"]
    assert headless["clusterIP"] == "None"
    kept = api.put("v1/services/s", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 81}]}})["spec"]
    assert kept["clusterIP"] == first["clusterIP"]
    taken = api.post(
        "v1/services", {"metadata": {"name": "u"}, "spec": {"clusterIP": first["clusterIP"], "ports": [{"port": 80}]}}
    )
    assert taken.code == 422
    assert "provided IP is already allocated" in taken.message
    exposed = api.patch("v1/services/t", {"spec": {"type": "NodePort"}})["spec"]
    assert 30000 <= exposed["ports"][0]["nodePort"] < 32768


def test_what_a_service_had_by_its_type_goes_with_it(api: Api) -> None:
    """Node ports and traffic policies leave with NodePort, the address with ClusterIP."""
    made = api.created(
        "v1/services", {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    )
    assert made["spec"]["ports"][0]["nodePort"]
    inner = api.patch("v1/services/s", {"spec": {"type": "ClusterIP"}})["spec"]
    assert (inner["clusterIP"], "nodePort" in inner["ports"][0]) == (made["spec"]["clusterIP"], False)
    outer = api.patch("v1/services/s", {"spec": {"type": "ExternalName", "externalName": "example.com"}})["spec"]
    assert "clusterIP" not in outer


def test_an_update_creates_a_lease_that_is_gone(api: Api) -> None:
    """Whatever version it knew; but not in place of the very object that a uid names."""
    lease: Json = {"metadata": {"name": "l", "resourceVersion": "5"}, "spec": {"holderIdentity": "me"}}
    assert api.put("coordination.k8s.io/v1/leases/l", lease).code == 201
    lease["metadata"] = {"name": "m", "uid": "gone"}
    refused = api.put("coordination.k8s.io/v1/leases/m", lease)
    assert (refused.code, refused.reason) == (409, "Conflict")


def test_a_namespace_keeps_its_finalizer(api: Api) -> None:
    """Only its `finalize` path takes it away."""
    path = f"/api/v1/namespaces/{api.namespace}"
    patched = api.patch(path, {"spec": {"finalizers": []}, "metadata": {"labels": {"a": "b"}}})
    assert patched["spec"]["finalizers"] == ["kubernetes"]
    assert patched["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": api.namespace}
