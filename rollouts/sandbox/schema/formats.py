"""The string formats that an API server checks; a format it does not know is ignored."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime

_DATE_TIME = re.compile(r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$")
_DURATION = re.compile(r"^([+-]?\d+(\.\d*)?(ns|us|µs|ms|s|m|h|d|w))+$")
_UUID = re.compile(r"^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$", re.IGNORECASE)
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+$")
_URI = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:[^\s]*|/[^\s]*)$")
_HOSTNAME = re.compile(
    r"^[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?)*\.?$"
)


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _parse_date_time(text: str) -> None:
    if not _DATE_TIME.match(text):
        raise ValueError(text)
    datetime.fromisoformat(text.upper().replace("Z", "+00:00")[:19])


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.match(text) is not None


_FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _parses(_parse_date_time),
    "datetime": _parses(_parse_date_time),
    "date": _parses(date.fromisoformat),
    "duration": _matches(_DURATION),
    "byte": _parses(lambda text: base64.b64decode(text, validate=True)),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": _parses(lambda text: ipaddress.ip_network(text, strict=False)),
    "uuid": _matches(_UUID),
    "email": _matches(_EMAIL),
    "uri": _matches(_URI),
    "hostname": _matches(_HOSTNAME),
}


def matches_format(name: str, text: str) -> bool:
    """Whether the text has the named format."""
    check = _FORMATS.get(name)
    return check is None or check(text)
