"""The faults whose effects are measured, in the words of `fault add`."""

from dataclasses import dataclass
from typing import Final, Literal

from socketlab.faults.effects import FAMILIES
from socketlab.wire.fault import ANSWERS
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


def _rejects() -> list[Case]:
    """Each answer; of those of ICMP also without the delay."""
    found = []
    for answer in ANSWERS:
        if answer == "tcp-reset":
            found.append(Case(fault=f"reject {answer} {_MATCH} --proto tcp"))
            continue
        families: tuple[Family, ...] = ("ipv6",) if answer.startswith("icmp6-") else ("ipv4",)
        found.append(Case(fault=f"reject {answer} {_MATCH}", families=families))
        found.append(Case(fault=f"reject {answer} --delay 0 {_MATCH}", families=families, note="bare"))
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
