"""Somebody else's compose project: Redis, nginx, and two clients of both, from Debian's own packages.

The image is made once for a base image and a list of packages, by whoever needs it first, and kept: its tag
says what it was made of.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.machine import base_image
from scripts.machine.debian import Archive, cache_folder, unpack
from scripts.machine.errors import LackingError, MachineError

PACKAGES = ("redis-server", "redis-tools", "nginx-light", "curl")
_LEFT_OUT = ("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*", "./etc/systemd/*")
_OFFLINE = "FROM {base}\nCOPY root/ /\n"
_ONLINE = """FROM {base}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends {packages} \\
    && rm -rf /var/lib/apt/lists/*
"""
NGINX = """
daemon off; error_log /dev/stderr; pid /tmp/nginx.pid; worker_processes 1; user root;
events { worker_connections 64; }
http {
  access_log off; default_type text/plain;
  client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u;
  scgi_temp_path /tmp/s;
  server { listen 80; location / { return 200 "hello from nginx\\n"; } location /big { root /srv; } }
}
"""


def _docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout if done.returncode == 0 else ""


def image(base: str) -> str:
    """The image's tag; it is there when this returns.

    Args:
        base: image that it starts from, held by the engine.
    """
    identity = _docker("image", "inspect", "-f", "{{.Id}}", base).strip()
    recipe = "\n".join((identity, *PACKAGES, NGINX, _OFFLINE, _ONLINE))
    tag = f"socketlab-test/foreign:{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with (Path(tempfile.gettempdir()) / f"socketlab-foreign-{os.geteuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _docker("image", "inspect", "-f", "{{.Id}}", tag, check=False):
            _build(base, tag)
    return tag


def _build(base: str, tag: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "root/etc/lab").mkdir(parents=True)
        if base == base_image.OFFLINE:
            _unpack(folder / "root")
            text = _OFFLINE.format(base=base)
        else:
            text = _ONLINE.format(base=base, packages=" ".join(PACKAGES)) + "COPY root/ /\n"
        (folder / "root/etc/lab").mkdir(parents=True, exist_ok=True)
        (folder / "root/etc/lab/nginx.conf").write_text(NGINX)
        (folder / "root/srv/big").mkdir(parents=True, exist_ok=True)
        (folder / "root/srv/big/file").write_bytes(bytes(range(256)) * 4096)
        (folder / "Dockerfile").write_text(text)
        _docker("build", "-q", "-t", tag, str(folder))


def _unpack(root: Path) -> None:
    try:
        archive = Archive(cache_folder())
        archive.update()
        ours = {file.name for file in archive.fetch(base_image.PACKAGES)}
        packages = [file for file in archive.fetch(PACKAGES) if file.name not in ours]
    except (LackingError, MachineError) as error:
        pytest.skip(f"Debian's packages are not to be had: {error}")
    # What the base has is there already; of the rest only files count, not what their scripts would do.
    for package in packages:
        unpack(package, root, _LEFT_OUT)


@dataclass(frozen=True)
class Shop:
    """The project, up.

    Args:
        name: of it.
        command: `docker compose` with its files.
    """

    name: str
    command: tuple[str, ...]

    def compose(self, *words: str) -> str:
        """Run `docker compose ...`; what it said on stdout."""
        done = subprocess.run(
            [*self.command, *words], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def id(self, service: str, number: int = 1) -> str:
        """A container's id."""
        wanted = [f"com.docker.compose.{key}" for key in ("project", "service", "container-number")]
        labels = zip(wanted, (self.name, service, str(number)), strict=True)
        filters = [word for key, value in labels for word in ("--filter", f"label={key}={value}")]
        return _docker("ps", "-aq", "--no-trunc", *filters).strip()

    def run(self, service: str, *command: str, number: int = 1) -> tuple[int, str]:
        """Run a program in a container as its owner would: exit code and all that it said."""
        done = subprocess.run(
            ["docker", "exec", self.id(service, number), *command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def redis(self, number: int = 1, seconds: float = 2) -> tuple[int, str]:
        """`redis-cli PING` from a client."""
        return self.run("app", "timeout", str(seconds), "redis-cli", "-h", "redis", "PING", number=number)

    def curl(self, number: int = 1, seconds: float = 2) -> tuple[int, str]:
        """`curl http://web/` from a client."""
        return self.run("app", "curl", "-sS", "-m", str(seconds), "http://web/", number=number)

    def network_state(self, service: str, number: int = 1) -> str:
        """All that faults could change in a container's network namespace; counters and lifetimes masked."""
        return state_of(self.id(service, number))

    def containers(self) -> dict[str, Any]:
        """What the engine says of each container of the project, by id, without what time changes."""
        ids = _docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.name}").split()
        told = json.loads(_docker("inspect", *ids))
        return {each["Id"]: (each["State"]["StartedAt"], each["Config"], each["HostConfig"]) for each in told}


def state_of(container: str) -> str:
    """Rules, qdiscs, routes, links, neighbours' kinds and sysctls of a container's network namespace."""
    pid = _docker("inspect", "-f", "{{.State.Pid}}", container).strip()
    script = r"""
    nft -s list ruleset; iptables-legacy-save -t filter 2>/dev/null | grep -v '^#' | sed 's/\[.*\]//'
    tc qdisc show; tc filter show dev eth0; ip -o link | sed 's/state [A-Z]*//'
    ip -4 route show table all; ip -6 route show table all; ip rule
    grep . /proc/sys/net/ipv4/*icmp* /proc/sys/net/ipv6/icmp/* /proc/sys/net/ipv4/ip_unprivileged_port_start \
        /proc/sys/net/ipv4/ping_group_range /proc/sys/net/ipv4/tcp_* /proc/sys/net/ipv4/conf/*/* \
        /proc/sys/net/ipv6/conf/*/* 2>/dev/null | grep -v stable_secret
    """
    done = subprocess.run(
        ["nsenter", "-t", pid, "-n", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [" ".join(line.split("expires")[0].split()) for line in done.stdout.splitlines()]
    # The kernel adds a link's own address when it has found nobody else to have it, a second or two later.
    return "\n".join(line for line in lines if "local fe80::" not in line)


def definition(tag: str, labels: dict[str, str]) -> dict[str, Any]:
    """The project's compose file."""
    common = {"image": tag, "init": True, "stop_grace_period": "1s", "labels": labels}
    return {
        "services": {
            "redis": {
                **common,
                "command": "redis-server --bind 0.0.0.0 :: --protected-mode no --save '' --dir /tmp",
            },
            "web": {**common, "command": "nginx -c /etc/lab/nginx.conf"},
            "app": {**common, "command": "sleep infinity", "scale": 2},
        },
        "networks": {"default": {"labels": labels}},
    }


@contextmanager
def shop(tag: str, labels: dict[str, str], folder: Path, subnet: str) -> Iterator[Shop]:
    """The project, up for the length of a block."""
    name = f"shop-{os.getpid()}-{os.urandom(2).hex()}"
    told = definition(tag, labels)
    told["networks"]["default"]["ipam"] = {"config": [{"subnet": subnet}]}
    (folder / "compose.yaml").write_text(json.dumps(told), encoding="utf-8")
    made = Shop(name, ("docker", "compose", "-p", name, "-f", str(folder / "compose.yaml")))
    try:
        made.compose("up", "-d")
        yield made
    finally:
        made.compose("down", "-v", "-t", "1", "--remove-orphans")
