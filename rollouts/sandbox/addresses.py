"""Cluster addresses and node ports of Services: who has which, and which one comes next.

Addresses come from a range of the loopback network, so that a balancer on this machine can listen on them. Ranges are
walked round and round: an address that was given back is not given out again at once.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from rollouts.sandbox import errors
from rollouts.sandbox.resources import Json, Resource

SERVICE_RANGE = "127.96.0.0/12"
NODE_PORTS = range(30000, 32768)


class _Pool:
    """Values of which each is held once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: set[int] = set()
        self._next = 0

    def hold(self, index: int) -> bool:
        """Take this one; whether it was free."""
        if index in self._held:
            return False
        self._held.add(index)
        return True

    def take(self) -> int:
        """Take the next free one. Raises InternalError when all are held."""
        for offset in range(self._size):
            index = (self._next + offset) % self._size
            if self.hold(index):
                self._next = index + 1
                return index
        raise errors.internal(f"failed to allocate: range of {self._size} is full")

    def release(self, index: int) -> None:
        """Give one back; it may be free already."""
        self._held.discard(index)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a Service holds: places in the range of addresses, and node ports."""

    hosts: frozenset[int] = frozenset()
    ports: frozenset[int] = frozenset()

    def __sub__(self, other: Claims) -> Claims:
        return Claims(self.hosts - other.hosts, self.ports - other.ports)


class Addresses:
    """The cluster addresses and node ports of one cluster."""

    def __init__(self, service_range: str = SERVICE_RANGE) -> None:
        self._network = ipaddress.ip_network(service_range)
        self._hosts = _Pool(self._network.num_addresses - 2)
        self._ports = _Pool(len(NODE_PORTS))

    def complete(self, resource: Resource, service: Json, old: Json | None) -> Claims:
        """Complete a Service in place with addresses and node ports, and hold them; what is new is returned.

        Raises Invalid, holding nothing new, when the Service asks for something that another one has.
        """
        before = self.claims(old) if old else Claims()
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            return Claims()
        asked = self.claims(service) - before
        self._hold(resource, service, asked)
        self._fill(spec)
        return self.claims(service) - before

    def claims(self, service: Json) -> Claims:
        """What a Service holds, or asks to hold."""
        spec = service.get("spec", {})
        index = self._index(spec.get("clusterIP"))
        ports = frozenset(port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort"))
        return Claims(frozenset() if index is None else frozenset((index,)), ports)

    def release(self, claims: Claims) -> None:
        """Give these back."""
        for index in claims.hosts:
            self._hosts.release(index)
        for port in claims.ports:
            self._ports.release(port - NODE_PORTS.start)

    def _index(self, address: str | None) -> int | None:
        """The place of an address in the range; None when it is not one of it."""
        try:
            index = int(ipaddress.ip_address(address or "")) - int(self._network.network_address) - 1
        except ValueError:
            return None
        return index if 0 <= index < self._network.num_addresses - 2 else None

    def _hold(self, resource: Resource, service: Json, asked: Claims) -> None:
        name, address = service["metadata"]["name"], service["spec"].get("clusterIP")
        if address and address != "None" and self._index(address) is None:
            raise _host_refused(resource, name, address, "the provided network does not match the current range")
        for index in asked.hosts:
            if not self._hosts.hold(index):
                raise _host_refused(resource, name, str(address), "provided IP is already allocated")
        for port in asked.ports:
            if port not in NODE_PORTS or not self._ports.hold(port - NODE_PORTS.start):
                self.release(Claims(hosts=asked.hosts))
                raise _port_refused(resource, name, port)

    def _fill(self, spec: Json) -> None:
        if not spec.get("clusterIP"):
            spec["clusterIP"] = str(self._network.network_address + 1 + self._hosts.take())
        spec["clusterIPs"] = [spec["clusterIP"]]
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            for port in spec.get("ports") or ():
                if not port.get("nodePort"):
                    port["nodePort"] = NODE_PORTS.start + self._ports.take()


def carry_over(old_service: Json, service: Json) -> None:
    """Give a Service, in place, what its old state had and its new one does not mention.

    What its old type had and its new one cannot have goes, unless the author asks for it anew.
    """
    old, new = old_service.get("spec"), service.get("spec")
    if not isinstance(old, dict) or not isinstance(new, dict):
        return
    if new.get("type") == "ExternalName":
        _drop_unchanged(old, new, ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"))
        return
    for name in ("clusterIP", "clusterIPs"):
        if not new.get(name) and old.get(name):
            new[name] = old[name]
    if new.get("type") in ("NodePort", "LoadBalancer"):
        _carry_node_ports(old, new)
    else:
        _drop_node_ports(old, new)


def _carry_node_ports(old: Json, new: Json) -> None:
    had = {port.get("name", port["port"]): port.get("nodePort") for port in old.get("ports") or ()}
    for port in new.get("ports") or ():
        known = had.get(port.get("name", port.get("port")))
        if known and not port.get("nodePort"):
            port["nodePort"] = known


def _drop_node_ports(old: Json, new: Json) -> None:
    _drop_unchanged(old, new, ("externalTrafficPolicy", "healthCheckNodePort", "allocateLoadBalancerNodePorts"))
    held = {port.get("nodePort") for port in old.get("ports") or ()}
    for port in new.get("ports") or ():
        if port.get("nodePort") in held:
            port.pop("nodePort", None)


def _drop_unchanged(old: Json, new: Json, names: tuple[str, ...]) -> None:
    for name in names:
        if name in new and new[name] == old.get(name):
            del new[name]


def _host_refused(resource: Resource, name: str, address: str, why: str) -> errors.ApiError:
    message = f'Invalid value: ["{address}"]: failed to allocate IP {address}: {why}'
    return errors.invalid(resource, name, [errors.cause("spec.clusterIPs", "FieldValueInvalid", message)])


def _port_refused(resource: Resource, name: str, port: int) -> errors.ApiError:
    why = "provided port is already allocated"
    if port not in NODE_PORTS:
        why = (
            f"provided port is not in the valid range. The range of valid ports is {NODE_PORTS.start}-{NODE_PORTS[-1]}"
        )
    cause = errors.cause("spec.ports[0].nodePort", "FieldValueInvalid", f"Invalid value: {port}: {why}")
    return errors.invalid(resource, name, [cause])
