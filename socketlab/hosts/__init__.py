"""Hosts and labs: what a lab is, the backends that make one, and the handles that users hold.

spec, plan, resolve     what is asked for, what is made, and from one to the other; pure
  sysctls, records, ways  its parts
file, located           labs as YAML
backend, auto           what a backend must do; which one is taken, and why
  docker, namespace       the two that there are
lab, host, functions, actions, selecting, events    the handles
programs, streams, ready, running, serving, names   programs on a host
differences             where the two backends still differ

`Host` and `Lab` can be had from here; `lab()` is `socketlab.lab`, for here that name is the module's.
"""

from typing import TYPE_CHECKING

from socketlab.wire.lazily import lazily

if TYPE_CHECKING:
    from socketlab.hosts.host import Host
    from socketlab.hosts.lab import Lab

__all__ = ["Host", "Lab"]
_HOMES = {"Host": "host", "Lab": "lab"}
__getattr__, __dir__ = lazily(__name__, _HOMES)
