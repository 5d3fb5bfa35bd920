"""What a socket call gets of each kind of fault, as data; the sentences are in the catalogue under `effect`.

Four situations for each kind: a TCP connect, a TCP connection that is there, a connected UDP socket, one that
is not. The errnos are measured (IPv4 and IPv6); how soon an ICMP answer is felt is for whoever measures it.
"""

from typing import NamedTuple

from socketlab.wire.errors import SENTENCES


class Effect(NamedTuple):
    """What one call gets.

    Args:
        key: of the sentence.
        errno: the errno that it speaks of.
    """

    key: str
    errno: str = "-"

    def __str__(self) -> str:
        return SENTENCES.say(f"effect.{self.key}", errno=self.errno)


class Effects(NamedTuple):
    """What calls get of one kind of fault.

    Args:
        connect: a TCP connect.
        established: calls on a TCP connection that is there.
        udp_connected: calls on a connected UDP socket.
        udp: calls on a UDP socket that is not connected.
    """

    connect: Effect
    established: Effect
    udp_connected: Effect
    udp: Effect


UNTOUCHED = Effect("untouched")
_NOT_TOLD = Effect("not-told")
_SILENCE = Effects(
    Effect("silent-connect"), Effect("silent-established"), Effect("silent-udp"), Effect("silent-udp")
)


def _icmp(errno: str, *, is_told: bool = True) -> Effects:
    """An ICMP answer; the kernel keeps some from a connected UDP socket without IP_RECVERR (ip(7))."""
    udp = Effect("udp-told", errno) if is_told else _NOT_TOLD
    return Effects(Effect("answered", errno), Effect("both-wait"), udp, _NOT_TOLD)


def _at_once(errno: str) -> Effects:
    """The host's own kernel refuses to send."""
    own = Effect("own", errno)
    return Effects(own, Effect("silent-established"), own, own)


def _both_udp(connect: str, established: str, udp: str) -> Effects:
    return Effects(Effect(connect), Effect(established), Effect(udp), Effect(udp))


OF_KINDS: dict[str, Effects] = {
    "drop": _SILENCE,
    "drop --direction out": _SILENCE,
    "reject tcp-reset": Effects(
        Effect("answered", "ECONNREFUSED"), Effect("one-reset", "ECONNRESET"), UNTOUCHED, UNTOUCHED
    ),
    "reject icmp-port": _icmp("ECONNREFUSED"),
    "reject icmp-host": _icmp("EHOSTUNREACH", is_told=False),
    "reject icmp-net": _icmp("ENETUNREACH", is_told=False),
    "reject icmp-proto": _icmp("ENOPROTOOPT"),
    "reject icmp-admin": _icmp("EHOSTUNREACH"),
    "reject icmp-host-prohibited": _icmp("EHOSTUNREACH"),
    "reject icmp-net-prohibited": _icmp("ENETUNREACH"),
    "reject icmp6-port": _icmp("ECONNREFUSED"),
    "reject icmp6-addr": _icmp("EHOSTUNREACH", is_told=False),
    "reject icmp6-no-route": _icmp("ENETUNREACH", is_told=False),
    "reject icmp6-admin": _icmp("EACCES"),
    "reject icmp6-policy": _icmp("EACCES"),
    "reject icmp6-reject-route": _icmp("EACCES"),
    "delay": _both_udp("late-connect", "late-established", "late-udp"),
    "loss": _both_udp("lost-connect", "lost-established", "lost-udp"),
    "duplicate": _both_udp("untouched", "no-copies", "copies"),
    "reorder": _both_udp("late-connect", "in-order", "out-of-order"),
    "corrupt": _both_udp("untouched", "lost-established", "bad-checksum"),
    "corrupt --checksum valid": _both_udp("untouched", "wrong-bytes", "wrong-bytes"),
    "throttle": _both_udp("untouched", "slow", "slow-udp"),
    "throttle --direction out": _both_udp("untouched", "slow", "slow-udp"),
    "mtu": _both_udp("untouched", "small", "too-large"),
    "pmtu-black-hole": _both_udp("untouched", "stalls", "large-vanish"),
    "slow-handshake": _both_udp("late-connect", "untouched", "untouched"),
    "reset": Effects(UNTOUCHED, Effect("both-reset", "ECONNRESET"), UNTOUCHED, UNTOUCHED),
    "reset --now": _both_udp("untouched", "reset-now", "untouched"),
    "hold": _both_udp("held", "held", "held-udp"),
    "limit": _both_udp("untouched", "cut", "cut-udp"),
    "limit --then reset": Effects(UNTOUCHED, Effect("cut-reset", "ECONNRESET"), UNTOUCHED, UNTOUCHED),
    "segments": _both_udp("untouched", "small", "untouched"),
    "route unreachable": _at_once("EHOSTUNREACH"),
    "route prohibit": _at_once("EACCES"),
    "route blackhole": _at_once("EINVAL"),
    "route throw": _at_once("ENETUNREACH"),
    "link": _at_once("ENETUNREACH"),
    "link --down --up": _both_udp("flaps", "lost-established", "flaps"),
    "neighbour": _SILENCE,
}
"""By the names that `kinds` lists."""
