"""nf_tables: messages for one family, `inet`, which sees IPv4 and IPv6 (linux/netfilter/nf_tables.h).

Theory of operation
    A rule is a row of expressions, each built by one function here: loads into register 1 (`meta`,
    `payload`), comparisons of that register (`compare`: the rule ends where one fails), then what is done
    (`counter`, a verdict). A batch is one transaction: all of it is in force at once, or nothing. `rule_of`
    reads a rule, from a request of ours as well as from the kernel's dump, so that the two can be compared.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from services.netlink.attributes import attribute, nested, number, parse, read_number, read_text, text
from services.netlink.errors import malformed
from services.netlink.message import ACK, APPEND, CREATE, DUMP, EXCL, REQUEST, Request

INPUT = 1
OUTPUT = 3

NFPROTO = 15
L4PROTO = 16
INPUT_INTERFACE = 4
OUTPUT_INTERFACE = 5

NETWORK = 1
TRANSPORT = 2

EQUAL = 0
AT_MOST = 3
AT_LEAST = 5

ICMP = 0
TCP_RESET = 1

_INET = 1
_SUBSYSTEM = 10 << 8
_NEWTABLE, _DELTABLE, _NEWCHAIN, _DELCHAIN, _NEWRULE, _GETRULE, _DELRULE = 0, 2, 3, 5, 6, 7, 8
_BATCH_BEGIN, _BATCH_END = 16, 17
_OWNER = 2
_REGISTER = 1
_VERDICT_REGISTER = 0
_ACCEPT, _DROP, _JUMP = 1, 0, -3
_COMMENT = 0
"""Type of a comment in a rule's user data, as the nft command writes and shows it (libnftnl/udata.h)."""
_GENERAL = struct.Struct(">BBH")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as the kernel has it.

    Args:
        chain: where it stands.
        handle: the kernel's number for it; 0: it has none yet.
        comment: its comment.
        expressions: names of its expressions, in order.
        packets: what its counter has counted; None: it has no counter.
    """

    chain: str
    handle: int
    comment: str
    expressions: tuple[str, ...]
    packets: int | None


def _request(name: str, kind: int, flags: int, *attributes: bytes) -> Request:
    payload = _GENERAL.pack(_INET, 0, 0) + b"".join(attributes)
    return Request(name, _SUBSYSTEM | kind, REQUEST | flags, payload)


def batch(requests: Iterable[Request]) -> list[Request]:
    """Requests as one transaction."""
    head = _GENERAL.pack(0, 0, _SUBSYSTEM >> 8)
    return [
        Request("NFNL_MSG_BATCH_BEGIN", _BATCH_BEGIN, REQUEST, head),
        *requests,
        Request("NFNL_MSG_BATCH_END", _BATCH_END, REQUEST, head),
    ]


def new_owned_table(table: str) -> Request:
    """A table that only this socket may touch, and that goes when it is closed (Linux 5.12)."""
    return _request("NFT_MSG_NEWTABLE", _NEWTABLE, ACK | CREATE | EXCL, text(1, table), number(2, _OWNER))


def delete_table(table: str) -> Request:
    """Delete a table with all that is in it."""
    return _request("NFT_MSG_DELTABLE", _DELTABLE, ACK, text(1, table))


def new_base_chain(table: str, chain: str, hook: int, priority: int) -> Request:
    """A filter chain that the kernel walks for every packet at `hook`; what no rule takes is accepted."""
    place = nested(4, number(1, hook), attribute(2, struct.pack(">i", priority)))
    return _request(
        "NFT_MSG_NEWCHAIN",
        _NEWCHAIN,
        ACK | CREATE | EXCL,
        text(1, table),
        text(3, chain),
        place,
        number(5, _ACCEPT),
        text(7, "filter"),
    )


def new_chain(table: str, chain: str) -> Request:
    """A chain that is walked only when a rule jumps to it."""
    return _request("NFT_MSG_NEWCHAIN", _NEWCHAIN, ACK | CREATE | EXCL, text(1, table), text(3, chain))


def delete_chain(table: str, chain: str) -> Request:
    """Delete a chain with its rules; refused while another rule jumps to it."""
    return _request("NFT_MSG_DELCHAIN", _DELCHAIN, ACK, text(1, table), text(3, chain))


def new_rule(table: str, chain: str, expressions: Iterable[bytes], comment: str) -> Request:
    """A rule at the end of a chain."""
    words = comment.encode() + b"\0"
    return _request(
        "NFT_MSG_NEWRULE",
        _NEWRULE,
        ACK | CREATE | APPEND,
        text(1, table),
        text(2, chain),
        nested(4, *expressions),
        attribute(7, bytes((_COMMENT, len(words))) + words),
    )


def delete_rule(table: str, chain: str, handle: int) -> Request:
    """Delete one rule."""
    which = attribute(3, struct.pack(">Q", handle))
    return _request("NFT_MSG_DELRULE", _DELRULE, ACK, text(1, table), text(2, chain), which)


def dump_rules(table: str, chain: str) -> Request:
    """Ask for the rules of one chain."""
    return _request("NFT_MSG_GETRULE", _GETRULE, DUMP, text(1, table), text(2, chain))


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *attributes))


def meta(key: int) -> bytes:
    """Load what the kernel knows about the packet: `NFPROTO`, `L4PROTO`, an interface's index."""
    return _expression("meta", number(1, _REGISTER), number(2, key))


def payload(base: int, offset: int, length: int) -> bytes:
    """Load bytes of the packet, counted from its `NETWORK` or `TRANSPORT` header."""
    return _expression("payload", number(1, _REGISTER), number(2, base), number(3, offset), number(4, length))


def compare(operator: int, value: bytes) -> bytes:
    """Go on only if what was loaded is `EQUAL` to the value, `AT_MOST` or `AT_LEAST`, as bytes."""
    return _expression("cmp", number(1, _REGISTER), number(2, operator), nested(3, attribute(1, value)))


def counter() -> bytes:
    """Count the packets that come this far."""
    return _expression("counter")


def _verdict(code: int, *where: bytes) -> bytes:
    verdict = nested(2, attribute(1, struct.pack(">i", code)), *where)
    return _expression("immediate", number(1, _VERDICT_REGISTER), nested(2, verdict))


def accept() -> bytes:
    """Take the packet; later base chains still see it."""
    return _verdict(_ACCEPT)


def drop() -> bytes:
    """Drop the packet."""
    return _verdict(_DROP)


def jump(chain: str) -> bytes:
    """Walk another chain, and come back if it has no verdict."""
    return _verdict(_JUMP, text(2, chain))


def reject(kind: int, code: int) -> bytes:
    """Drop the packet and answer it: `ICMP` (of the packet's own family) with that code, or `TCP_RESET`."""
    return _expression("reject", number(1, kind), attribute(2, bytes([code])))


def queue(first: int) -> bytes:
    """Hand the packet to whoever reads that queue; dropped where nobody does."""
    one = struct.pack(">H", 1)
    return _expression("queue", attribute(1, struct.pack(">H", first)), attribute(2, one))


def target(name: str, revision: int, info: bytes) -> bytes:
    """A target of xtables, for a kernel that has no expression of its own for it (nft_compat)."""
    return _expression("target", text(1, name), number(2, revision), attribute(3, info))


def rule_of(payload_: bytes) -> Rule:
    """Read a rule from a message about it.

    Raises:
        MalformedError: the bytes are no such message.
    """
    if len(payload_) < _GENERAL.size:
        raise malformed("rule", f"{len(payload_)} bytes")
    fields = dict(parse(payload_[_GENERAL.size :]))
    expressions = [dict(parse(data)) for _kind, data in parse(fields.get(4, b""))]
    names = tuple(read_text(expression.get(1, b"")) for expression in expressions)
    packets = None
    if "counter" in names:
        packets = _packets(expressions[names.index("counter")].get(2, b""))
    return Rule(
        chain=read_text(fields.get(2, b"")),
        handle=read_number(fields[3]) if 3 in fields else 0,  # noqa: PLR2004 - NFTA_RULE_HANDLE
        comment=_comment(fields.get(7, b"")),
        expressions=names,
        packets=packets,
    )


def _packets(counted: bytes) -> int:
    """Packets of a counter; one that is not in the kernel yet has none."""
    fields = dict(parse(counted))
    return read_number(fields[2]) if 2 in fields else 0  # noqa: PLR2004 - NFTA_COUNTER_PACKETS


def _comment(userdata: bytes) -> str:
    """The comment in a rule's user data: a row of type, length, value, a byte each of the first two."""
    offset = 0
    while offset + 2 <= len(userdata):
        kind, length = userdata[offset], userdata[offset + 1]
        if kind == _COMMENT:
            return read_text(userdata[offset + 2 : offset + 2 + length])
        offset += 2 + length
    return ""
