"""An answer's deadline, kept where its bytes arrive.

A socket's timeout counts anew from every byte, so a backend that drips its headers would hold a thread for days. Here
each read gets only the time that is left of the whole. When that time begins, and what is sent, belong to http.py.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

Clock = Callable[[], float]


class _Stream(io.RawIOBase):
    """What comes through a socket, until the time is over that its timeout gave at the beginning."""

    def __init__(self, stream: io.RawIOBase, connection: socket.socket, clock: Clock) -> None:
        self._stream = stream
        self._connection = connection
        self._clock = clock
        self._seconds = connection.gettimeout()
        self._began = clock()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._seconds is not None:
            left = self._began + self._seconds - self._clock()
            if left <= 0:
                raise TimeoutError("the time for the whole answer is over")
            self._connection.settimeout(left)
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        if self._connection.fileno() >= 0:  # it lives on for the next request
            self._connection.settimeout(self._seconds)
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer whose status, headers and body must all arrive within one timeout."""

    def __init__(self, connection: socket.socket, *args: Any, clock: Clock, **kwargs: Any) -> None:
        super().__init__(connection, *args, **kwargs)
        raw: Any = self.fp.detach()  # a buffered reader, as makefile() makes it
        self.fp = io.BufferedReader(_Stream(raw, connection, clock))


class BoundedAdapter(HTTPAdapter):
    """Carries exchanges whose read timeout covers all that is read. `clock` counts seconds from any fixed point."""

    def __init__(self, clock: Clock, **options: Any) -> None:
        self._answer = partial(_Answer, clock=clock)
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of connections, as the base asks for them."""
        super().init_poolmanager(*args, **options)
        answer = {"response_class": staticmethod(self._answer)}
        plain = type("_Plain", (HTTPConnection,), answer)
        secure = type("_Secure", (HTTPSConnection,), answer)
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("_SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
