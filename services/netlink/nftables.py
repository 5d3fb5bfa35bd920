"""nf_tables: messages for one family, `inet`, which sees IPv4 and IPv6 (linux/netfilter/nf_tables.h).

Theory of operation
    A rule is a row of expressions, each built by one function here: loads into a register (`meta`,
    `payload`, `count`), comparisons of that register (`compare`: the rule ends where one fails), then what is
    done (`counter`, a verdict). A batch is one transaction: all of it is in force at once, or nothing.
    `rule_of` reads a rule, from a request of ours as well as from the kernel's dump, so that the two can be
    compared.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from services.netlink.attributes import attribute, nested, number, parse, read_number, read_text, text
from services.netlink.errors import malformed
from services.netlink.message import ACK, APPEND, CREATE, DUMP, ECHO, EXCL, REQUEST, Reply, Request

PREROUTING = 0
INPUT = 1
OUTPUT = 3

MARK = 3
NFPROTO = 15
L4PROTO = 16
INPUT_INTERFACE = 4
OUTPUT_INTERFACE = 5

NETWORK = 1
TRANSPORT = 2

EQUAL = 0
NOT_EQUAL = 1
AT_MOST = 3
AT_LEAST = 5

ICMP = 0
TCP_RESET = 1

_INET = 1
_SUBSYSTEM = 10 << 8
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _DELCHAIN, _NEWRULE, _GETRULE, _DELRULE = 0, 1, 2, 3, 5, 6, 7, 8
_BATCH_BEGIN, _BATCH_END = 16, 17
_OWNER = 2
FIRST, SECOND, THIRD = 1, 2, 3
"""Registers of 16 bytes each: what is loaded into one stays there until the rule ends."""

_VERDICT_REGISTER = 0
_ACCEPT, _DROP, _JUMP, _GOTO, _RETURN = 1, 0, -3, -4, -5
_HOST_TO_NETWORK = 1
_BYPASS = 1
_NAME_AT = 8
"""Behind two attributes' headers: the expression's, and its name's."""
_NUMBER_BYTES = 4
_REMEMBERED = 512
"""Expressions that are kept: rules of one agent are much alike, and building them is what a fault costs."""
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


def new_table(table: str) -> Request:
    """A table that everybody may touch, and that stays."""
    return _request("NFT_MSG_NEWTABLE", _NEWTABLE, ACK | CREATE | EXCL, text(1, table), number(2, 0))


def get_table(table: str) -> Request:
    """Ask whether there is such a table."""
    return _request("NFT_MSG_GETTABLE", _GETTABLE, ACK, text(1, table))


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


def new_rule(
    table: str,
    chain: str,
    expressions: Iterable[bytes],
    comment: str,
    *,
    behind: int | None = None,
    echo: bool = False,
) -> Request:
    """A rule of a chain.

    Args:
        table: the chain's.
        chain: where it comes.
        expressions: what it does.
        comment: what nft shows beside it.
        behind: handle of the rule that it comes right behind; None: at the chain's end.
        echo: have the kernel send it back, with its handle.
    """
    words = comment.encode() + b"\0"
    position = () if behind is None else (attribute(6, struct.pack(">Q", behind)),)
    return _request(
        "NFT_MSG_NEWRULE",
        _NEWRULE,
        ACK | CREATE | APPEND | (ECHO if echo else 0),
        text(1, table),
        text(2, chain),
        nested(4, *expressions),
        *position,
        attribute(7, bytes((_COMMENT, len(words))) + words),
    )


def delete_rule(table: str, chain: str, handle: int) -> Request:
    """Delete one rule."""
    which = attribute(3, struct.pack(">Q", handle))
    return _request("NFT_MSG_DELRULE", _DELRULE, ACK, text(1, table), text(2, chain), which)


def get_rule(table: str, chain: str, handle: int) -> Request:
    """Ask for one rule: in a chain of a thousand others it costs no more than alone."""
    which = attribute(3, struct.pack(">Q", handle))
    return _request("NFT_MSG_GETRULE", _GETRULE, ACK, text(1, table), text(2, chain), which)


def dump_rules(table: str, chain: str) -> Request:
    """Ask for the rules of one chain."""
    return _request("NFT_MSG_GETRULE", _GETRULE, DUMP, text(1, table), text(2, chain))


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *attributes))


@lru_cache(_REMEMBERED)
def meta(key: int) -> bytes:
    """Load what the kernel knows about the packet: `NFPROTO`, `L4PROTO`, `MARK`, an interface's index."""
    return _expression("meta", number(1, FIRST), number(2, key))


@lru_cache(_REMEMBERED)
def set_mark(mark: int) -> tuple[bytes, bytes]:
    """Give the packet a mark, for what comes after."""
    value = nested(2, attribute(1, struct.pack("=I", mark)))
    load = _expression("immediate", number(1, FIRST), value)
    return load, _expression("meta", number(2, MARK), number(3, FIRST))


@lru_cache(_REMEMBERED)
def payload(base: int, offset: int, length: int) -> bytes:
    """Load bytes of the packet, counted from its `NETWORK` or `TRANSPORT` header."""
    return _expression("payload", number(1, FIRST), number(2, base), number(3, offset), number(4, length))


@lru_cache(_REMEMBERED)
def mask(value: bytes) -> bytes:
    """Clear the bits of what was loaded that `value` has clear."""
    return _expression(
        "bitwise",
        number(1, FIRST),
        number(2, FIRST),
        number(3, len(value)),
        nested(4, attribute(1, value)),
        nested(5, attribute(1, bytes(len(value)))),
    )


def count(modulus: int, register: int) -> tuple[bytes, bytes]:
    """Load how many packets came this far before this one, modulo so much; four bytes, big-endian."""
    numbered = _expression("numgen", number(1, register), number(2, modulus), number(3, 0), number(4, 0))
    size = number(4, _NUMBER_BYTES), number(5, _NUMBER_BYTES)
    turned = number(1, register), number(2, register), number(3, _HOST_TO_NETWORK)
    return numbered, _expression("byteorder", *turned, *size)


@lru_cache(_REMEMBERED)
def compare(operator: int, value: bytes, register: int = FIRST) -> bytes:
    """Go on only if what was loaded is `EQUAL` to the value, `AT_MOST` or `AT_LEAST`, as bytes."""
    return _expression("cmp", number(1, register), number(2, operator), nested(3, attribute(1, value)))


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


def goto(chain: str) -> bytes:
    """Walk another chain, and go on where this one was jumped from."""
    return _verdict(_GOTO, text(2, chain))


def back() -> bytes:
    """Leave this chain, and go on where it was jumped from."""
    return _verdict(_RETURN)


def notrack() -> bytes:
    """Connection tracking leaves the packet alone; before it has seen it."""
    return _expression("notrack")


def reject(kind: int, code: int) -> bytes:
    """Drop the packet and answer it: `ICMP` (of the packet's own family) with that code, or `TCP_RESET`."""
    return _expression("reject", number(1, kind), attribute(2, bytes([code])))


def queue(first: int, *, bypass: bool = False) -> bytes:
    """Hand the packet to whoever reads that queue; where nobody does, drop it, or go on with `bypass`."""
    flags = (attribute(3, struct.pack(">H", _BYPASS)),) if bypass else ()
    one = attribute(2, struct.pack(">H", 1))
    return _expression("queue", attribute(1, struct.pack(">H", first)), one, *flags)


def target(name: str, revision: int, info: bytes) -> bytes:
    """A target of xtables, for a kernel that has no expression of its own for it (nft_compat)."""
    return _expression("target", text(1, name), number(2, revision), attribute(3, info))


def name_of(expression: bytes) -> str:
    """The name of an expression that was built here: the string in its first attribute."""
    return read_text(expression[_NAME_AT:])


def rules_of(replies: Iterable[Reply]) -> list[Rule]:
    """The rules that the kernel sent back or showed; what else it said is passed over.

    Raises:
        MalformedError: one cannot be read.
    """
    return [rule_of(reply.payload) for reply in replies if reply.type == _SUBSYSTEM | _NEWRULE]


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
