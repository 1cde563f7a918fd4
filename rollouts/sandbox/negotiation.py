"""What a client asks for in its Accept header: which representation, in which encoding.

The sandbox speaks JSON. A client may ask for it as it is, or transformed into a `Table` or `PartialObjectMetadata`
(`application/json;as=Table;v=v1;g=meta.k8s.io`), or for a document of a named media type. Entries are taken in the
order in which the client prefers them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Transform = Literal["Table", "PartialObjectMetadata", "PartialObjectMetadataList"]

JSON_TYPE = "application/json"
_TRANSFORMS: dict[str, Transform] = {
    "Table": "Table",
    "PartialObjectMetadata": "PartialObjectMetadata",
    "PartialObjectMetadataList": "PartialObjectMetadataList",
}
_JSON_RANGES = frozenset({JSON_TYPE, "application/*", "*/*"})


@dataclass(frozen=True, slots=True)
class MediaType:
    """One entry of an Accept header."""

    name: str
    parameters: dict[str, str]

    @property
    def is_json(self) -> bool:
        """Whether plain JSON satisfies it."""
        return self.name in _JSON_RANGES

    @property
    def quality(self) -> float:
        """How much the client wants it, from 0 to 1; 1 where it does not say so in a number."""
        try:
            return float(self.parameters.get("q", "1"))
        except ValueError:
            return 1.0


class NotAcceptable(Exception):
    """Nothing the sandbox has satisfies the Accept header; the text is what a client is told."""


@lru_cache(maxsize=256)
def accepted(header: str | None) -> tuple[MediaType, ...]:
    """The entries of an Accept header, preferred ones first; no header means anything."""
    entries = [_entry(part) for part in (header or "*/*").split(",") if part.strip()]
    return tuple(sorted(entries, key=lambda entry: -entry.quality))


@lru_cache(maxsize=256)
def transform(header: str | None) -> Transform | None:
    """The representation asked for: a transform, or None for the objects themselves.

    Raises NotAcceptable when neither JSON nor a known transform of it would do.
    """
    for media_type in accepted(header):
        if not media_type.is_json:
            continue
        wanted = media_type.parameters.get("as")
        if wanted is None:
            return None
        if wanted in _TRANSFORMS and media_type.parameters.get("g") == "meta.k8s.io":
            if media_type.parameters.get("v") in ("v1", "v1beta1"):
                return _TRANSFORMS[wanted]
    raise NotAcceptable(f"only the following media types are accepted: {JSON_TYPE}")


def first_acceptable(header: str | None, offered: Iterable[str]) -> str:
    """The first of the offered media types, by the client's preference; raises NotAcceptable when it wants none."""
    offers = tuple(offered)
    for media_type in accepted(header):
        for offer in offers:
            if media_type.name in (offer, "*/*") or (media_type.name == "application/*" and offer == JSON_TYPE):
                return offer
    raise NotAcceptable(f"only the following media types are accepted: {', '.join(offers)}")


def _entry(text: str) -> MediaType:
    name, *parameters = (part.strip() for part in text.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    return MediaType(name.lower(), {key.strip(): value.strip().strip('"') for key, _, value in pairs})
