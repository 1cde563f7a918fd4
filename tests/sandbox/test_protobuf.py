"""Protobuf: bodies as client-go encodes them are read into the objects that they stand for."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from rollouts.sandbox.protobuf import decoding

# Bodies that client-go's own encoder wrote for small objects, and the objects.
BODIES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "protobuf_bodies.json").read_text())


@pytest.mark.parametrize("case", BODIES, ids=lambda case: case["object"]["kind"])
def test_a_body_is_read_as_the_object_it_stands_for(case: dict[str, Any]) -> None:
    """Explicit zeroes stay, unset fields are absent, and times, quantities and raw JSON have their JSON form."""
    assert decoding.decode(base64.b64decode(case["body"])) == case["object"]


@pytest.mark.parametrize("case", BODIES, ids=lambda case: case["object"]["kind"])
def test_a_body_that_is_cut_off_is_refused_or_read_as_less(case: dict[str, Any]) -> None:
    """No prefix of a body breaks the decoder."""
    body = base64.b64decode(case["body"])
    for length in range(len(body)):
        try:
            assert isinstance(decoding.decode(body[:length]), dict)
        except decoding.ProtobufError:
            continue


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{}", "does not begin"),
        (b"", "does not begin"),
        (b"k8s\x00\x0a\x0a\x0a\x02v1\x12\x04Nope", "no kind 'Nope' is registered for version 'v1'"),
        (b"k8s\x00\x0a\xff", "cut off"),
        (b"k8s\x00\x0b", "unknown wire type"),
    ],
)
def test_other_bytes_are_refused(body: bytes, why: str) -> None:
    """The message says what is wrong with them."""
    with pytest.raises(decoding.ProtobufError, match=why):
        decoding.decode(body)
