"""Machines that do not let us: each error names what stands in the way and what to do, and leaves nothing."""

import os
import subprocess
import sys

import pytest

from socketlab.errors import BackendError
from socketlab.hosts.namespace import NamespaceBackend, probe
from socketlab.hosts.spec import HostSpec, LabSpec
from tests.namespace.nursery.leftovers import MARK, Leftovers, new_mark
from tests.namespace.nursery.talking import ROOT, SECONDS

pytestmark = pytest.mark.usefixtures("namespaces")

_SPEC = LabSpec(name="refused", hosts=(HostSpec(name="client"),))
_ENTER = """
import os, sys
from services.nursery import kernel
ready, go = os.pipe(), os.pipe()
if (helper := os.fork()) == 0:
    os.read(ready[0], 1)
    for kind in ("setgroups", "uid_map", "gid_map") if sys.argv[1] == "1" else ("uid_map", "gid_map"):
        with open(f"/proc/{os.getppid()}/{kind}", "w") as file:
            file.write("deny" if kind == "setgroups" else f"0 {os.getuid()} {sys.argv[1]}")
    os.write(go[1], b"1")
    os._exit(0)
kernel.unshare(kernel.NEW_USERS)
os.write(ready[1], b"1")
os.read(go[0], 1)
os.waitpid(helper, 0)
with open("/proc/sys/user/max_user_namespaces", "w") as file:
    file.write("0")
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])
"""
_PROBE = """
import json
from socketlab.hosts.namespace import probe
from socketlab.hosts.namespace.backend import NamespaceBackend
from socketlab.hosts.spec import HostSpec, LabSpec
found = probe()
told = {"usable": found.usable, "why": found.why, "users": found.users}
if found.usable:
    lab = NamespaceBackend().open(LabSpec(name="probe", hosts=(HostSpec(name="client"),)))
    told["hello"] = lab.actor("client").receive(20).decode()
    lab.close()
print(json.dumps(told))
"""


def _inside(users: int) -> tuple[str, list[str]]:
    """What a controller says in a user namespace with so many users and no room for another namespace.

    Returns:
        What it says, and what it leaves.
    """
    mark = new_mark()
    left = Leftovers(mark)
    done = subprocess.run(
        [sys.executable, "-c", _ENTER, str(users), _PROBE],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=ROOT,
        env={**os.environ, MARK: mark, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, left.await_none()


def test_no_user_namespaces_and_no_root() -> None:
    said, left = _inside(1)
    assert '"usable": false' in said
    assert "sudo sysctl user.max_user_namespaces=10000" in said
    assert left == []


def test_root_does_without_a_user_namespace() -> None:
    if os.geteuid():
        pytest.skip("needs root, to have several users")
    said, left = _inside(65536)
    assert '"users": "root"' in said
    assert '\\"hello\\":1' in said
    assert left == []


def test_elsewhere_than_on_linux_the_ways_to_an_engine_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "Docker Desktop" in probe().why
    with pytest.raises(BackendError) as raised:
        NamespaceBackend().open(_SPEC)
    assert raised.value.code == "namespace.needs-linux"


def test_a_setting_that_the_kernel_does_not_take_is_named() -> None:
    spec = LabSpec(
        name="refused", hosts=(HostSpec(name="client", sysctls={"net.ipv4.tcp_syn_retries": "many"}),)
    )
    with pytest.raises(BackendError, match=r"net\.ipv4\.tcp_syn_retries=many"):
        NamespaceBackend().open(spec)
    lab = NamespaceBackend().open(_SPEC)  # and the next lab is none the worse for it
    lab.close()
