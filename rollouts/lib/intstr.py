"""Kubernetes' int-or-percent values.

A value is a count (JSON integer) or a share of some total (JSON string). The string form is always a percentage, with
or without the sign: `"25%"` and `"25"` both mean a quarter. That is what clients of this API have relied on for years.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PERCENTAGE = re.compile(r"-?[0-9]{1,9}%?")


@dataclass(frozen=True, slots=True)
class IntOrPercent:
    """A count, or a percentage of a total; `value` keeps the form the user wrote."""

    value: int | str

    @property
    def is_percent(self) -> bool:
        """Whether the value is a share of a total."""
        return isinstance(self.value, str)

    @property
    def amount(self) -> int:
        """The number written: a count, or whole percents."""
        return int(self.value.removesuffix("%")) if isinstance(self.value, str) else self.value

    def of(self, total: int, *, round_up: bool) -> int:
        """The count meant for `total`; percentages round up or down as asked."""
        if not self.is_percent:
            return self.amount
        product = self.amount * total
        return -(-product // 100) if round_up else product // 100


def parse(value: object) -> IntOrPercent | None:
    """Read a JSON value; None when it is neither an integer nor a whole percentage."""
    if isinstance(value, int) and not isinstance(value, bool):
        return IntOrPercent(value)
    if isinstance(value, str):
        return IntOrPercent(value) if _PERCENTAGE.fullmatch(value) else None
    return None
