"""Numbers as Go prints them, and texts without secrets."""

from __future__ import annotations

import math

import pytest

from rollouts.lib import floats
from rollouts.lib.redaction import redacted


@pytest.mark.parametrize(
    ("value", "plain", "shortest"),
    [
        (0.0, "0", "0"),
        (-0.0, "-0", "-0"),
        (1.0, "1", "1"),
        (0.5, "0.5", "0.5"),
        (0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"),
        (100.0, "100", "100"),
        (1e20, "100000000000000000000", "100000000000000000000"),
        (1e21, "1000000000000000000000", "1e+21"),
        (-1.5e300, "-15" + "0" * 299, "-1.5e+300"),
        (0.0001, "0.0001", "0.0001"),
        (0.00001, "0.00001", "1e-05"),
        (1.25e-7, "0.000000125", "1.25e-07"),
        (123456789.125, "123456789.125", "123456789.125"),
        (3, "3", "3"),
        (math.nan, "NaN", "NaN"),
        (math.inf, "+Inf", "+Inf"),
        (-math.inf, "-Inf", "-Inf"),
    ],
)
def test_numbers(value: float, plain: str, shortest: str) -> None:
    """Without an exponent, and with one where Go's %v has one."""
    assert (floats.plain(value), floats.shortest(value)) == (plain, shortest)


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        ("key=abc", ["abc"], "key=*****"),
        ("abcdef abc", ["abc", "abcdef"], "***** *****"),
        ("abc", [""], "abc"),
        ("abc", [], "abc"),
        (r'error: "a\"b"', ['a"b'], 'error: "*****"'),
        ("q=a%2Fb%20c", ["a/b c"], "q=*****"),
        ("q=a%2Fb+c", ["a/b c"], "q=*****"),
        (r"x\u00e9y xéy", ["xéy"], "***** *****"),
        ("line1\\nline2", ["line1\nline2"], "*****"),
        ("\ud800", ["\ud800"], "*****"),
        ("GET /a%20b/c+d%22e/x", ['a b/c+d"e'], "GET /*****/x"),
    ],
)
def test_secrets_are_taken_out(text: str, secrets: list[str], shown: str) -> None:
    """As they are, quoted, escaped or in a URL; the longest form first."""
    assert redacted(text, secrets) == shown
