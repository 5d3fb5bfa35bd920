"""The links of this network namespace.

A sidecar that shares a host's namespace outlives it: when the host is restarted it has a new namespace, and
the old one keeps nothing but `lo`.
"""

import socket

_EVERYWHERE = frozenset(
    {
        "lo",
        "tunl0",
        "sit0",
        "ip6tnl0",
        "gre0",
        "gretap0",
        "erspan0",
        "ip6gre0",
        "ip_vti0",
        "ip6_vti0",
    }
)
"""What a kernel with tunnels puts into every new namespace, unasked (fb_tunnels_only_for_init_net)."""


OURS = "sl-ifb"
"""How the names of the links begin that the agent makes itself, for what it throttles."""


def is_hosts(name: str) -> bool:
    """Whether a link is one that somebody has given this namespace."""
    return name not in _EVERYWHERE and not name.startswith(OURS)


def host_links() -> list[str]:
    """Names of the links that somebody has given this namespace."""
    return [name for _index, name in socket.if_nameindex() if is_hosts(name)]
