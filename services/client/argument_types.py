"""Values of the command line that several commands take, as argparse's `type`."""

import argparse
import socket
from typing import Final

from services.messages import say

_PORT_MAX: Final = 65535
_SECONDS_MAX: Final = 3600


def add_family(command: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add -4 and -6, of which only one can be given; `family` reads them."""
    group = command.add_mutually_exclusive_group()
    group.add_argument("-4", "--ipv4", action="store_true", help=say("once.help.ipv4"))
    group.add_argument("-6", "--ipv6", action="store_true", help=say("once.help.ipv6"))


def family(options: argparse.Namespace) -> socket.AddressFamily:
    """The family asked for; AF_UNSPEC: either, in the resolver's order."""
    return socket.AF_INET if options.ipv4 else socket.AF_INET6 if options.ipv6 else socket.AF_UNSPEC


def port(text: str) -> int:
    """A port, 1 to 65535.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _PORT_MAX:
        raise argparse.ArgumentTypeError(say("error.client.port", seen=ascii(text)))
    return int(text)


def seconds(text: str) -> float:
    """More than 0 and at most 3600 seconds.

    Raises:
        argparse.ArgumentTypeError: it is none of these.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _SECONDS_MAX:
        raise argparse.ArgumentTypeError(say("error.client.seconds", most=_SECONDS_MAX, seen=ascii(text)))
    return value
