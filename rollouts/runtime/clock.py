"""The clocks, read here and handed on as values."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def running_seconds() -> float:
    """Seconds from some point in the past; they only grow."""
    return time.monotonic()
