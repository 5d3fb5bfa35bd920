"""Faults of more than one host's network, as immutable data: a lab's partitions and names, and its hosts.

The faults of one host's network are in `socketlab.wire.fault`: its agent does them. What stands here is done
by the controller, with agents, the lab's name server, or what can be done to a host from outside.
"""

import ipaddress
import math
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias, get_args

from socketlab.hosts.faulting import OnHost, OnLab
from socketlab.wire.errors import FaultError
from socketlab.wire.fault import MOST_SECONDS, Fault

DnsAnswer: TypeAlias = Literal["nxdomain", "nodata", "servfail", "refused", "silence", "slow", "address"]
Do: TypeAlias = Literal["pause", "stop-process", "kill", "restart", "disconnect"]

DNS_ANSWERS: Final[tuple[DnsAnswer, ...]] = get_args(DnsAnswer)
DOINGS: Final[tuple[Do, ...]] = get_args(Do)
MOST_SLOW: Final = 60.0
_MOST_ADDRESSES: Final = 32
_MOST_NAME: Final = 253
_MOST_PATTERN: Final = 200


@dataclass(frozen=True, slots=True)
class Partition(OnLab):
    """Hosts of different groups hear nothing of each other; each packet is dropped where it arrives.

    A host that is in no group hears and reaches all.

    Args:
        groups: at least two, of hosts' names; no host in two of them.
        one_way: only what goes from an earlier group to a later one is dropped.

    Raises:
        FaultError: it separates nobody, or a host from itself.
    """

    kind: ClassVar[str] = "partition"
    groups: tuple[tuple[str, ...], ...]
    one_way: bool = False

    def __post_init__(self) -> None:
        if len(self.groups) < 2 or not all(self.groups):  # noqa: PLR2004 - a side and the other
            raise FaultError("fault-lab.groups", seen=str(self))
        seen: set[str] = set()
        for name in (each for group in self.groups for each in group):
            if name in seen:
                raise FaultError("fault-lab.group-twice", host=ascii(name)[:60])
            seen.add(name)

    def deaf(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each host, and whom it cannot hear."""
        found: list[tuple[str, tuple[str, ...]]] = []
        for number, group in enumerate(self.groups):
            others = (
                self.groups[:number] if self.one_way else self.groups[:number] + self.groups[number + 1 :]
            )
            unheard = tuple(name for other in others for name in other)
            found += [(name, unheard) for name in group if unheard]
        return tuple(found)

    def __str__(self) -> str:
        return " / ".join(",".join(group) for group in self.groups)


@dataclass(frozen=True, slots=True)
class Dns(OnLab):
    """What the lab's name server answers when it is asked for one name.

    Args:
        name: fully qualified, with or without the last dot: `www.lab.test`. A host's bare name is in
            everybody's /etc/hosts, where nobody asks.
        answer: `nxdomain`, `nodata`, `servfail`, `refused`; `silence`; `slow`: the true answer, `seconds`
            later; `address`: `addresses` in place of the true ones.
        seconds: of `slow`.
        addresses: of `address`: IPv4 and IPv6.

    Raises:
        FaultError: a member that the answer needs is missing, or has no use for.
    """

    kind: ClassVar[str] = "dns"
    name: str
    answer: DnsAnswer
    seconds: float | None = None
    addresses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        plain = self.name.removesuffix(".").lower()
        labels = plain.split(".")
        if not (1 <= len(plain) <= _MOST_NAME and plain.isascii() and all(map(_is_label, labels))):
            raise FaultError("fault-lab.dns-name", seen=ascii(self.name)[:60])
        object.__setattr__(self, "name", plain)
        if self.answer not in DNS_ANSWERS:
            raise FaultError(
                "fault-lab.dns-answer", known=", ".join(DNS_ANSWERS), seen=ascii(self.answer)[:60]
            )
        if (self.answer == "slow") != (self.seconds is not None):
            raise FaultError("fault-lab.dns-slow", seen=self.answer)
        if self.seconds is not None and not (math.isfinite(self.seconds) and 0 < self.seconds <= MOST_SLOW):
            raise FaultError("fault-seconds", name="seconds", limit=f"{MOST_SLOW:g}", seen=self.seconds)
        if (self.answer == "address") != bool(self.addresses):
            raise FaultError("fault-lab.dns-address", seen=self.answer)
        if len(self.addresses) > _MOST_ADDRESSES:
            raise FaultError(
                "fault-number", name="addresses", least=1, most=_MOST_ADDRESSES, seen=len(self.addresses)
            )
        for address in self.addresses:
            try:
                ipaddress.ip_address(address)
            except ValueError as error:
                raise FaultError("fault-address", seen=ascii(address)[:60], why=error) from error


def _is_label(text: str) -> bool:
    """Whether a text may be a part of a name (RFC 1035 2.3.4), or stands for any (`_`, `*` as DNS allows)."""
    return 1 <= len(text) <= 63 and all(char.isalnum() or char in "-_*" for char in text)  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class HostAction(OnHost):
    """Something done to a host from outside; healing undoes it.

    Args:
        do: `pause`: no program on it gets to run, its kernel goes on. `stop-process`: the same of some of
            its processes (SIGSTOP). `kill`: every program at once, and its links; healed, it boots.
            `restart`: down for `seconds`, then as after `kill`. `disconnect`: its cable is pulled.
        process: of `stop-process`: what their command line contains.
        network: of `disconnect`: from which; None: from all.
        seconds: of `restart`: how long it is down.

    Raises:
        FaultError: a member that is missing, or has no use.
    """

    kind: ClassVar[str] = "host"
    do: Do
    process: str | None = None
    network: str | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.do not in DOINGS:
            raise FaultError("fault-lab.action", known=", ".join(DOINGS), seen=ascii(self.do)[:60])
        if (self.do == "stop-process") != (self.process is not None):
            raise FaultError("fault-lab.action-process", seen=self.do)
        if self.process is not None and not 1 <= len(self.process) <= _MOST_PATTERN:
            raise FaultError(
                "fault-number", name="process", least=1, most=_MOST_PATTERN, seen=len(self.process)
            )
        if self.network is not None and self.do != "disconnect":
            raise FaultError("fault-lab.action-network", seen=self.do)
        if self.seconds and self.do != "restart":
            raise FaultError("fault-lab.action-seconds", seen=self.do)
        if not (math.isfinite(self.seconds) and 0 <= self.seconds <= MOST_SECONDS):
            raise FaultError("fault-seconds", name="seconds", limit=f"{MOST_SECONDS:g}", seen=self.seconds)


LabFault: TypeAlias = Fault | HostAction | Partition | Dns
"""Every fault that there is."""
LAB_KINDS: Final = ("partition", "dns", *DOINGS)
"""The kinds that need a controller, in the words of the command line."""
