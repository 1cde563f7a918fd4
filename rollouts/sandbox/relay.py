"""Two TCP connections joined: what one side says the other hears, at the pace of the slower one.

A side that has finished sending (half-close) is passed on as such; a side that breaks is passed on as a break, so that
a client sees what it would have seen without a balancer in between.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

_NO_LINGER = struct.pack("ii", 1, 0)


class Relay(asyncio.Protocol):
    """One of the two connections. Of what it says before it is joined one piece is read and kept, the rest waits.

    Pausing in `connection_made` would not do: some releases of Python 3.11 (3.11.2, for one) begin to read afterwards
    all the same.
    """

    def __init__(self, accepted: Callable[[Relay], None] | None = None) -> None:
        self._accepted = accepted
        self._transport: asyncio.Transport | None = None
        self._peer: Relay | None = None
        self._early = b""
        self._has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection stands."""
        assert isinstance(transport, asyncio.Transport), "relays join streams"
        self._transport = transport
        if self._accepted is not None:
            self._accepted(self)

    def data_received(self, data: bytes) -> None:
        """asyncio: pass on, or keep for a peer that is still to come."""
        if self._peer is not None:
            self._peer.send(data)
        else:
            self._early += data
            self.hold()

    def eof_received(self) -> bool:
        """asyncio: this side has nothing more to say; it may still listen."""
        self._has_ended = True
        if self._peer is None:
            return True
        self._peer.finish()
        return not self._peer.has_ended

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: this side is gone, so the other one goes too."""
        self._transport = None
        if self._peer is not None:
            peer, self._peer = self._peer, None
            if error is None:
                peer.close()
            else:
                peer.abort()

    def pause_writing(self) -> None:
        """asyncio: this side does not keep up."""
        if self._peer is not None:
            self._peer.hold()

    def resume_writing(self) -> None:
        """asyncio: this side keeps up again."""
        if self._peer is not None:
            self._peer.go_on()

    @property
    def has_ended(self) -> bool:
        """Whether this side has finished sending."""
        return self._has_ended

    def attach(self, peer: Relay) -> None:
        """Pass on to this peer what was said already, and all that comes."""
        self._peer = peer
        if self._transport is None:
            peer.abort()
            return
        peer.send(self._early)
        self._early = b""
        if self._has_ended:
            peer.finish()
        self.go_on()

    def send(self, data: bytes) -> None:
        """Write to this side."""
        if self._transport is not None:
            self._transport.write(data)

    def finish(self) -> None:
        """Tell this side that nothing more comes."""
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def hold(self) -> None:
        """Stop reading from this side for now."""
        if self._transport is not None:
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Read from this side again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close this side after everything was written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Break this side off; the other end sees a reset, not an end."""
        if self._transport is not None:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._transport.abort()


def join(one: Relay, other: Relay) -> None:
    """Let two connections speak with each other."""
    one.attach(other)
    other.attach(one)
    if one.has_ended and other.has_ended:
        one.close()
