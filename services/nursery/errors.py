"""What the nursery answers instead of doing what it was asked for. The controller has the sentences."""

from socketlab.wire.errors import SocketlabError


class NurseryError(SocketlabError):
    """Something was not done. It crosses the wire as a code and its fields, and is said over there."""

    def __str__(self) -> str:
        return self.details.get("why", self.code)


class UnusableError(NurseryError):
    """This machine does not let us make hosts of namespaces."""


class HostFailedError(NurseryError):
    """What a host was told to do it could not do, or it has ended."""
