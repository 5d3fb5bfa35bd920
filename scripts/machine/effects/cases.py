"""The faults whose effects are measured, in the words of `fault add`."""

from dataclasses import dataclass
from typing import Final, Literal

from socketlab.faults.effects import FAMILIES
from socketlab.wire.match import Family

PORT: Final = 7000
_MATCH: Final = f"--peer client --port {PORT} --family {{family}}"
_PEER: Final = "--peer {peer} --family {family}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One fault.

    Args:
        fault: its words; `{family}` and `{peer}` are filled in.
        on: the host that it is on.
        families: that it exists in.
        size: bytes of what is sent.
        fragment: whether what is sent may be fragmented.
        only: what a reader should know of it; key below `effects.note`, empty: nothing.
    """

    fault: str
    on: Literal["client", "server"] = "server"
    families: tuple[Family, ...] = FAMILIES
    size: int = 5
    fragment: bool = True
    note: str = ""


_ICMP: Final = (
    "icmp-port",
    "icmp-host",
    "icmp-net",
    "icmp-proto",
    "icmp-admin",
    "icmp-host-prohibited",
    "icmp-net-prohibited",
)
_ICMP6: Final = (
    "icmp6-port",
    "icmp6-addr",
    "icmp6-no-route",
    "icmp6-admin",
    "icmp6-policy",
    "icmp6-reject-route",
)


def _rejects() -> list[Case]:
    found = [Case(fault=f"reject tcp-reset {_MATCH} --proto tcp")]
    for answers, family in ((_ICMP, "ipv4"), (_ICMP6, "ipv6")):
        for answer in answers:
            one: tuple[Family, ...] = (family,)  # type: ignore[assignment] # one of the two, as they stand here
            found.append(Case(fault=f"reject {answer} {_MATCH}", families=one))
            found.append(Case(fault=f"reject {answer} --delay 0 {_MATCH}", families=one, note="bare"))
    return found


CASES: Final[tuple[Case, ...]] = (
    Case(fault=f"drop {_MATCH}"),
    Case(fault=f"drop {_MATCH} --direction out", note="answers"),
    Case(fault=f"drop --peer server --port {PORT} --family {{family}} --direction out", on="client"),
    *_rejects(),
    Case(fault=f"loss 100% {_MATCH}"),
    Case(fault=f"delay 600ms {_MATCH}"),
    Case(fault=f"duplicate {_MATCH}"),
    Case(fault=f"reorder --within 100ms {_MATCH}"),
    Case(fault=f"corrupt {_MATCH}"),
    Case(fault=f"corrupt --checksum valid {_MATCH}"),
    Case(fault=f"slow-handshake 600ms {_MATCH}"),
    Case(fault=f"reset {_MATCH}"),
    Case(fault=f"reset --now {_MATCH}"),
    Case(fault=f"hold {_MATCH}"),
    Case(fault=f"limit 0 {_MATCH}"),
    Case(fault=f"limit 0 --then reset {_MATCH}"),
    Case(fault=f"segments 100 {_MATCH}", size=500),
    Case(fault=f"throttle 1mbit {_MATCH}", size=500),
    Case(fault="mtu 600 --to {peer}", on="client", families=("ipv4",), size=1000, fragment=False),
    Case(fault="mtu 1280 --to {peer}", on="client", size=1300, fragment=False),
    Case(fault=f"pmtu-black-hole {_PEER}", on="client"),
    *(
        Case(fault=f"route {kind} {{peer}}", on="client")
        for kind in ("unreachable", "prohibit", "blackhole", "throw")
    ),
    Case(fault="link", on="client"),
    Case(fault="link", on="server", note="far-link"),
    Case(fault=f"neighbour {_PEER}", on="client"),
)
