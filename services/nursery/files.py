"""The files in /etc that make a host's names its own. Pure."""

import re

from socketlab.wire.nursery import HostSetup, LabSetup

OWN = ("hosts", "hostname", "resolv.conf", "nsswitch.conf")
"""What a host has of its own in /etc; all else there is the machine's."""

_LOCAL = """127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
fe00::0 ip6-localnet
ff00::0 ip6-mcastprefix
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
"""
_SOURCES = "hosts: files dns"


def hosts(lab: LabSetup, host: HostSetup) -> str:
    """`/etc/hosts` of a host: all hosts of the lab; addresses on a network of its own come first."""
    near = {port.bridge for port in host.ports}
    lines = []
    for each in lab.hosts:
        ports = sorted(each.ports, key=lambda port: port.bridge not in near)
        lines += [f"{_bare(port.address)} {each.name}\n" for port in ports]
        lines += [f"{_bare(port.address6)} {each.name}\n" for port in ports if port.address6]
    return _LOCAL + "".join(lines)


def _bare(address: str) -> str:
    """An address without the length of its prefix; by hand, for in a large lab there are thousands."""
    return address.partition("/")[0]


def resolver(lab: LabSetup) -> str:
    """`/etc/resolv.conf`: the lab's name server, or none.

    With none the C library asks 127.0.0.1, where nothing listens: the answer is an ICMP error, at once.
    """
    server = f"nameserver {lab.nameserver}\n" if lab.nameserver else ""
    return server + "options timeout:1 attempts:1\n"


def sources(machines: str) -> str:
    """`/etc/nsswitch.conf`: the machine's, with names from `/etc/hosts` and DNS and from nowhere else.

    Others (`resolve`, `mdns4`, `myhostname`, `libvirt`) would ask daemons of the machine.
    """
    kept = [line for line in machines.splitlines() if not re.match(r"\s*hosts\s*:", line)]
    return "\n".join([*kept, _SOURCES]) + "\n"


def own_files(lab: LabSetup, host: HostSetup, machines_sources: str) -> dict[str, str]:
    """Contents of the files of `OWN`, by name."""
    return {
        "hosts": hosts(lab, host),
        "hostname": f"{host.name}\n",
        "resolv.conf": resolver(lab),
        "nsswitch.conf": sources(machines_sources),
    }
