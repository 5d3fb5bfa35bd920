"""Every exhibit of the lab shows what it should, felt by a client."""

import contextlib
import os
import random
import select
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.loopback.conftest import Connect
from tests.loopback.running import DEADLINE, Server, read_to_end, served


@pytest.mark.parametrize("name", ["echo", "dropped", "rejected-rst", "rejected-icmp", "loopback-only"])
def test_echo_servers(lab: Server, connect: Connect, name: str) -> None:
    conn = connect(lab.port(name))
    conn.sendall(b"hola")
    conn.shutdown(socket.SHUT_WR)
    assert read_to_end(conn) == b"hola"


def test_chat(lab: Server, connect: Connect) -> None:
    conn = connect(lab.port("chat"))
    conn.sendall(b"bye\n")
    assert read_to_end(conn) == b"bye\n"


def test_full_backlog_leaves_connect_without_an_answer(lab: Server, loopback: str) -> None:
    with pytest.raises(TimeoutError) as raised:
        socket.create_connection((loopback, lab.port("backlog-full")), timeout=0.5)
    assert raised.value.errno is None


def test_reset_after_the_first_bytes(lab: Server, connect: Connect) -> None:
    conn = connect(lab.port("resets"))
    conn.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        conn.recv(1)


def test_killed_is_felt_as_fin_and_served_again(lab: Server, connect: Connect) -> None:
    for _ in range(5):  # more than there are victims
        conn = connect(lab.port("killed"))
        conn.sendall(b"still alive\n")
        assert conn.recv(100) == b"still alive\n"
        conn.sendall(b"kill\r\n")
        assert conn.recv(100) == b""


def test_killed_by_a_real_signal_and_nobody_else_with_it(connect: Connect) -> None:
    with served("--lab") as lab:
        bystander = connect(lab.port("killed"))
        bystander.sendall(b"one\n")
        assert bystander.recv(10) == b"one\n"

        conn = connect(lab.port("killed"))
        conn.sendall(b"kill\n")
        assert conn.recv(10) == b""

        assert lab.wait_for("victim-ended")["status"] == -signal.SIGKILL
        bystander.sendall(b"two\n")
        assert bystander.recv(10) == b"two\n"


def test_silent_tcp(lab: Server, connect: Connect) -> None:
    conn = connect(lab.port("silent"))
    conn.sendall(b"is anybody there?")
    conn.settimeout(0.3)
    with pytest.raises(TimeoutError):
        conn.recv(1)


def test_silent_udp(lab: Server, loopback: str) -> None:
    family = socket.AF_INET6 if ":" in loopback else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        client.connect((loopback, lab.port("silent", "udp")))
        client.send(b"is anybody there?")
        with pytest.raises(TimeoutError):  # and not ConnectionRefusedError: somebody does listen
            client.recv(1)


def test_loopback_only_is_bound_to_loopback_only(lab: Server) -> None:
    port = lab.port("loopback-only")
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                listening.add(address)
    assert listening <= {"0100007F", "00000000000000000000000001000000"}
    assert "0100007F" in listening


def test_a_port_moves_every_exhibit() -> None:
    """Below the ports that the kernel gives to clients (ip_local_port_range), so that few are taken."""
    for base in random.sample(range(10_000, 30_000, 20), 10):
        with contextlib.ExitStack() as running:
            try:
                lab = running.enter_context(served("--lab", "--port", str(base)))
            except AssertionError:
                continue  # another program has one of these ports
            assert [lab.port("echo"), lab.port("chat"), lab.port("killed")] == [base, base + 1, base + 10]
            return
    pytest.fail("ten times in a row another program had one of ten ports")


def test_victims_end_with_the_server(connect: Connect) -> None:
    with served("--lab") as lab:
        conn = connect(lab.port("killed"))
        conn.sendall(b"x\n")
        assert conn.recv(10) == b"x\n"
        victims = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(lab.process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        ends = [os.pidfd_open(int(victim)) for victim in victims]
        lab.process.kill()
        lab.process.wait(DEADLINE)
        assert conn.recv(10) == b""
    assert len(ends) == 2
    for end in ends:
        # A pidfd is readable when its process has ended (pidfd_open(2)).
        assert select.select([end], [], [], DEADLINE)[0]
        os.close(end)
