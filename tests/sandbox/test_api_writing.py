"""Creating, updating and patching: what every stored object went through."""

from __future__ import annotations

import pytest

from tests.sandbox.rest import Api, Json


def config_map(name: str = "a", **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_create_fills_in_what_the_server_owns(api: Api) -> None:
    """A new object has an identity, a birthday and a version, whatever the client sent for them."""
    sent = config_map(k="v")
    sent["metadata"] |= {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z"}
    meta = api.created("v1/configmaps", sent)["metadata"]
    assert meta["uid"] != "mine"
    assert not meta["creationTimestamp"].startswith("2001")
    assert int(meta["resourceVersion"]) > 0
    assert meta["namespace"] == api.namespace
