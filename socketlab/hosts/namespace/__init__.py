"""The backend `namespace`: hosts are network namespaces of this machine's Linux; no engine, no root.

    nursery    the process that makes them, one a controller, and how it is spoken with
    stream     bytes to and from a program on a host
    machines   a lab in the nursery's hands
    backend    the making of one
    probing    whether this machine can

The names below load their module when they are first asked for: elsewhere than on Linux nobody needs them.
"""

from typing import TYPE_CHECKING

from socketlab.wire.lazily import lazily

if TYPE_CHECKING:
    from socketlab.hosts.namespace.backend import NamespaceBackend
    from socketlab.hosts.namespace.probing import Probe, probe

__all__ = ["NamespaceBackend", "Probe", "probe"]
_HOMES = {"NamespaceBackend": "backend", "Probe": "probing", "probe": "probing"}
__getattr__, __dir__ = lazily(__name__, _HOMES)
