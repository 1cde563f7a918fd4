"""Quantities, durations, times, int-or-percents and JSON paths mean what Kubernetes means by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.lib import durations, intstr, jsonpath, quantity, timestamps
from rollouts.lib.intstr import IntOrPercent


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1", "1"),
        (1, "1"),
        (0.5, "500m"),
        ("0.001", "1m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1.5", "1500m"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("1.5Gi", "1536Mi"),
        ("1000Mi", "1000Mi"),
        ("1024", "1024"),
        ("1000", "1k"),
        ("100k", "100k"),
        ("1000k", "1M"),
        ("1e3", "1e3"),
        ("1E6", "1e6"),
        ("12e5", "1200e3"),
        ("0", "0"),
        ("0Gi", "0"),
        ("-1000m", "-1"),
        ("+1", "1"),
        ("0.1n", "1n"),
        ("100m", "100m"),
        ("0.5Ki", "512"),
        (".5", "500m"),
        ("5.", "5"),
        ("1Ei", "1Ei"),
        ("3E", "3E"),
    ],
)
def test_quantities_have_one_text(text: object, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2.125", "2.125"),
        ("+3", "+3"),
        ("0010", "0010"),
        ("+3Mi", "+3Mi"),
        ("1.50", "1500m"),
        ("0.500", "500m"),
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("12E2", "1200"),
        ("7516192768T", "7516192768T"),
        ("x", None),
    ],
)
def test_go_writes_some_quantities_as_it_read_them(text: str, written: str | None) -> None:
    """Checked against Go's own encoder; it matters for hashes only."""
    assert quantity.as_go_writes(text) == written


@pytest.mark.parametrize(
    "text", ["", "x", "1 Gi", "1gi", "--1", "1e", "1e99999999", "9" * 300, None, True, [], "1Kii", "."]
)
def test_what_is_no_quantity_has_no_value(text: object) -> None:
    assert quantity.parse(text) is None
    assert quantity.canonical(text) is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**15), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_the_one_text_keeps_the_value(amount: int, suffix: str) -> None:
    """Below the cap and above nano, nothing is lost; writing it again changes nothing."""
    text = f"{amount}{suffix}"
    value, canonical = quantity.parse(text), quantity.canonical(text)
    assert value is not None and canonical is not None
    if value < 2**63 - 1:
        assert quantity.parse(canonical) == value
    assert quantity.canonical(canonical) == canonical


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("300ms", Fraction(3, 10)),
        ("-2m", -120),
        ("0", 0),
        ("1h1m1s1ms", Fraction(3661001, 1000)),
        (".5s", Fraction(1, 2)),
        ("1us", Fraction(1, 10**6)),
        ("1µs", Fraction(1, 10**6)),
    ],
)
def test_go_durations_are_read_exactly(text: str, seconds: Fraction | int) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "1d", "s", "1h ", "1h-5m", "-", ".s", "9" * 400 + "s", "9999999999h"])
def test_what_is_no_duration_has_no_seconds(text: str) -> None:
    assert durations.parse(text) is None
    assert durations.whole_seconds(text) is None


@settings(max_examples=100)
@given(st.integers(-(10**7), 10**7))
def test_a_duration_survives_writing(seconds: int) -> None:
    assert durations.whole_seconds(durations.render(seconds)) == seconds


def test_durations_are_cut_to_whole_seconds() -> None:
    assert durations.whole_seconds("1999ms") == 1
    assert durations.render(5400) == "1h30m0s"
    assert durations.render(0) == "0s"


def test_times_are_utc_and_whole_seconds() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert timestamps.parse("2026-01-02T03:04:05Z") == moment
    assert timestamps.parse("2026-01-02T05:04:05.999999+02:00") == moment
    assert timestamps.render(moment.astimezone(timezone(timedelta(hours=5))) + timedelta(microseconds=7)) == (
        "2026-01-02T03:04:05Z"
    )
    for wrong in ("", "2026-01-02", "2026-13-01T00:00:00Z", "2026-01-02T03:04:05", "0001-01-01T00:00:00+01:00"):
        assert timestamps.parse(wrong) is None


@pytest.mark.parametrize(
    ("value", "total", "up", "down"),
    [(3, 10, 3, 3), ("25%", 10, 3, 2), ("25", 10, 3, 2), ("1", 10, 1, 0), ("0%", 10, 0, 0), ("150%", 3, 5, 4)],
)
def test_percentages_round_as_asked(value: int | str, total: int, up: int, down: int) -> None:
    """A string is always a percentage."""
    read = intstr.parse(value)
    assert read == IntOrPercent(value)
    assert (read.of(total, round_up=True), read.of(total, round_up=False)) == (up, down)


@pytest.mark.parametrize("value", ["", "%", "a%", "1.5%", None, True, 1.5, [], "9" * 5000, "10 %"])
def test_what_is_no_int_or_percent_is_none(value: object) -> None:
    assert intstr.parse(value) is None


STORE: dict[str, Any] = {
    "items": [{"name": "a", "price": 1}, {"name": "b", "price": 2}],
    "a.b": {"c": None},
    "deep": {"price": 3},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("{$}", [STORE]),
        ("", [STORE]),
        ("{.items[0].name}", ["a"]),
        ("$.items[-1]['name']", ["b"]),
        ("{.items[*].price}", [1, 2]),
        ("{.items[0:1].name}", ["a"]),
        ("{.items[:].name}", ["a", "b"]),
        ("{..price}", [1, 2, 3]),
        ("{['a.b'].c}", [None]),
        ('{["a.b"]}', [{"c": None}]),
        ("{.nothing}", []),
        ("{.items[7]}", []),
        ("{.items.name}", []),
        ("{.deep.*}", [3]),
    ],
)
def test_json_paths_find_values_in_order(path: str, found: list[Any]) -> None:
    assert jsonpath.find(path, STORE) == found


@pytest.mark.parametrize("path", ["{.a", "{.items[}", "{.items[?(@.a)]}", "{a b}", "." * 2000, "{.}}"])
def test_what_is_no_json_path_is_refused(path: str) -> None:
    with pytest.raises(jsonpath.BadPath):
        jsonpath.find(path, STORE)


def test_a_path_cannot_find_without_end() -> None:
    wide = [[0] * 400 for _ in range(400)]
    with pytest.raises(jsonpath.BadPath, match="finds more than"):
        jsonpath.find("{..*}", wide)
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(jsonpath.BadPath, match="nested deeper"):
        jsonpath.find("{..a}", deep)
