"""The agent of a host made of namespaces: there when asked for, and undone when it dies."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from socketlab.hosts.lab import Lab
from socketlab.wire import Add, Applied, Attach, Attached, Drop, Fault, Heal, Leases, List, Match, Route
from tests.namespace.nursery.talking import ROOT, SECONDS, ask, pair

_QUIET = 0.3


def _drop(demo: Lab, port: int) -> Fault:
    return Drop(Match(peer="client", addresses=(demo.client.address,), port=port, proto="tcp"))


def _connects(demo: Lab, port: int) -> bool:
    with demo.client.socket() as calling:
        calling.settimeout(_QUIET)
        with suppress(TimeoutError):
            calling.connect((demo.server.address, port))
            return True
    return False


def test_an_agent_bends_the_network_of_its_host_only(demo: Lab) -> None:
    with closing(demo.machines.agent("server")) as agent, demo.server.socket() as listener:
        listener.bind((demo.server.address, 7000))
        listener.listen(8)
        assert ask(agent, Attach(1)) == Attached(1)
        assert ask(agent, List(2)) == Leases(2, ())
        assert _connects(demo, 7000)
        applied = ask(agent, Add(id=3, fault=_drop(demo, 7000)))
        assert isinstance(applied, Applied)
        assert not _connects(demo, 7000)
        with closing(demo.machines.agent("client")) as other:
            assert ask(other, List(4)) == Leases(4, ())
        healed = ask(agent, Heal(5))
        assert isinstance(healed, Leases)
        assert healed.leases[0].bitten
        assert _connects(demo, 7000)


def test_an_agent_stays_while_its_host_is_paused_or_disconnected(demo: Lab) -> None:
    with closing(demo.machines.agent("server")) as agent:
        demo.machines.act("server", "pause")
        assert ask(agent, List(1)) == Leases(1, ())
        demo.machines.act("server", "resume")
        demo.machines.plug("server", "lab", connected=False)
        assert ask(agent, List(2)) == Leases(2, ())
        demo.machines.plug("server", "lab", connected=True)
        assert ask(agent, List(3)) == Leases(3, ())


def _agents(program: str) -> list[int]:
    """The processes with NET_ADMIN on the host where a program has this command line."""
    status = {pid: read for pid in _numbers() if (read := _read(pid, "status"))}
    there = [_namespace(pid) for pid in status if _read(pid, "cmdline").split("\0")[:-1] == program.split()]
    assert len(there) == 1
    both = f"{1 << 12 | 1 << 13:016x}"
    holders = [pid for pid, text in status.items() if _namespace(pid) in there and f"CapEff:\t{both}" in text]
    assert all(f"CapBnd:\t{both}" in status[pid] and "NoNewPrivs:\t1" in status[pid] for pid in holders)
    return holders


def _numbers() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _read(pid: int, name: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    return ""


def _namespace(pid: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    return ""


def test_what_a_killed_agent_left_is_undone(demo: Lab) -> None:
    if os.geteuid():
        pytest.skip("needs root, to find the agent among the machine's processes")
    with closing(demo.machines.agent("server")) as agent, pair(demo):
        route = Route(to=f"{demo.client.address}/32", type="unreachable")
        ask(agent, Add(id=1, fault=route, holder="client"))
        ask(agent, Add(id=2, fault=_drop(demo, 7000), holder="client"))
        kept = ask(agent, Add(id=3, fault=_drop(demo, 7001)))
        with demo.server.socket() as calling, pytest.raises(OSError, match="No route"):
            calling.connect((demo.client.address, 7000))
        marked = f"sleep 60.{os.getpid():010}"
        with demo.server.start(marked.split()):
            killed = _agents(marked)
        assert len(killed) == 1
        os.kill(killed[0], signal.SIGKILL)
        assert agent.receive(SECONDS) == b""
        deadline = time.monotonic() + SECONDS
        while True:  # the host's first program undoes it; when, it tells nobody
            with demo.server.socket() as calling:
                try:
                    calling.connect((demo.client.address, 7000))
                except ConnectionRefusedError:
                    break
                except OSError:
                    assert time.monotonic() < deadline
    assert isinstance(kept, Applied)
    with closing(demo.machines.agent("server")) as agent:  # what nobody but the agent held is there again
        assert ask(agent, List(1)) == Leases(1, (kept.lease,))


_BELOW_TMP = """
import sys
sys.path.insert(0, sys.argv[1])
sys.path.append(sys.argv[2])
from socketlab.hosts import lab as labs
assert labs.__file__.startswith(sys.argv[1])
from tests.namespace.nursery.test_agent import test_what_a_killed_agent_left_is_undone as killed
with labs.lab("demo", backend="namespace") as demo:
    killed(demo)
"""


def test_what_it_left_is_undone_also_where_our_code_lies_below_tmp(
    namespaces: None,  # noqa: ARG001 - asked for, not used
    plain_code: Path,
) -> None:
    if os.geteuid():
        pytest.skip("needs root, to find the agent among the machine's processes")
    program = [sys.executable, "-c", _BELOW_TMP, str(plain_code), str(ROOT)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=4 * SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, "")


_WITHOUT = """
import sys
from contextlib import closing
from socketlab.hosts.lab import lab
from socketlab.wire import Add, Drop, Match
from tests.namespace.nursery.talking import ask
with lab("demo", backend="namespace") as demo, closing(demo.machines.agent("server")) as agent:
    fault = Drop(Match(port=7000, proto="tcp", direction="out"))
    print(ask(agent, Add(id=1, fault=fault, holder="client")).lease.by)
"""


def test_an_agent_does_without_what_its_nursery_is_told(namespaces: None) -> None:  # noqa: ARG001
    program = [sys.executable, "-c", _WITHOUT]
    told = {**os.environ, "SOCKETLAB_WITHOUT": "queue,compat", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(program, capture_output=True, text=True, timeout=4 * SECONDS, check=False, env=told)
    assert (done.returncode, done.stdout, done.stderr) == (0, "iptables\n", "")
