"""What is served, whatever the style: a protocol, or what an upstream server says."""

from dataclasses import dataclass

from services.protocol.serving import Served
from services.server.options import Upstream


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that is served.

    Args:
        name: as the log shows it.
        served: the protocol; None: it is relayed.
        upstream: where it is relayed to; None: it is served here.
    """

    name: str
    served: Served | None = None
    upstream: Upstream | None = None
