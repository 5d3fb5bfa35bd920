"""The lab of `compose.yaml` in network namespaces, for the length of its tour.

`scripts/up` runs this in the project's `.venv` where there is no engine. The exit status is the tour's.
"""

import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import BinaryIO, Final, Protocol

from scripts.machine import ROOT, compose_file, dotenv
from scripts.machine.compose_file import DescribedHost
from scripts.machine.errors import MachineError
from scripts.machine.steps import tell
from scripts.machine.subnet import wanted_networks
from services.agent.grammar import standing_fault
from socketlab.errors import BackendError, EndedError
from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab, lab
from socketlab.hosts.programs import Program
from socketlab.hosts.spec import HostSpec, NetworkSpec, Plug
from socketlab.messages import say
from socketlab.wire.errors import SocketlabError
from socketlab.wire.lines import LineBuffer
from socketlab.wire.message import Add, Applied, decode, encode

NOTHING_RAN: Final = 3
LACKING: Final = 4
INTERRUPTED: Final = 130
_SERVER: Final = ("python3", "-m", "services.server", "--lab")
_TOUR: Final = ("python3", "-m", "services.client", "tour")
_SERVING: Final = b'"event": "serving"'
_LOCALE: Final = ("LC_ALL", "LC_MESSAGES", "LC_CTYPE", "LANG")
_SECONDS: Final = 10.0
"""Room for what takes milliseconds: an agent's answer, a server that gets ready."""
_READ: Final = 65536


class _Source(Protocol):
    """What a program says."""

    def read1(self, size: int, /) -> bytes:
        """What there is, as soon as there is something; nothing at the end."""


def tour() -> int:
    """Make the lab, run its tour on our standard output, and take it away; the tour's exit status.

    Raises:
        UsageError: a variable that moves it makes no sense.
        SocketlabError: it cannot be made here.
    """
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    settings = {**dotenv.settings(), **os.environ}
    wanted_networks(settings)  # what is no prefix is told as such
    described = compose_file.read(text, settings)
    network = NetworkSpec(name=compose_file.NETWORK, subnet=described.subnet, subnet6=described.subnet6)
    hosts = [_spec(host) for host in described.hosts]
    started = time.monotonic()
    with lab(described.name, hosts, [network], backend="namespace") as made:
        for host in described.hosts:
            _hold(made, host)
        server, client = (made.hosts[name] for name in compose_file.HOSTS)
        with server.start(_SERVER, ready=_SERVING, timeout=_SECONDS) as serving:
            _drain(serving)
            took = round((time.monotonic() - started) * 1000)
            tell(say("scripts.backend.ready", count=len(hosts), milliseconds=took) + "\n")
            return _run_tour(client, described.hosts[1].environ)


def _spec(host: DescribedHost) -> HostSpec:
    plug = Plug(network=compose_file.NETWORK, address=host.address, address6=host.address6)
    return HostSpec(name=host.name, plugs=(plug,))


def _hold(made: Lab, host: DescribedHost) -> None:
    """Start a host's agent and put its standing faults in force; they go with the lab.

    Raises:
        EndedError: the agent ended instead of an answer.
        ServiceError: the agent refused one.
    """
    stream = made.machines.agent(host.name)
    lines = LineBuffer()
    try:
        for number, words in enumerate(host.standing, start=1):
            stream.send(encode(Add(id=number, fault=standing_fault(words, _no_names))))
            found: list[bytes] = []
            while not found:
                if not (data := stream.receive(_SECONDS)):
                    raise EndedError("backend.agent-ended", host=host.name)
                found = lines.feed(data)
            answer = decode(found[0])
            if not isinstance(answer, Applied):
                raise EndedError("backend.agent-said", host=host.name, fault=words, seen=answer)
    finally:
        stream.close()


def _no_names(name: str) -> tuple[str, ...]:
    """The faults of the lab's definition are for everybody: none of them names a peer."""
    raise LookupError(name)


def _drain(program: Program) -> None:
    """Read what a server says: one whose pipe is full would stop."""
    for output in program.outputs:
        threading.Thread(target=output.listen, args=(lambda _: False, _READ), daemon=True).start()


def _run_tour(client: Host, environ: Mapping[str, str]) -> int:
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
    # Where the environment asks for no language, that is the C locale (locale(7)).
    locale = {"LANG": "C", **{name: os.environ[name] for name in _LOCALE if os.environ.get(name)}}
    env = {**environ, **locale, "COLUMNS": str(columns), "PYTHONUNBUFFERED": "1"}
    with client.start(_TOUR, env=env) as program:
        complaints = threading.Thread(target=_copy, args=(program.stderr, sys.stderr.buffer), daemon=True)
        complaints.start()
        _copy(program.stdout, sys.stdout.buffer)
        complaints.join(_SECONDS)
        return program.wait(_SECONDS)


def _copy(source: _Source | None, sink: BinaryIO) -> None:
    """Hand on what comes as it comes."""
    while source is not None and (data := source.read1(_READ)):
        sink.write(data)
        sink.flush()


def main() -> int:
    """Be the command."""
    debug = "--debug" in sys.argv[1:]
    try:
        status = tour()
    except KeyboardInterrupt:
        return INTERRUPTED
    except SocketlabError as error:
        if debug:
            traceback.print_exc()
        tell(f"scripts/up: {error}")
        if isinstance(error, MachineError):
            return error.status
        return LACKING if isinstance(error, BackendError) else NOTHING_RAN
    tell("\n" + say("scripts.backend.hint"))
    return status


if __name__ == "__main__":
    sys.exit(main())
