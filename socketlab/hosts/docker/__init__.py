"""The backend `docker`: hosts are containers of the lab's images, on an engine here or far away.

    endpoint      where the engine is: DOCKER_HOST, a context, or this machine's socket
    dialling      a connection to it: Unix socket, TCP, TLS, or `docker system dial-stdio` over ssh
    engine        its HTTP interface
    streams       a program's standard streams over one held-open exec
    programs      programs in containers, run to their end or held open
    recipe        a plan as the engine takes it; pure
    subnets       subnets that nobody else has
    machines      a lab in the engine's hands
    backend       the making of one
    pool          labs made ahead
    adopted_lab   a foreign compose project as a lab
    adopted       it in the engine's hands
    adopted_plan  which of its containers are hosts, and the plan that they make; pure
    adopted_sidecars  containers of ours in its network namespaces
    notices       the engine's events
    ownership     who owns what, told by labels
    reaper        the process that clears up after an owner that is killed
    removal       things of ours taken off an engine
    leftovers     what is left where owner and reaper were killed
    probing       whether an engine is there that can be used

The names below load their module when they are first asked for: who uses another backend pays nothing.
"""

from typing import TYPE_CHECKING

from socketlab.wire.lazily import lazily

if TYPE_CHECKING:
    from socketlab.hosts.docker.adopted_lab import AdoptedLab, adopt
    from socketlab.hosts.docker.backend import DockerBackend
    from socketlab.hosts.docker.pool import Pool
    from socketlab.hosts.docker.probing import Probe, probe

__all__ = ["AdoptedLab", "DockerBackend", "Pool", "Probe", "adopt", "probe"]
_HOMES = {
    "AdoptedLab": "adopted_lab",
    "adopt": "adopted_lab",
    "DockerBackend": "backend",
    "Pool": "pool",
    "Probe": "probing",
    "probe": "probing",
}
__getattr__, __dir__ = lazily(__name__, _HOMES)
