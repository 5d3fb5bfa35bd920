"""Values of the command line that several commands take, as argparse's `type`."""

import argparse
from typing import Final

from services.messages import say

_PORT_MAX: Final = 65535
_SECONDS_MAX: Final = 3600


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
