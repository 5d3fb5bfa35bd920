"""What `socketlab up` wants held, as one JSON line for the process that is to hold it."""

import dataclasses
from dataclasses import dataclass

from socketlab.errors import SpecError
from socketlab.holder.runtime import check_name
from socketlab.wire.errors import WireError
from socketlab.wire.lines import Limits, parse, render
from socketlab.wire.schema import from_plain

LINE = Limits(line=64 * 1024, depth=4, items=1024)
NAME = "lab"
"""A lab's name when nobody gave one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A lab to be opened and held.

    Args:
        name: of the lab; None: the file's, or `NAME`.
        file: a YAML lab; None: `hosts` on one network.
        hosts: their names.
        backend: `auto`, `docker` or `namespace`; None: the file's, or `auto`.
        ipv6: whether networks are dual stack.
        offload: leave TSO, GSO and GRO on.
        seconds: close it after that long; None: never.
        project: a foreign compose project whose services are the hosts; None: hosts are made.
        services: of that project, only these; empty: all.
    """

    name: str | None = None
    file: str | None = None
    hosts: tuple[str, ...] = ("client", "server")
    backend: str | None = None
    ipv6: bool = True
    offload: bool = False
    seconds: float | None = None
    project: str | None = None
    services: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.name is not None:
            check_name(self.name)
        if self.seconds is not None and self.seconds <= 0:
            raise SpecError("holder.seconds", seen=f"{self.seconds:g}")


def write(job: Job) -> bytes:
    """A job as a line.

    Raises:
        SpecError: it is longer than a line may be.
    """
    try:
        lists = {"hosts": list(job.hosts), "services": list(job.services)}
        return render(dataclasses.asdict(job) | lists, LINE)
    except WireError as error:
        raise SpecError("holder.job", seen=str(error)) from error


def read(line: bytes) -> Job:
    """The job on a line.

    Raises:
        WireError: there is none.
    """
    return from_plain(Job, parse(line, LINE), "job")
