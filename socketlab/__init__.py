"""socketlab: real TCP and UDP between real hosts, and faults that bite.

    from socketlab import lab

    with lab("demo", hosts=["client", "server"]) as demo:
        ...

This package is what runs on the instructor's machine. `socketlab.wire` holds the words it shares with
the programs inside a lab's hosts; importing it loads nothing else, and nothing that is Linux only. The names
below load their modules when they are first asked for.
"""

from typing import TYPE_CHECKING

from socketlab.wire.lazily import lazily

if TYPE_CHECKING:
    from socketlab.hosts.host import Host
    from socketlab.hosts.lab import Lab, lab
    from socketlab.hosts.plan import Record
    from socketlab.hosts.programs import Completed, Program, ProgramError, ProgramTimeoutError
    from socketlab.hosts.serving import Service
    from socketlab.hosts.spec import HostSpec, LabSpec, NetworkSpec, Plug
    from socketlab.sockets import Pending, Socket

__version__ = "0.1.0"

_HOMES = {
    "Completed": "hosts.programs",
    "Host": "hosts.host",
    "HostSpec": "hosts.spec",
    "Lab": "hosts.lab",
    "LabSpec": "hosts.spec",
    "NetworkSpec": "hosts.spec",
    "Pending": "sockets",
    "Plug": "hosts.spec",
    "Program": "hosts.programs",
    "ProgramError": "hosts.programs",
    "ProgramTimeoutError": "hosts.programs",
    "Record": "hosts.plan",
    "Service": "hosts.serving",
    "Socket": "sockets",
    "lab": "hosts.lab",
}
__all__ = [
    "Completed",
    "Host",
    "HostSpec",
    "Lab",
    "LabSpec",
    "NetworkSpec",
    "Pending",
    "Plug",
    "Program",
    "ProgramError",
    "ProgramTimeoutError",
    "Record",
    "Service",
    "Socket",
    "lab",
]
__getattr__, __dir__ = lazily(__name__, _HOMES)
