"""What serves a connection, or a datagram socket, with calls that block."""

from services.protocol.serving import DatagramServing
from services.server.blocking.peer import Handler, converse
from services.server.blocking.relay import relay
from services.server.blocking.relay_datagrams import RelayOneByOne
from services.server.offer import Offer
from services.server.waiting import Stopping


def handler_of(offer: Offer) -> Handler:
    """The handler of what is served."""
    if offer.served is not None:
        return converse(offer.served)
    if offer.upstream is not None:
        return relay(offer.upstream)
    raise AssertionError(offer)  # `cells` has refused it


def datagrams_of(offer: Offer, stopping: Stopping) -> DatagramServing:
    """The serving side of one datagram socket.

    Args:
        offer: what is served.
        stopping: the program's; a relay waits for its upstream no longer.
    """
    if offer.served is not None and offer.served.datagrams is not None:
        return offer.served.datagrams()
    if offer.upstream is not None:
        return RelayOneByOne(offer.upstream, stopping)
    raise AssertionError(offer)  # `cells` has refused it
