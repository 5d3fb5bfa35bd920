"""Make a container's network what a lab's plan says, where the engine has no option for it.

    network.py set [--no-offload] [--ways JSON]     no default route; offloads off; ways by routers
    network.py down ADDRESS                         set that address' link down; what it had, on stdout
    network.py up ADDRESS SAVED                     and up again, with what it had

Run in the container of the host's agent, which may: nothing in the host's own has a capability. Links are
found by their address, since the engine numbers their names anew at each connect. The first of these may be
part of making a host, so it loads next to nothing.
"""

import errno
import json
import os
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any

if __name__ == "__main__":  # started without PYTHONPATH, so that it starts quickly
    sys.path.insert(0, "/opt/lab")

from services.nursery import offload

_LOOPBACK = "lo"
_DELETE_ROUTE = 25
_REQUEST_ACK = 0x05
_MAIN_TABLE = 254
_ANY_SCOPE = 255


def ip(*words: str) -> Any:
    """What `ip -j WORDS` answers; None where it says nothing.

    Raises:
        CalledProcessError: it failed, and said why on stderr.
    """
    import subprocess  # noqa: PLC0415 - most hosts need no more than a default route less

    said = subprocess.run(["ip", "-j", *words], stdout=subprocess.PIPE, check=True).stdout  # noqa: S603, S607
    return json.loads(said) if said.strip() else None


def set_up(ways: Sequence[Sequence[str]] | None, *, no_offload: bool) -> None:
    """Bring the network to what the plan says.

    Args:
        ways: network and router of each; None: this lab has no routers.
        no_offload: switch off what makes a packet more than a segment.
    """
    if no_offload:
        for _, device in socket.if_nameindex():
            if device != _LOOPBACK:
                offload.turn_off(device)
    for family in (socket.AF_INET, socket.AF_INET6):
        while delete_default_route(family):
            pass
    if ways is None:
        return
    _settle()
    reachable = [address for _, address in _addresses()]
    for to, via in ways:
        # A host that is off the router's network has no way there; it gets it when it is back.
        if any(via_is_near(via, address, length) for address, length in reachable):
            ip("route", "replace", to, "via", via)


def delete_default_route(family: int) -> bool:
    """Delete a default route of the main table (rtnetlink(7)); whether there was one.

    Args:
        family: of the address.

    Raises:
        OSError: it may not be deleted.
    """
    route = struct.pack("=8BI", family, 0, 0, 0, _MAIN_TABLE, 0, _ANY_SCOPE, 0, 0)
    header = struct.pack("=IHHII", 16 + len(route), _DELETE_ROUTE, _REQUEST_ACK, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.send(header + route)
        (code,) = struct.unpack_from("=i", asking.recv(4096), 16)
    if code in {-errno.ESRCH, -errno.ENOENT, -errno.ENODEV, -errno.EAFNOSUPPORT, -errno.EOPNOTSUPP}:
        return False
    if code:
        raise OSError(-code, os.strerror(-code))
    return True


def _settle() -> None:
    """Skip duplicate address detection: a router looks for neighbours from an address that is still in it."""
    for link in ip("-6", "address", "show", "tentative") or []:
        for info in link.get("addr_info", []):
            if "local" in info:
                address = f"{info['local']}/{info['prefixlen']}"
                ip("address", "del", address, "dev", link["ifname"])
                ip("address", "add", address, "dev", link["ifname"], "nodad")


def via_is_near(router: str, address: str, length: int) -> bool:
    """Whether a router is on the network of an address with that prefix length."""
    import ipaddress  # noqa: PLC0415 - only labs with routers

    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    return ipaddress.ip_address(router) in network


def _addresses() -> list[tuple[str, tuple[str, int]]]:
    """Device, address and prefix length of every address of this namespace."""
    return [
        (link["ifname"], (info["local"], info["prefixlen"]))
        for link in ip("address", "show") or []
        for info in link["addr_info"]
        if "local" in info
    ]


def _device_of(address: str) -> str:
    for device, (local, _) in _addresses():
        if local == address:
            return device
    raise LookupError(address)


def set_down(address: str) -> dict[str, Any]:
    """Set a link down; what it had that will not come back by itself.

    Args:
        address: IPv4, of the link.
    """
    device = _device_of(address)
    saved = {
        "addresses": [
            f"{info['local']}/{info['prefixlen']}"
            for link in ip("-6", "address", "show", "dev", device, "scope", "global") or []
            for info in link.get("addr_info", [])
            if "local" in info  # what the scope filters out is an empty object
        ],
        "routes": [_route_words(family, route, device) for family, route in _routes(device)],
    }
    ip("link", "set", "dev", device, "down")
    return saved


def _routes(device: str) -> list[tuple[str, dict[str, Any]]]:
    """The routes over a link that are not the kernel's own; each with its family's option."""
    return [
        (family, route)
        for family in ("-4", "-6")
        for route in ip(family, "route", "show", "dev", device) or []
        if route.get("protocol") != "kernel"
    ]


def _route_words(family: str, route: dict[str, Any], device: str) -> list[str]:
    words = [family, "route", "replace", route["dst"], "dev", device]
    for key, word in (("gateway", "via"), ("metric", "metric"), ("prefsrc", "src"), ("protocol", "proto")):
        if key in route:
            words += [word, str(route[key])]
    return words


def set_again(address: str, saved: dict[str, Any]) -> None:
    """Set a link up again.

    Args:
        address: IPv4, of the link.
        saved: what `set_down` gave.
    """
    device = _device_of(address)
    ip("link", "set", "dev", device, "up")
    for each in saved["addresses"]:
        ip("-6", "address", "replace", each, "dev", device, "nodad")
    for words in saved["routes"]:
        ip(*words)


def main(words: Sequence[str]) -> int:
    """Do what the words say; the exit code."""
    try:
        match list(words):
            case ["set", *options]:
                ways = json.loads(options[options.index("--ways") + 1]) if "--ways" in options else None
                set_up(ways, no_offload="--no-offload" in options)
            case ["down", address]:
                sys.stdout.write(json.dumps(set_down(address)))
            case ["up", address, saved]:
                set_again(address, json.loads(saved))
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except Exception as error:  # noqa: BLE001 - all of it is told to the controller
        sys.stderr.write(f"{error!r}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
