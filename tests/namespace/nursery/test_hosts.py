"""What a host made of namespaces is: its network, its names, its files, its programs."""

import errno
import os
import socket
import tempfile
from pathlib import Path

import pytest

from socketlab.hosts.lab import Lab, lab
from tests.namespace.nursery.talking import FAMILIES, address, pair, python


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_packet_arrives(demo: Lab, family: str) -> None:
    with pair(demo, family) as (client, _accepted):
        assert client.getpeername()[0] == address(demo.server, family)
        assert client.tcp_info()["total_retrans"] == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_but_the_lab_is_in_reach(shared: Lab, family: str) -> None:
    away = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}[family]
    with (
        shared.client.socket(FAMILIES[family]) as sending,
        pytest.raises(OSError, match="unreachable") as raised,
    ):
        sending.connect((away, 7000))
    assert raised.value.errno == errno.ENETUNREACH


def test_hosts_know_each_other_by_name(shared: Lab) -> None:
    for name in ("client", "server"):
        found = {str(each[4][0]) for each in shared.client.getaddrinfo(name, 7000, type=socket.SOCK_STREAM)}
        assert found == {shared[name].address, shared[name].address6}
    assert shared.client.gethostname() == "client"


def test_a_name_that_nobody_has_fails_at_once(shared: Lab) -> None:
    with pytest.raises(socket.gaierror):
        shared.client.getaddrinfo("nobody.example", 80)


def test_no_name_reaches_the_machines_resolver(shared: Lab) -> None:
    if not Path("/usr/bin/strace").exists():
        pytest.skip("needs strace, which shows whom the C library asks")
    command = ["strace", "-f", "-qq", "-e", "trace=connect", "getent", "ahosts", "nobody.example"]
    done = shared.client.run(command)
    said = done.stderr.decode()
    assert done.exit_code == 2, said  # as getent says: not found
    asked = [line for line in said.splitlines() if "connect(" in line]
    assert any("sin_port=htons(53)" in line for line in asked)
    strangers = [line for line in asked if 'inet_addr("127.0.0.1")' not in line and "ENOENT" not in line]
    assert strangers == []
    sources = shared.client.run(["cat", "/etc/nsswitch.conf"]).stdout.decode()
    assert [line for line in sources.splitlines() if line.startswith("hosts")] == ["hosts: files dns"]


@pytest.mark.parametrize("folder", ["/run", "/tmp", "/dev/shm"])  # noqa: S108 - the point
def test_the_machines_sockets_are_not_there(shared: Lab, folder: str) -> None:
    if not os.access(folder, os.W_OK):
        pytest.skip(f"{folder} is not ours to write to")
    with tempfile.TemporaryDirectory(dir=folder, prefix="socketlab-test-") as ours:
        path = f"{ours}/listener"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            Path(ours).chmod(0o755)
            Path(path).chmod(0o777)
            with shared.client.socket(socket.AF_UNIX) as asking, pytest.raises(FileNotFoundError):
                asking.connect(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0socketlab-test-{os.getpid()}")
        listener.listen()
        with shared.client.socket(socket.AF_UNIX) as asking, pytest.raises(ConnectionRefusedError):
            asking.connect(listener.getsockname())


def test_a_program_has_no_way_to_change_its_host(shared: Lab) -> None:
    about = shared.client.actor.call("about")
    assert {
        about["capabilities"][kind] for kind in ("effective", "bounding", "permitted", "inheritable")
    } == {0}
    assert (about["uid"], about["no_new_privs"], about["pid"] > 1) == (10001, True, True)
    seen = python(
        shared.client,
        """
        import errno, json, os, pathlib, socket
        def refused(call, *args):
            try:
                call(*args)
            except OSError as error:
                return errno.errorcode[error.errno]
        print(json.dumps({
            "root": refused(os.mkdir, "/socketlab"),
            "etc": refused(pathlib.Path("/etc/hosts").write_text, ""),
            "sysctl": refused(pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text, "1"),
            "agent": refused(os.listdir, "/run/agent/"),
            "init": refused(os.kill, 1, 9),
            "raw": refused(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1),
            "port": refused(socket.socket().bind, ("", 1023)),
            "user": os.getuid(),
        }))
        """,
    )
    nested = shared.client.run(["id", "-u"]).stdout == b"10001\n"
    assert nested
    assert {"EROFS", "EACCES", "EPERM"} >= {seen[name] for name in ("root", "etc", "sysctl", "agent", "init")}
    assert (seen["raw"], seen["port"], seen["user"]) == ("EPERM", "EACCES", 10001)


def test_a_host_has_its_own_files_and_processes(shared: Lab) -> None:
    mine = "/tmp/socketlab-test-mine"  # noqa: S108 - the host's own, and not the machine's
    shared.client.run(["sh", "-c", f"echo hello > {mine}"], check=True)
    assert shared.client.run(["cat", mine]).stdout == b"hello\n"
    assert shared.server.run(["cat", mine]).exit_code != 0
    assert not Path(mine).exists()
    with shared.client.start(["sleep", "60"]):
        assert b"sleep\n" in shared.client.run(["sh", "-c", "cat /proc/[0-9]*/comm"]).stdout
        assert b"sleep\n" not in shared.server.run(["sh", "-c", "cat /proc/[0-9]*/comm"]).stdout


def test_servers_of_ours_can_be_imported(shared: Lab) -> None:
    seen = python(
        shared.client,
        """
        import json, sys, dns.resolver, loguru, services.server, socketlab.wire
        print(json.dumps(list(sys.version_info[:2])))
        """,
    )
    assert tuple(seen) >= (3, 11)


def test_the_kernel_is_as_on_the_other_backend(shared: Lab) -> None:
    names = {
        "net/ipv4/ip_unprivileged_port_start": "1024",
        "net/ipv4/icmp_ratelimit": "0",
        "net/ipv6/icmp/ratelimit": "0",
        "net/ipv4/ip_forward": "0",
        "net/ipv6/conf/eth0/accept_dad": "0",
        "net/ipv6/conf/eth0/accept_ra": "0",
    }
    shown = shared.client.run(["sh", "-c", "cd /proc/sys; cat " + " ".join(names)]).stdout.decode()
    assert shown.split() == list(names.values())
    with shared.client.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as echo:
        echo.connect((shared.server.address, 0))
        echo.settimeout(10)
        echo.send(b"\x08\0\0\0\0\0\0\1hello")
        assert echo.recv(100).endswith(b"hello")


_OFFLOADS = """
    import array, fcntl, json, socket, struct
    def get(command):
        value = array.array("I", (command, 0))
        request = struct.pack("16sP16x", b"eth0", value.buffer_info()[0])
        fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8946, request)
        return value[1]
    print(json.dumps({"tx": get(0x16), "tso": get(0x1e), "gso": get(0x23), "gro": get(0x2b)}))
"""


def test_a_packet_is_a_segment_unless_asked_otherwise(shared: Lab) -> None:
    assert python(shared.client, _OFFLOADS) == {"tx": 0, "tso": 0, "gso": 0, "gro": 0}
    with lab("offload", hosts=["client"], backend="namespace", offload=True) as other:
        seen = python(other.client, _OFFLOADS)
    assert (seen["tx"], seen["tso"], seen["gso"]) == (1, 1, 1)


def test_sysctls_of_the_plan_are_set(namespaces: None) -> None:  # noqa: ARG001 - to be skipped with the reason
    from socketlab.hosts.spec import HostSpec  # noqa: PLC0415

    spec = HostSpec(
        name="client", sysctls={"net.ipv4.tcp_syn_retries": 2, "net.ipv4.neigh.eth0.mcast_solicit": 1}
    )
    with lab("sysctls", hosts=[spec], backend="namespace") as made:
        files = "/proc/sys/net/ipv4/tcp_syn_retries /proc/sys/net/ipv4/neigh/eth0/mcast_solicit"
        assert made.client.run(["sh", "-c", f"cat {files}"]).stdout == b"2\n1\n"
        made.client.restart()
        assert made.client.run(["sh", "-c", f"cat {files}"]).stdout == b"2\n1\n"


def test_labs_with_the_same_addresses_do_not_meet(shared: Lab, demo: Lab) -> None:
    assert shared.server.address == demo.server.address
    with pair(shared, port=7100) as (client, accepted), demo.client.socket() as other:
        with pytest.raises(ConnectionRefusedError):
            other.connect((demo.server.address, 7100))
        client.sendall(b"still here")
        assert accepted.recv(100) == b"still here"


def test_ipv4_only_means_no_ipv6_at_all(namespaces: None) -> None:  # noqa: ARG001 - as above
    with lab("four", hosts=["client"], backend="namespace", ipv6=False) as made:
        assert made.client.address6 is None
        assert made.client.run(["cat", "/proc/net/if_inet6"]).stdout.split()[5::6] == [b"lo"]
