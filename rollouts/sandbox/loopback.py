"""Addresses of the loopback network for one cluster's pods and Services, so that clusters on one machine never meet.

A cluster claims a /16 of 127.0.0.0/8 by listening on its last address; the kernel lets go of the claim when the
process ends, however it ends. Who gets which address of a claimed range is decided by its users.
"""

from __future__ import annotations

import errno
import ipaddress
import random
import socket
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

BLOCKS = tuple(ipaddress.IPv4Network(f"127.{number}.0.0/16") for number in range(128, 255))
CLAIM_PORT = 10250  # where a kubelet would listen


@dataclass(frozen=True, slots=True)
class Block:
    """A claimed range: half for pods, half for Services. Close it to give it back."""

    network: ipaddress.IPv4Network
    claim: socket.socket

    @property
    def pods(self) -> ipaddress.IPv4Network:
        """The range for pods."""
        return next(self.network.subnets())

    @property
    def services(self) -> ipaddress.IPv4Network:
        """The range for Services."""
        return list(self.network.subnets())[1]

    def close(self) -> None:
        """Give the range back."""
        self.claim.close()


def claim(blocks: Iterable[ipaddress.IPv4Network] = BLOCKS) -> Block:
    """Claim a free range, a random one of these. Raises OSError when none is free or loopback addresses do not bind."""
    candidates = list(blocks)
    random.shuffle(candidates)
    for network in candidates:
        listener = socket.socket()
        try:
            listener.bind((str(network.broadcast_address - 1), CLAIM_PORT))
            listener.listen(1)
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return Block(network, listener)
    raise OSError(errno.EADDRINUSE, "all address ranges for clusters are in use")


class AddressPool:
    """The addresses of a range, given out in turn: one that was given back is not given out again soon."""

    def __init__(self, network: ipaddress.IPv4Network) -> None:
        self.network = network
        self._fresh = iter(range(1, network.num_addresses - 2))
        self._returned: deque[str] = deque()
        self._held: set[str] = set()

    def take(self) -> str:
        """A free address. Raises LookupError when all are held."""
        for offset in self._fresh:
            address = str(self.network.network_address + offset)
            if address not in self._held:
                self._held.add(address)
                return address
        while self._returned:
            address = self._returned.popleft()
            if address not in self._held:
                self._held.add(address)
                return address
        raise LookupError(f"all addresses of {self.network} are in use")

    def hold(self, address: str) -> bool:
        """Take this address; False when it is held already or is not of this range."""
        if address in self._held or ipaddress.IPv4Address(address) not in self.network:
            return False
        self._held.add(address)
        return True

    def give_back(self, address: str) -> None:
        """Free an address."""
        if address in self._held:
            self._held.discard(address)
            self._returned.append(address)


def check_bindable(address: str) -> None:
    """Raise OSError, saying what to do, when programs of this machine cannot listen on an address."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            hint = f"programs cannot listen on {address}; on Linux: ip route add local <range> dev lo"
            raise OSError(error.errno, hint) from error
