"""What is answered to a question: pure, bytes in, bytes out.

Theory of operation
    The server has authority over `lab.test`, over the names by which addresses are asked for, and over the
    domain of every record that it was given. There it says what it knows: the records in the order in which
    it was given them, so that the same question has the same answer each time; that a name exists and has
    nothing of this type (NODATA); that there is no such name (NXDOMAIN), also of a name without a dot, as the
    root would. For all other names it refuses: nobody is behind it whom it could ask.

    A name may be given a behaviour in place of records: SERVFAIL, REFUSED, NXDOMAIN, NODATA, or silence. And
    for a while its answers may be other ones (`Override`): of several the newest one counts. Such an answer
    may be kept for no time at all (TTL 0), so that nobody remembers it when it is over.

    Whatever arrives is answered or left alone, and raises nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

TTL: Final = 60
"""Seconds for which an answer may be kept."""
UDP_LEAST: Final = 512
"""Bytes of an answer that everybody takes (RFC 1035, 2.3.4)."""
UDP_MOST: Final = 1232
"""The most that we send in a datagram, whatever is asked for: it fits into the least MTU of IPv6."""
TCP_MOST: Final = 65_535
_HEADER: Final = 12
_RESPONSE: Final = 0x80
_CHAIN: Final = 16
"""How many times a name may stand for another on the way to an answer."""
_ALWAYS_OURS: Final = ("lab.test.", "in-addr.arpa.", "ip6.arpa.")
_BEHAVIOURS: Final = frozenset({"NODATA", "NXDOMAIN", "SERVFAIL", "REFUSED", "SILENCE"})
_ABSOLUTE: Final = frozenset({"CNAME", "PTR"})
"""Their values are names, which we are given without the last dot."""
_RCODES: Final = {
    "NXDOMAIN": dns.rcode.NXDOMAIN,
    "SERVFAIL": dns.rcode.SERVFAIL,
    "REFUSED": dns.rcode.REFUSED,
}


@dataclass(slots=True)
class _Node:
    """What is known of one name."""

    values: dict[dns.rdatatype.RdataType, list[dns.rrset.RRset]] = field(default_factory=dict)
    behaviour: str = ""


@dataclass(slots=True)
class Override:
    """What a name is answered with for a while.

    Args:
        name: which.
        behaviour: `NXDOMAIN` and its like in place of what is known; empty: none.
        addresses: in place of those that are known.
        seconds: later by so much.

    Raises:
        ValueError: it makes no sense.
    """

    name: str
    behaviour: str = ""
    addresses: tuple[str, ...] = ()
    seconds: float = 0.0
    asked: int = 0
    owner: dns.name.Name = field(init=False)
    values: dict[dns.rdatatype.RdataType, list[dns.rrset.RRset]] = field(init=False)

    def __post_init__(self) -> None:
        if self.behaviour and self.behaviour not in _BEHAVIOURS:
            raise ValueError(self.behaviour)
        try:
            self.owner = dns.name.from_text(self.name).canonicalize()
            self.values = {}
            for address in self.addresses:
                kind = dns.rdatatype.AAAA if ":" in address else dns.rdatatype.A
                record = dns.rrset.from_text(self.owner, 0, dns.rdataclass.IN, kind, address)
                self.values.setdefault(kind, []).append(record)
        except (dns.exception.DNSException, ValueError) as error:
            raise ValueError(f"{self.name} {self.addresses}: {error}") from error


class Answers:
    """Answers questions from a table of records.

    Args:
        records: name, kind and value of each, as `socketlab.hosts.plan.Record` has them.

    Raises:
        ValueError: one of them is none.
    """

    def __init__(self, records: Iterable[tuple[str, str, str]]) -> None:
        self._nodes: dict[dns.name.Name, _Node] = {}
        self._overrides: dict[dns.name.Name, list[Override]] = {}
        self._zones = {dns.name.from_text(name) for name in _ALWAYS_OURS}
        for name, kind, value in records:
            self._add(name, kind, value)

    def _add(self, name: str, kind: str, value: str) -> None:
        try:
            owner = dns.name.from_text(name).canonicalize()
            node = self._nodes.setdefault(owner, _Node())
            if kind in _BEHAVIOURS:
                node.behaviour = kind
            else:
                kept = dns.rdatatype.from_text(kind)
                value = f"{value}." if kind in _ABSOLUTE else value
                # Each in a set of its own: dnspython shuffles what is in one set, and ours keep their order.
                record = dns.rrset.from_text(owner, TTL, dns.rdataclass.IN, kept, value)
                node.values.setdefault(kept, []).append(record)
        except (dns.exception.DNSException, ValueError, AttributeError) as error:
            raise ValueError(f"{name} {kind} {value}: {error}") from error
        # Everything between the name and its zone exists, too, and has nothing (RFC 8020).
        zone = dns.name.Name(owner.labels[-3:])
        if not any(owner.is_subdomain(each) for each in self._zones):
            self._zones.add(zone)
        above = owner
        while len(above.labels) > len(zone.labels):
            above = above.parent()
            self._nodes.setdefault(above, _Node())

    def override(self, override: Override) -> None:
        """Answer a name with something else from now on."""
        self._overrides.setdefault(override.owner, []).append(override)

    def restore(self, override: Override) -> None:
        """No longer so."""
        left = [each for each in self._overrides.get(override.owner, ()) if each is not override]
        if left:
            self._overrides[override.owner] = left
        else:
            self._overrides.pop(override.owner, None)

    def later(self, wire: bytes) -> float:
        """Seconds by which the answer to a message shall be late."""
        if not self._overrides:
            return 0.0
        try:
            asked = dns.message.from_wire(wire, ignore_trailing=True).question
        except Exception:  # noqa: BLE001 - whatever a stranger's bytes do to the parser
            return 0.0
        over = self._overrides.get(asked[0].name.canonicalize()) if len(asked) == 1 else None
        return over[-1].seconds if over else 0.0

    def answer(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """The answer to one message; None: none is given.

        Args:
            wire: what arrived.
            tcp: whether by TCP, where an answer may be long.
        """
        if len(wire) < _HEADER or wire[2] & _RESPONSE:
            return None  # what is no question gets no answer: two servers would talk for ever
        try:
            query = dns.message.from_wire(wire)
        except Exception:  # noqa: BLE001 - whatever a stranger's bytes do to the parser
            return _error(wire, dns.rcode.FORMERR)
        try:
            response = self._respond(query)
            return None if response is None else _fitted(response, query, tcp=tcp)
        except Exception:  # noqa: BLE001 - a mistake of ours shall not end the server
            return _error(wire, dns.rcode.SERVFAIL)

    def _respond(self, query: dns.message.Message) -> dns.message.Message | None:
        response = dns.message.make_response(query, our_payload=UDP_MOST)
        if query.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
        elif query.edns > 0:
            response.set_rcode(dns.rcode.BADVERS)
        elif len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
        elif query.question[0].rdclass != dns.rdataclass.IN:
            response.set_rcode(dns.rcode.REFUSED)
        else:
            asked = query.question[0]
            return self._look_up(response, asked.name.canonicalize(), asked.rdtype)
        return response

    def _look_up(
        self, response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType
    ) -> dns.message.Message | None:
        for _ in range(_CHAIN):
            node = self._nodes.get(name)
            zone = self._zone_of(name)
            over = self._overrides.get(name)
            if over:
                over[-1].asked += 1
                if over[-1].behaviour:
                    return self._behave(response, over[-1].behaviour, zone or name, 0)
                if over[-1].addresses:
                    node, zone = _Node(over[-1].values), zone or name
            if node and node.behaviour:
                return self._behave(response, node.behaviour, zone or name)
            if zone is None:
                # Behind an alias we have said what we know, and its reader goes on by itself.
                if not response.answer:
                    alone = len(name.labels) <= 2  # noqa: PLR2004 - one label, and the root's empty one
                    response.set_rcode(dns.rcode.NXDOMAIN if alone else dns.rcode.REFUSED)
                return response
            response.flags |= dns.flags.AA
            if node is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                response.authority.append(_soa(zone))
                return response
            aliases = node.values.get(dns.rdatatype.CNAME)
            if not aliases or kind in {dns.rdatatype.CNAME, dns.rdatatype.ANY}:
                self._tell(response, name, node, kind, zone)
                return response
            response.answer.append(aliases[0])
            name = aliases[0][0].target.canonicalize()
        response.set_rcode(dns.rcode.SERVFAIL)  # the names stand for each other in a ring
        return response

    def _zone_of(self, name: dns.name.Name) -> dns.name.Name | None:
        while name not in self._zones:
            if name == dns.name.root:
                return None
            name = name.parent()
        return name

    @staticmethod
    def _behave(
        response: dns.message.Message, behaviour: str, zone: dns.name.Name, ttl: int = TTL
    ) -> dns.message.Message | None:
        if behaviour == "SILENCE":
            return None
        response.flags |= dns.flags.AA
        response.set_rcode(_RCODES.get(behaviour, dns.rcode.NOERROR))
        if behaviour in {"NODATA", "NXDOMAIN"}:
            response.authority.append(_soa(zone, ttl))
        return response

    @staticmethod
    def _tell(
        response: dns.message.Message,
        name: dns.name.Name,
        node: _Node,
        kind: dns.rdatatype.RdataType,
        zone: dns.name.Name,
    ) -> None:
        kinds = list(node.values) if kind == dns.rdatatype.ANY else [kind]
        told = [each for one in kinds for each in node.values.get(one, ())]
        if kind == dns.rdatatype.SOA and name == zone:
            told.append(_soa(zone))
        response.answer.extend(told)
        if not told:
            response.authority.append(_soa(zone))


def _soa(zone: dns.name.Name, ttl: int = TTL) -> dns.rrset.RRset:
    """Says for how long "no" may be believed."""
    return dns.rrset.from_text(
        zone, ttl, dns.rdataclass.IN, dns.rdatatype.SOA, f"names.lab.test. nobody.lab.test. 1 60 60 60 {ttl}"
    )


def _fitted(response: dns.message.Message, query: dns.message.Message, *, tcp: bool) -> bytes:
    """The answer in as many bytes as its reader takes; too long a one is cut off, and says so (TC)."""
    offered = query.payload if query.edns >= 0 else UDP_LEAST
    most = TCP_MOST if tcp else min(UDP_MOST, max(UDP_LEAST, offered))
    try:
        return response.to_wire(max_size=most)
    except dns.exception.TooBig:
        response.answer.clear()
        response.authority.clear()
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=most)


def _error(wire: bytes, code: dns.rcode.Rcode) -> bytes:
    """An answer with nothing but the question's number: the rest of it could not be read."""
    flags = bytes((_RESPONSE | (wire[2] & 0x79), code))
    return wire[:2] + flags + bytes(8)
