"""The kinds of fault, by the words that ask for them, each with an example that bites nobody.

The examples' addresses are those that documentation has for itself (RFC 5737, RFC 3849): no host has them.
"""

from collections.abc import Iterator

from socketlab.wire.fault import ANSWERS, ROUTE_TYPES, Direction, Drop, Fault, Match, Reject, Route

_NOBODY = ("192.0.2.1", "2001:db8::1")


def _match(direction: Direction = "in") -> Match:
    return Match(peer="nobody", addresses=_NOBODY, proto="tcp", direction=direction)


def _examples() -> Iterator[tuple[str, Fault]]:
    yield "drop", Drop(_match())
    yield "drop --direction out", Drop(_match("out"))
    for answer in ANSWERS:
        yield f"reject {answer}", Reject(answer, _match())
    for route in ROUTE_TYPES:
        yield f"route {route}", Route(route, _NOBODY[0])


EXAMPLES: dict[str, Fault] = dict(_examples())
