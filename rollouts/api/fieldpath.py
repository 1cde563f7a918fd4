"""Paths into an object's own metadata, as the downward API defines them: `metadata.name`, `metadata.labels['app']`."""

from __future__ import annotations

import re

_PLAIN = frozenset({"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations"})
_ONE_OF_A_MAP = re.compile(r"metadata\.(?P<map>labels|annotations)\['(?P<key>[^']+)'\]")


def is_metadata_path(path: str) -> bool:
    """Whether the downward API knows `path`."""
    return path in _PLAIN or _ONE_OF_A_MAP.fullmatch(path) is not None


def map_key(path: str) -> tuple[str, str] | None:
    """(`labels` or `annotations`, the key) for a path to one entry of these maps; None for any other path."""
    match = _ONE_OF_A_MAP.fullmatch(path)
    return None if match is None else (match["map"], match["key"])
