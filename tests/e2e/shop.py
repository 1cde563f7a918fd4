"""The examples that people are given, as the stories' own: applied as they are but for what a test cannot wait for.

A new version is made the way the examples' READMEs say, by putting another tag at the ends of lines.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from rollouts.demo.traffic import Address
from rollouts.sandbox.kinds import Json
from tests.e2e.apps import DRAIN_SECONDS
from tests.e2e.stage import Place
from tests.e2e.users import Door

SHOP = "shop"
EXAMPLES = Path(__file__).parents[2] / "examples"


def image(version: str) -> str:
    """What runs this version."""
    return f"example.com/shop:{version}"


def rollout(example: str, version: str = "v1", **strategy: Any) -> Json:
    """The Rollout of an example, wanting this version; fields of its strategy are replaced, or left out by None."""
    text = (EXAMPLES / example / "rollout.yaml").read_text()
    found: Json = yaml.safe_load(re.sub(r"v1$", version, text, flags=re.MULTILINE))
    (wanted,) = found["spec"]["strategy"].values()
    wanted.update(strategy)
    for name in (name for name, value in strategy.items() if value is None):
        del wanted[name]
    (container,) = found["spec"]["template"]["spec"]["containers"]
    container["env"].append({"name": "DRAIN", "value": str(DRAIN_SECONDS)})
    return found


def beside(example: str, file: str) -> list[Json]:
    """The objects of another file of an example."""
    return list(yaml.safe_load_all((EXAMPLES / example / file).read_text()))


def door(place: Place, way_in: Address) -> Door:
    """Where the users of a place come in through an Ingress."""
    return Door(way_in, f"{place.namespace}.example.com")


def ingress(host: str) -> Json:
    """The example's Ingress, for a host of the story's own."""
    (found,) = beside("canary-nginx", "ingress.yaml")
    (rule,) = found["spec"]["rules"]
    rule["host"] = host
    return found
