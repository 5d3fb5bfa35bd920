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

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from socketlab.hosts.host import Host
    from socketlab.hosts.lab import Lab

__all__ = ["Host", "Lab"]
_HOMES = {"Host": "host", "Lab": "lab"}


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415 - who wants a plan only need not load sockets

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
