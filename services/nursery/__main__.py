"""How a nursery begins: into its namespaces, a bridge and a veth really made, and then its hello.

Theory of operation
    The controller starts this program with one end of a stream. It enters a user namespace, in which it is
    root, then a PID namespace, which only a child can be in: so there are two processes. The child is the
    nursery and PID 1 there, so that with it every host goes, however it ends; the parent waits for it, so
    that whoever started us has somebody to wait for.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.messages import SENTENCES
from services.netlink.connection import ROUTE, Connection
from services.netlink.errors import NetlinkError
from services.netlink.link import Peer, new_bridge, new_veth
from services.nursery import filesystem, kernel, sysctls
from services.nursery.control import why
from services.nursery.errors import UnusableError
from services.nursery.identity import Users, enter_user_namespace, has_own_user
from services.nursery.lab import Machine
from services.nursery.network import own_namespace
from services.nursery.processes import close_all_but, raise_descriptors
from services.nursery.program import Nursery
from services.nursery.usable import facts, verdict
from socketlab.wire.nursery import NURSERY_VERSION, Failed, Hello, write

_SCRATCH_GROUP = 1


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Whatever the kernel refuses inside becomes the reason why this machine is of no use."""
    try:
        yield
    except NetlinkError as error:
        raise verdict(name, error.errno, str(error), facts()) from error
    except OSError as error:
        raise verdict(name, error.errno or 0, why(error), facts()) from error


def _enter_users() -> Users:
    """Root in a user namespace, or, where there is none to be had, the root that we are."""
    try:
        return enter_user_namespace()
    except OSError:
        if has_own_user():  # not in a new one without a map: there we would be nobody
            return "root"
        raise


def _try_links() -> None:
    """Make a bridge and a veth: that `unshare` returned 0 says nothing yet."""
    connection = Connection(ROUTE)
    with _step("bridge"):
        connection.transact([new_bridge("try", 2, _SCRATCH_GROUP)])
    with _step("veth"):
        peer = Peer("try1", os.getpid(), b"\x02\x42\0\0\0\1")
        connection.transact([new_veth("try0", 1000, _SCRATCH_GROUP, 2, peer)])
    connection.close()


def _be_nursery(stream: socket.socket, sources: filesystem.Sources, users: Users) -> None:
    """Be PID 1 of the nursery's namespaces."""
    kernel.die_with_parent(signal.SIGKILL)
    own_pid = int(Path("/proc/self").readlink().name)
    with _step("namespaces"):
        kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_NETWORK | kernel.NEW_IPC | kernel.NEW_HOSTNAME)
    with _step("mounts"):
        environment, lacking = filesystem.cover(sources)
    _try_links()
    os.environ.clear()
    os.environ.update(environment)
    machine = Machine(
        users,
        own_namespace(),
        os.open("/proc/self/ns/pid", os.O_RDONLY),
        sysctls.folder(),
        filesystem.machines_sources(),
        raise_descriptors(),
    )
    os.chdir("/")
    os.umask(0o022)
    Nursery(stream, machine).serve(Hello(NURSERY_VERSION, own_pid, users, environment, tuple(lacking)))


def main(words: Sequence[str]) -> None:
    """Be a nursery.

    Args:
        words: the descriptor of the stream to the controller, and the sources as JSON.
    """
    stream = socket.socket(fileno=int(words[0]))
    close_all_but(stream.fileno())
    plain = json.loads(words[1])
    sources = filesystem.Sources(
        Path(plain["interpreter"]), tuple(map(Path, plain["code"])), tuple(map(Path, plain["packages"]))
    )
    SENTENCES.keep()  # below /tmp they would be covered
    try:
        with _step("users"):
            users = _enter_users()
        with _step("namespaces"):
            kernel.no_huge_pages()
            kernel.unshare(kernel.NEW_PIDS)
        nursery = os.fork()
        if nursery:
            stream.close()
            os.waitpid(nursery, 0)
            os._exit(0)
        _be_nursery(stream, sources, users)
    except UnusableError as error:
        stream.sendall(write(Failed(0, error.code, error.details)))
    except Exception as error:  # noqa: BLE001 - the controller says what went wrong
        stream.sendall(write(Failed(0, "namespace.refused", {"step": "start", "why": why(error)})))
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
