"""An actor a test, on this machine's loopback."""

from collections.abc import Iterator

import pytest

from socketlab.sockets import Actor, Socket
from tests.loopback.sockets.actors import DEADLINE, local_actor


@pytest.fixture
def actor() -> Iterator[Actor]:
    with local_actor("client") as made:
        made.setdefaulttimeout(DEADLINE)
        yield made


@pytest.fixture
def pair(actor: Actor) -> Iterator[tuple[Socket, Socket]]:
    """Two connected TCP sockets over there."""
    with actor.create_server(("127.0.0.1", 0)) as listener:
        one = actor.create_connection(listener.getsockname())
        other, _ = listener.accept()
    with one, other:
        yield one, other
