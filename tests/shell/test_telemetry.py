"""What the controller's logs may and may not show."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from rollouts.telemetry import RETRIES_QUIET_SECONDS, RetriesNowAndThen, set_up_logging


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("is_json", [True, False])
def test_a_traceback_shows_no_values(capsys: pytest.CaptureFixture[str], *, is_json: bool) -> None:
    """Variables may hold secrets: an exception is logged with its lines of code, not with what they worked on."""
    set_up_logging(level="info", is_json=is_json)
    password = "-".join(("hunter", "two"))
    try:
        _fail(password)
    except ZeroDivisionError:
        structlog.get_logger().exception("turn_failed")
    logged = capsys.readouterr().err
    assert "turn_failed" in logged
    assert "ZeroDivisionError" in logged
    assert password not in logged


def _fail(password: str) -> float:
    return len(password) / 0


def test_no_library_logs_the_address_of_a_query(capsys: pytest.CaptureFixture[str]) -> None:
    """The HTTP library warns of odd headers with the whole URL, part of which may be a secret."""
    set_up_logging(level="debug", is_json=True)
    logging.getLogger("urllib3.connection").warning("Failed to parse headers (url=%s)", "http://prometheus/hunter-two")
    assert "hunter-two" not in capsys.readouterr().err


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
