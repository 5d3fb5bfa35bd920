"""A lab's network: bridges in a namespace of the lab's own, and what a host does with its end of each veth.

Theory of operation
    A netlink socket belongs to the network namespace that its thread was in when it was made. So `LabNetwork`
    goes into a new namespace for a moment, makes such a socket and goes home; whatever it does later it does
    by that socket. `HostNetwork` is used by the first program of a host, in the host's namespace.

    A veth has its carrier once both ends are up, the host's last. The bridge takes frames from its end only
    when the kernel has noted that, in a work queue of its own: `await_carrier` waits until it has, for a
    frame before that would be lost without a word.

    A link's address on the wire follows from its IPv4 address, as on a bridge of Docker: a host that is
    connected again, or started again, is what its peers remember.
"""

import os
import select
import socket
import time
from collections.abc import Iterable, Sequence
from errno import EEXIST, ENODEV
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

from services.netlink.address import (
    Kept,
    dump_addresses,
    dump_routes,
    kept_address,
    kept_route,
    new_address,
    new_way,
)
from services.netlink.connection import ROUTE, Connection, LinkWatch
from services.netlink.errors import NetlinkError
from services.netlink.link import (
    LOOPBACK,
    Peer,
    delete_group,
    delete_link,
    dump_links,
    link_of,
    new_bridge,
    new_veth,
    set_link,
)
from services.netlink.message import Request
from services.nursery import kernel, offload, sysctls
from services.nursery.identity import last_user
from socketlab.wire.nursery import HostSetup, Port

_GROUP = 213
_FIRST_BRIDGE = 2
_FIRST_PORT = 1000
"""Above the number of every link that a host has."""
_CARRIER_SECONDS = 10.0
_BATCH = 48
"""Requests in one datagram: their acknowledgements fit into a socket's buffer even where it cannot grow."""


def mac_of(port: Port) -> bytes:
    """The hardware address of a host's link."""
    return b"\x02\x42" + ip_interface(port.address).ip.packed


def _transact(connection: Connection, requests: Sequence[Request]) -> None:
    for first in range(0, len(requests), _BATCH):
        connection.transact(requests[first : first + _BATCH])


class LabNetwork:
    """The bridges of one lab.

    Args:
        networks: how many.
        home: descriptor of the network namespace to return to.
        settings: descriptor of `/proc/sys`.

    Raises:
        OSError: no network namespace is to be had.
        ServiceError: no bridge is to be had.
    """

    def __init__(self, networks: int, home: int, settings: int) -> None:
        kernel.unshare(kernel.NEW_NETWORK)
        try:
            sysctls.write(sysctls.LAB, settings)
            self._connection = Connection(ROUTE)
            self._watch = LinkWatch()
        finally:
            kernel.set_namespace(home, kernel.NEW_NETWORK)
        self._next_port = _FIRST_PORT
        try:
            names = range(_FIRST_BRIDGE, _FIRST_BRIDGE + networks)
            _transact(self._connection, [new_bridge(f"br{index}", index, _GROUP) for index in names])
        except BaseException:
            self._watch.close()
            self._connection.close()
            raise

    def connect(self, ports: Iterable[tuple[str, Port, int]]) -> None:
        """Plug hosts in.

        Args:
            ports: of each end its name here, the port, and a process in the host's network namespace.
        """
        requests = []
        for name, port, pid in ports:
            bridge, self._next_port = _FIRST_BRIDGE + port.bridge, self._next_port + 1
            peer = Peer(port.device, pid, mac_of(port))
            requests.append(new_veth(name, self._next_port, _GROUP, bridge, peer))
        _transact(self._connection, requests)

    def await_carrier(self, names: Iterable[str]) -> None:
        """Wait until the bridges take frames from these ends, whose other ends have been set up.

        Raises:
            TimeoutError: one of them does not get there.
        """
        missing = set(names)
        deadline = time.monotonic() + _CARRIER_SECONDS
        poll = select.poll()
        poll.register(self._watch, select.POLLIN)
        while True:
            self._watch.drain()
            links = (link_of(reply.payload) for reply in self._connection.dump(dump_links()))
            missing -= {link.name for link in links if link.forwards}
            if not missing:
                return
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError(f"no carrier: {', '.join(sorted(missing))}")

    def disconnect(self, names: Sequence[str]) -> None:
        """Unplug, by the names of the ends here; what is not plugged in is passed over."""
        for name in names:
            try:
                self._connection.transact([delete_link(name)])
            except NetlinkError as error:
                if error.errno != ENODEV:
                    raise

    def close(self) -> None:
        """Remove all links, in one go; the namespace goes with the socket."""
        try:
            self._connection.transact([delete_group(_GROUP)])
        finally:
            self._watch.close()
            self._connection.close()


class HostNetwork:
    """The links of one host, as its first program has them.

    Args:
        host: what it is to be.
        has_offload: leave offloads as the kernel has them.

    Raises:
        OSError: a setting of the host is none that the kernel has, or takes.
    """

    def __init__(self, host: HostSetup, *, has_offload: bool) -> None:
        self._host = host
        self._has_offload = has_offload
        self._settings = sysctls.folder()
        self._down: dict[str, list[Kept]] = {}
        groups = Path("/proc/self/gid_map").read_text(encoding="ascii")
        sysctls.write(sysctls.of_host(host, last_user(groups)), self._settings)
        self._connection = Connection(ROUTE)
        self._connection.transact([set_link(LOOPBACK, up=True)])

    def configure(self, ports: Sequence[Port]) -> None:
        """Give links that have just come their settings, addresses and routes."""
        requests: list[Request] = []
        routes: list[Request] = []
        for port in ports:
            self._down.pop(port.device, None)
            settings = sysctls.of_link(self._host, port.device, ipv6=port.address6 is not None)
            sysctls.write(settings, self._settings)
            if not self._has_offload:
                offload.turn_off(port.device)
            index = socket.if_nametoindex(port.device)
            addresses = [ip_interface(text) for text in (port.address, port.address6) if text]
            requests.append(set_link(index, up=True))
            requests += [new_address(index, each) for each in addresses]
            nets = [each.network for each in addresses]
            for to, via in self._host.ways:
                if any(ip_address(via) in net for net in nets):
                    routes.append(new_way(ip_network(to), ip_address(via)))
        _transact(self._connection, requests + routes)

    def set_link(self, device: str, *, up: bool) -> None:
        """Set a link down, or up again with the addresses and routes that it had."""
        index = socket.if_nametoindex(device)
        if not up:
            if device not in self._down:
                self._down[device] = self._keep(index)
            self._connection.transact([set_link(index, up=False)])
            return
        self._connection.transact([set_link(index, up=True)])
        for kept in self._down.pop(device, []):
            try:
                self._connection.transact([kept.request])
            except NetlinkError as error:
                if error.errno != EEXIST:
                    raise

    def _keep(self, index: int) -> list[Kept]:
        """What a link will lose, in the order to make it again: routes by a gateway need the others first."""
        addresses = [kept_address(reply, index) for reply in self._connection.dump(dump_addresses())]
        routes = [kept_route(reply, index) for reply in self._connection.dump(dump_routes())]
        direct = [route for route in routes if route is not None and not route.by_gateway]
        indirect = [route for route in routes if route is not None and route.by_gateway]
        return [address for address in addresses if address is not None] + direct + indirect


def own_namespace() -> int:
    """A descriptor of the network namespace that this process is in."""
    return os.open(Path("/proc/self/ns/net"), os.O_RDONLY)
