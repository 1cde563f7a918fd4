"""Where a walker is: a linked path, one tuple per step, that becomes text only when there is something to say."""

from __future__ import annotations

from typing import Any

Path = tuple[Any, str | int] | None
"""The parent's path and the last step: a field's name, or an index of a list. None is the root."""


def dotted(path: Path) -> str:
    """The path as messages write it: `spec.containers[0].name`, with map keys that come in brackets kept so.

    The root is empty.
    """
    parts: list[str] = []
    while path is not None:
        path, step = path
        parts.append(f"[{step}]" if isinstance(step, int) else step if step.startswith("[") else f".{step}")
    return "".join(reversed(parts)).removeprefix(".")


def names_only(path: Path) -> str:
    """The path without indices, as decoding errors write it: `spec.containers.name`."""
    parts: list[str] = []
    while path is not None:
        path, step = path
        if isinstance(step, str):
            parts.append(step)
    return ".".join(reversed(parts))
