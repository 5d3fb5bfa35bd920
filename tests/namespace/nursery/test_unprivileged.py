"""A user without any privilege has the same labs, in a user namespace of their own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.namespace.nursery.talking import Controller

_NOBODY = 65534
_PYTHON = "/usr/bin/python3"
_ASK_ABOUT = """
    from socketlab.wire.call import Call, Value, read_answer, write
    def call(stream, name, *args, on=None):
        stream.send(write(Call(1, name, args, on)))
        answer = read_answer(stream.receive(20))
        assert isinstance(answer, Value), answer
        return answer.value
    client, server = demo.actor("client"), demo.actor("server")
    client.receive(20), server.receive(20)
    about = call(client, "about")
    assert (about["uid"], about["no_new_privs"]) == (10001, True), about
    assert set(about["capabilities"].values()) == {0}, about
    listener = call(server, "socket", 2, 1, 0)
    address = str(demo.plan.host("server").interfaces[0].address.ip)
    call(server, "bind", (address, 7000), on=listener.number)
    call(server, "listen", 1, on=listener.number)
    calling = call(client, "socket", 2, 1, 0)
    call(client, "connect", ("server", 7000), on=calling.number)
    program = ["python3", "-c", "import services; print(7)"]
    process, pid, _stdin, stdout, _stderr = call(client, "popen", program, None, False, None)
    assert call(client, "read", 100, on=stdout.number) == b"7\\n"
    for action in ("pause", "resume", "stop", "start"):
        demo.act("server", action)
    agent = demo.agent("server")
    from socketlab.wire import Leases, List, decode, encode
    agent.send(encode(List(1)))
    assert decode(agent.receive(20)) == Leases(1, ())
"""


def _plain_user() -> tuple[str, ...]:
    """The command that runs a Python as nobody."""
    if os.geteuid():
        pytest.skip("needs root, to become nobody; every other test here runs without privilege now")
    version = subprocess.run(
        [_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=False
    )
    if version.returncode or tuple(map(int, version.stdout.split())) < (3, 11):
        pytest.skip(f"needs a Python 3.11 that anybody may run as {_PYTHON}")
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv (package util-linux)")
    as_nobody = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--inh-caps=-all")
    return (*as_nobody, _PYTHON)


def test_nobody_has_a_lab(namespaces: None, plain_code: Path) -> None:  # noqa: ARG001 - to be skipped with it
    command = _plain_user()
    try:
        made = Controller(_ASK_ABOUT, command, plain_code)
    except AssertionError as error:
        if "kernel." in str(error) or "max_user_namespaces" in str(error):
            pytest.skip(str(error).splitlines()[-1])
        raise
    try:
        assert made.end() == (0, "")
        assert made.left.await_none() == []
    finally:
        made.close()
