"""A peer's name to all its addresses. Here, where it is typed: the agent never waits for a name server."""

import ipaddress
import socket

from services.agent.meeting import MAX_ADDRESSES
from services.messages import ServiceError


def addresses_of(peer: str) -> tuple[str, ...]:
    """All addresses of a host, IPv4 and IPv6, each once.

    Args:
        peer: a name, or an address.

    Raises:
        ServiceError: the name does not resolve, to too many, or only to this host itself.
    """
    try:
        found = socket.getaddrinfo(peer, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        why = error.strerror if isinstance(error, socket.gaierror) else error
        raise ServiceError("agent.peer-unknown", peer=ascii(peer)[:80], why=why) from error
    addresses = dict.fromkeys(_bare(str(where[0])) for *_, where in found)
    if len(addresses) > MAX_ADDRESSES:
        raise ServiceError("agent.addresses", limit=MAX_ADDRESSES, seen=len(addresses))
    if all(ipaddress.ip_address(address).is_loopback for address in addresses):
        raise ServiceError("agent.peer-loopback", peer=peer)
    return tuple(addresses)


def _bare(text: str) -> str:
    """An address as it stands in a packet: without a zone, and IPv4 as IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
