"""Patterns in linear time, against Python's own engine where the two languages agree."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.lib.regex import BadPattern, occurs


@pytest.mark.parametrize(
    ("pattern", "text", "is_found"),
    [
        ("", "", True),
        ("rate", "success-rate", True),
        ("^rate", "success-rate", False),
        ("rate$", "success-rate", True),
        (".*", "", True),
        ("^$", "a", False),
        ("a.c", "abc", True),
        ("a.c", "a\nc", False),
        ("(?s)a.c", "a\nc", True),
        ("(?i)ABC", "xabcx", True),
        ("(?i:A)b", "aB", False),
        ("a(?i)B", "ab", True),
        ("(?m)^b$", "a\nb\nc", True),
        ("[a-c]+[^x]", "ccz", True),
        ("[]a]", "]", True),
        ("[a-]", "-", True),
        ("[^\\d]", "5", False),
        ("[\\w-]+$", "a-b_9", True),
        ("[[:alpha:]][[:digit:]]", "a1", True),
        ("\\d{3}", "a123", True),
        ("^\\d{3,}$", "12", False),
        ("^a{2,3}$", "aaaa", False),
        ("a{,2}", "a{,2}", True),
        ("x*y?z+", "z", True),
        ("^(ab|cd)+$", "abcdab", True),
        ("^(?:a|)$", "", True),
        ("(?P<name>a)b", "ab", True),
        ("(?<name>a)b", "ab", True),
        ("\\bcat\\b", "a cat!", True),
        ("\\bcat\\b", "concat", False),
        ("\\Bcat", "concat", True),
        ("\\Aab\\z", "ab", True),
        ("a+?b", "aab", True),
        ("\\.", "a", False),
        ("\\x41\\x{42}", "AB", True),
        ("é+", "ééé", True),
    ],
)
def test_pattern(*, pattern: str, text: str, is_found: bool) -> None:
    """A pattern is found anywhere unless it is anchored."""
    assert occurs(pattern, text) is is_found


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("*", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator"),
        ("(", "missing closing )"),
        (")", "unexpected )"),
        ("[", "unexpected end of pattern"),
        ("[z-a]", "invalid character class range"),
        ("[[:nope:]]", "invalid character class range: `[:nope:]`"),
        ("\\1", "invalid escape sequence: `\\1`"),
        ("\\pL", "invalid escape sequence: `\\p`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
        ("(?<=a)", "invalid or unsupported Perl syntax: `(?<`"),
        ("a{1001}", "invalid repeat count"),
        ("a{3,2}", "invalid repeat count"),
        ("\\", "unexpected end of pattern"),
        ("(?P<n", "missing >"),
        ("a" * 1001, "pattern is longer than 1000 characters"),
        ("(" * 100, "expression nests too deeply"),
        ("(a{1000}){1000}", "pattern is too large"),
    ],
)
def test_bad_pattern(pattern: str, why: str) -> None:
    """What the engine does not have is an error that says so."""
    with pytest.raises(BadPattern) as caught:
        occurs(pattern, "a")
    assert str(caught.value) == why


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a*)*$", "((a?){30})a{30}$", "(.*)(.*)(.*)(.*)x"])
def test_no_pattern_explodes(pattern: str) -> None:
    """Patterns that stop a backtracking engine for hours take a moment."""
    occurs(pattern, "a" * 500 + "b")


def test_empty_repetition_ends() -> None:
    """Nothing, repeated without end, is still nothing."""
    assert occurs("^((){1000}){1000}$", "")
    assert occurs("^(()*)*$", "")


PIECES = st.sampled_from(
    ["a", "b", ".", "(a|b)", "[ab]", "[^a]", "(ab)", "a*", "b+", "(a|b)?", "a{2}", "b{1,2}", "^", "$"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=6).map("".join), st.text(alphabet="abc", max_size=8))
def test_agrees_with_a_backtracking_engine(pattern: str, text: str) -> None:
    """Where both engines know the syntax, they find the same."""
    assert occurs(pattern, text) is (re.search(pattern, text) is not None)
