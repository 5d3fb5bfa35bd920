"""What a lab's name server knows: its own hosts, and what its user wrote. Pure.

Theory of operation
    Every host is known as `<host>.lab.test` (`test` is kept for this, RFC 6761), with all its addresses, and
    each address leads back to that name. To these come the user's records. Where a value may be an address it
    may be a host's name as well: it then stands for that host's addresses of the record's family. A user's
    record of a name that we would make ourselves takes the place of ours.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, get_args

from socketlab.errors import SpecError
from socketlab.hosts.plan import Interface, Record

ZONE: Final = "lab.test"
"""Of the hosts' own names."""
KINDS: Final[tuple[str, ...]] = get_args(Record.__annotations__["kind"])
BEHAVIOURS: Final = frozenset({"NODATA", "NXDOMAIN", "SERVFAIL", "REFUSED", "SILENCE"})
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_LONGEST: Final = 253
_MOST: Final = 4096
_FAMILIES: Final[Mapping[str, type[IPv4Address | IPv6Address]]] = {"A": IPv4Address, "AAAA": IPv6Address}


def complete(
    records: Sequence[Record], hosts: Mapping[str, Sequence[Interface]], where: str
) -> tuple[Record, ...]:
    """All records of a lab's name server.

    Args:
        records: the user's.
        hosts: the interfaces of each host of the lab.
        where: the user's stand, for an error: each is told by its name.

    Raises:
        SpecError: one of them is none, or says something else than another.
    """
    if len(records) > _MOST:
        raise SpecError("lab.records", where=where, most=_MOST, seen=len(records))
    users = [each for record in records for each in _checked(record, hosts, where)]
    _refuse_contradictions(users, where)
    taken = {record.name for record in users}
    ours = [record for record in _of_hosts(hosts) if record.name not in taken]
    return tuple(dict.fromkeys((*users, *ours)))


def _of_hosts(hosts: Mapping[str, Sequence[Interface]]) -> Iterator[Record]:
    for host, interfaces in hosts.items():
        name = f"{host.lower()}.{ZONE}"
        for kind in _FAMILIES:
            for address in _addresses(interfaces, kind):
                yield Record(name=name, kind="A" if kind == "A" else "AAAA", value=str(address))
                yield Record(name=address.reverse_pointer, kind="PTR", value=name)


def _addresses(interfaces: Iterable[Interface], kind: str) -> list[IPv4Address | IPv6Address]:
    if kind == "A":
        return [interface.address.ip for interface in interfaces]
    return [interface.address6.ip for interface in interfaces if interface.address6 is not None]


def _checked(record: Record, hosts: Mapping[str, Sequence[Interface]], where: str) -> Iterator[Record]:
    """A user's record in the form that the server is given; one of a host's name becomes one an address."""
    at = f"{where}.{record.name}"
    if record.kind not in KINDS:
        raise SpecError("lab.record-kind", where=at, expected=", ".join(KINDS), seen=ascii(record.kind)[:60])
    name = _name(_reversed(record.name) if record.kind == "PTR" else record.name, at)
    if record.kind in BEHAVIOURS:
        if record.value:
            raise SpecError("lab.record-value", where=at, kind=record.kind, seen=ascii(record.value)[:60])
        yield Record(name=name, kind=record.kind)
    elif family := _FAMILIES.get(record.kind):
        for value in _values(record, family, hosts, at):
            yield Record(name=name, kind=record.kind, value=value)
    else:
        yield Record(name=name, kind=record.kind, value=_name(record.value, at))


def _values(
    record: Record,
    family: type[IPv4Address | IPv6Address],
    hosts: Mapping[str, Sequence[Interface]],
    at: str,
) -> list[str]:
    if record.value in hosts:
        if found := _addresses(hosts[record.value], record.kind):
            return [str(address) for address in found]
        raise SpecError("lab.record-no-ipv6", where=at, host=record.value)
    try:
        return [str(family(record.value))]
    except ValueError:
        raise SpecError(
            "lab.record-address", where=at, kind=record.kind, seen=ascii(record.value)[:60]
        ) from None


def _reversed(name: object) -> object:
    """The name by which an address is asked for; another name stays."""
    try:
        return ip_address(str(name)).reverse_pointer
    except ValueError:
        return name


def _name(name: object, at: str) -> str:
    """A name in lower case, without its last dot."""
    text = name.lower().removesuffix(".") if isinstance(name, str) else ""
    if not (0 < len(text) <= _LONGEST and all(_LABEL.fullmatch(label) for label in text.split("."))):
        raise SpecError("lab.record-name", where=at, seen=ascii(name)[:80])
    return text


def _refuse_contradictions(records: Iterable[Record], where: str) -> None:
    """A name that stands for another, or that behaves badly, has no other records (RFC 1034, 3.6.2)."""
    alone: dict[str, Record] = {}
    for record in dict.fromkeys(records):
        other = alone.get(record.name)
        if other and (other.kind not in _TOGETHER or record.kind not in _TOGETHER):
            kinds = f"{other.kind}, {record.kind}"
            raise SpecError("lab.record-alone", where=f"{where}.{record.name}", seen=kinds)
        alone[record.name] = record


_TOGETHER: Final = frozenset({"A", "AAAA", "PTR"})
