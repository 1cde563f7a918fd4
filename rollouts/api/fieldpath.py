"""Paths into an object's own metadata, as the downward API defines them: `metadata.name`, `metadata.labels['app']`."""

from __future__ import annotations

import re

_PLAIN = frozenset({"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations"})
_ONE_OF_A_MAP = re.compile(r"metadata\.(?:labels|annotations)\['[^']+'\]")


def is_metadata_path(path: str) -> bool:
    """Whether the downward API knows `path`."""
    return path in _PLAIN or _ONE_OF_A_MAP.fullmatch(path) is not None
