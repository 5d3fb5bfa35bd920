"""Kernel settings of a host's network: what both backends have, then what the lab's plan says."""

import os
from collections.abc import Iterable
from pathlib import Path

from socketlab.wire.nursery import HostSetup

_NAME_SERVER_PORT = 53
_LAST_GROUP = 2**31 - 1
_PER_LINK = ".conf.eth", ".neigh.eth"

LAB: tuple[tuple[str, str], ...] = (("net.ipv6.conf.default.disable_ipv6", "1"),)
"""Of the namespace with a lab's bridges: they carry frames and have no address."""


def of_host(host: HostSetup, last_group: int) -> list[tuple[str, str]]:
    """Settings to be made before the host has a link.

    A new namespace copies many settings from the machine's own (an engine sets forwarding there), so those
    that matter are set either way.

    Args:
        host: what it is to be.
        last_group: the highest that there is: all may open echo sockets, as in a container.
    """
    forwards = "1" if host.role == "router" else "0"
    lowest = _NAME_SERVER_PORT if host.role == "names" else 1024
    normal = {
        "net.ipv6.conf.all.accept_dad": "0",
        "net.ipv6.conf.default.accept_dad": "0",
        "net.ipv6.conf.default.accept_ra": "0",
        "net.ipv6.conf.default.autoconf": "0",
        "net.ipv6.conf.default.router_solicitations": "0",
        "net.ipv4.ip_forward": forwards,
        "net.ipv6.conf.all.forwarding": forwards,
        "net.ipv4.conf.all.rp_filter": "0",
        "net.ipv4.conf.default.rp_filter": "0",
        "net.ipv4.ip_unprivileged_port_start": str(lowest),
        "net.ipv4.icmp_ratelimit": "0",
        "net.ipv6.icmp.ratelimit": "0",
        "net.ipv4.ping_group_range": f"0 {min(last_group, _LAST_GROUP)}",
    }
    planned = [(name, value) for name, value in host.sysctls if not is_of_link(name)]
    return [*normal.items(), *planned]


def of_link(host: HostSetup, device: str, *, ipv6: bool) -> list[tuple[str, str]]:
    """Settings to be made once the host has this link."""
    own = [] if ipv6 else [(f"net.ipv6.conf.{device}.disable_ipv6", "1")]
    return own + [(name, value) for name, value in host.sysctls if f".{device}." in name]


def is_of_link(name: str) -> bool:
    """Whether a setting is there only while a link is."""
    return any(part in name for part in _PER_LINK)


def write(settings: Iterable[tuple[str, str]], folder: int) -> None:
    """Make settings, of the network namespace that this thread is in.

    Args:
        settings: names with dots, and values.
        folder: descriptor of `/proc/sys`.

    Raises:
        OSError: the kernel has no such setting (ENOENT), or does not take the value.
    """
    for name, value in settings:
        file = os.open(name.replace(".", "/"), os.O_WRONLY, dir_fd=folder)
        try:
            os.write(file, value.encode())
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"sysctl {name}={value}") from error
        finally:
            os.close(file)


def folder() -> int:
    """A descriptor of `/proc/sys`, for `write`."""
    return os.open(Path("/proc/sys"), os.O_PATH | os.O_DIRECTORY)
