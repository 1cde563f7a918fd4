"""Members of JSON values whose shape nobody has checked: objects come from whoever may write them.

What is not there, or is something else than it should be, is as good as empty for a reader who asks this way. Where the
difference matters, ask otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping_at(value: Any, *names: str) -> Mapping[str, Any]:
    """The mapping at a path of members, the value itself at none; empty where there is no mapping."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}
