"""Names of repeated tries at one thing: derived from what is tried, with a number from the second try on.

Making something twice under its derived name finds the first one. What is tried, and when again, is for others.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping


def is_attempt(name: str, base: str, *, mark: str) -> bool:
    """Whether this is a name of the thing that `base` is derived from: the first attempt has no number."""
    head, _, number = name.rpartition(mark)
    return name == base or (head == base and number.isascii() and number.isdigit())


def next_name(base: str, known: Mapping[str, bool], *, taken: Collection[str], mark: str) -> str:
    """The name of the next attempt: the first one free, or of one that can be gone on with.

    `known` says of each object of ours whether it can; `taken` are names that others hold.
    """
    for attempt in itertools.count():
        name = f"{base}{mark}{attempt}" if attempt else base
        if known.get(name, name not in taken):
            return name
    raise AssertionError("counting has no end")
