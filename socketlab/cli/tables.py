"""A lab as a table and as JSON: what `up` and `status` have in common."""

from typing import Any

from socketlab.cli.console import put, put_table
from socketlab.holder.protocol import About
from socketlab.hosts.plan import HostPlan
from socketlab.messages import say


def put_lab(held: About) -> None:
    """The hosts of a lab and their addresses."""
    heads = [say(f"cli.column.{name}") for name in ("host", "network", "ipv4", "ipv6")]
    rows = [
        (
            host.name if first else "",
            interface.network,
            str(interface.address.ip),
            "-" if interface.address6 is None else str(interface.address6.ip),
        )
        for host in held.plan.hosts
        for first, interface in ((each is host.interfaces[0], each) for each in host.interfaces)
    ]
    put_table(heads, rows)


def put_head(held: About) -> None:
    """What a lab is, in a line."""
    left = "" if held.seconds_left is None else say("cli.status.left", seconds=f"{held.seconds_left:.0f}")
    put(say("cli.status.lab", name=held.name, backend=held.backend, pid=held.pid, left=left).rstrip())


def lab_as_json(held: About) -> dict[str, Any]:
    """A lab as programs read it: names of members are part of the interface."""
    return {
        "name": held.name,
        "state": "running",
        "backend": held.backend,
        "why": held.why,
        "pid": held.pid,
        "since": held.since,
        "seconds_left": held.seconds_left,
        "networks": [
            {
                "name": network.name,
                "subnet": str(network.subnet),
                "subnet6": None if network.subnet6 is None else str(network.subnet6),
            }
            for network in held.plan.networks
        ],
        "hosts": [host_as_json(host) for host in held.plan.hosts],
    }


def host_as_json(host: HostPlan) -> dict[str, Any]:
    """A host as programs read it."""
    return {
        "name": host.name,
        "role": host.role,
        "addresses": [
            {
                "network": interface.network,
                "device": interface.device,
                "address": str(interface.address.ip),
                "address6": None if interface.address6 is None else str(interface.address6.ip),
            }
            for interface in host.interfaces
        ],
    }
