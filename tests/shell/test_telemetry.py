"""What reaches the log."""

from __future__ import annotations

import logging

from rollouts.telemetry import RETRIES_QUIET_SECONDS, RetriesNowAndThen


def a_record(name: str, message: str, seconds: float) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.ERROR, "", 0, message, None, None)
    record.created = seconds
    return record


def test_an_outage_is_told_by_the_watch_library_once_in_a_while() -> None:
    """Every watch tries again every few seconds; what else it says, and others say, passes."""
    quiet = RetriesNowAndThen()
    retry = "Request attempt #3 failed; will retry: GET ..."
    moments = (0.0, 1.0, RETRIES_QUIET_SECONDS - 1, RETRIES_QUIET_SECONDS)
    passed = [moment for moment in moments if quiet.filter(a_record("kopf._cogs.clients.watching", retry, moment))]
    assert passed == [0.0, RETRIES_QUIET_SECONDS]
    assert quiet.filter(a_record("kopf._cogs.clients.watching", "Watcher has failed", 1.0))
    assert quiet.filter(a_record("rollouts", retry, 1.0))
