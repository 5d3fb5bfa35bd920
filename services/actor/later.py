"""What an operation gives back when it would have to wait."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Later(NamedTuple):
    """The call, to be made by a thread that may wait.

    Args:
        call: makes it, and returns what it returned.
    """

    call: Callable[[], Any]
