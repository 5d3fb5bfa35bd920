"""Somebody else's compose project, taken as a lab: one pair feels a fault, nobody else; and nothing stays."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.machine import base_image
from socketlab.errors import HostError, SpecError
from socketlab.faults import corrupt, delay, drop, nth, pause, reject, throttle
from socketlab.hosts.docker.adopted_lab import AdoptedLab, adopt
from socketlab.hosts.docker.engine import Engine
from socketlab.hosts.docker.ownership import LAB
from socketlab.hosts.docker.removal import labelled
from tests.docker import foreign
from tests.docker.foreign import Shop

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
PONG, HELLO = (0, "PONG\n"), (0, "hello from nginx\n")
TIMED_OUT = 124
"""Of timeout(1)."""
COULD_NOT_CONNECT, CURL_TIMED_OUT = 7, 28
"""Of curl(1)."""
SECONDS = 30.0


@pytest.fixture(scope="module")
def shop(engine: None, labels: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:  # noqa: ARG001 - asked for, not used
    """Redis, nginx and two clients. A test that changes it puts it back."""
    base = os.environ.get(base_image.VARIABLE, base_image.OFFLINE)
    tag = foreign.image(base)
    number = random.randrange(256)  # noqa: S311 - which subnet is taken guards nothing
    with foreign.shop(tag, labels, tmp_path_factory.mktemp("shop"), f"10.222.{number}.0/24") as made:
        assert within(SECONDS, lambda: made.redis() == PONG and made.curl() == HELLO)
        yield made


@pytest.fixture
def adopted(shop: Shop) -> Iterator[AdoptedLab]:
    """The project as a lab."""
    with adopt(shop.name) as lab:
        yield lab


def within(seconds: float, what: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + seconds
    while not (true := what()) and time.monotonic() < until:
        time.sleep(0.1)
    return true


def ours(engine: Engine, name: str) -> list[Any]:
    """What a lab of that name has on the engine."""
    containers, networks = labelled(engine, LAB, name)
    return [*containers, *networks]


def states(shop: Shop) -> dict[str, str]:
    """The network of each container."""
    places = (("redis", 1), ("web", 1), ("app", 1), ("app", 2))
    return {f"{service} {number}": shop.network_state(service, number) for service, number in places}


def test_its_services_are_hosts_and_nothing_is_made_before_it_is_needed(
    shop: Shop, engine_here: Engine
) -> None:
    unused = f"{shop.name}-unused"
    with adopt(shop.name, unused) as lab:
        assert sorted(lab.hosts) == ["app", "app-2", "redis", "web"]
        assert shop.name in lab.why
        assert set(lab.machines.states().values()) == {"running"}
        assert ours(engine_here, unused) == []


def test_redis_cli_of_one_client_feels_it_and_nobody_else(shop: Shop, adopted: AdoptedLab) -> None:
    with adopted.redis.faults.apply(drop(peer="app", port=6379, proto="tcp")) as lease:
        code, _ = shop.redis(1, seconds=1.5)
        assert code == TIMED_OUT
        assert shop.redis(2) == PONG, "another client of the same server"
        assert shop.curl(1) == HELLO, "another server of the same client"
        assert shop.curl(2) == HELLO
        assert (lease.bitten or 0) >= 1
    assert shop.redis(1) == PONG, "healed"


def test_curl_of_one_client_is_refused_and_nobody_else(shop: Shop, adopted: AdoptedLab) -> None:
    refusal = reject("icmp-port", peer=adopted["app-2"], port=80, proto="tcp")
    with adopted.web.faults.apply(refusal):
        for _ in range(3):
            # The kernel's own limit, one ICMP error a second, would make the second one a silence.
            code, said = shop.curl(2, seconds=3)
            assert code == COULD_NOT_CONNECT, said
        assert shop.curl(1) == HELLO, "another client of the same server"
        assert shop.redis(2) == PONG, "another server of the same client"
    assert shop.curl(2) == HELLO, "healed"


def test_an_actor_calls_from_a_services_network_without_capabilities(shop: Shop, adopted: AdoptedLab) -> None:
    about = adopted.app.actor.call("about")
    assert set(about["capabilities"].values()) == {0}
    with adopted.app.socket() as calling:
        calling.settimeout(5)
        calling.connect(("redis", 6379))
        assert calling.getsockname()[0] == adopted.app.address
        calling.sendall(b"PING\r\n")
        assert calling.recv(100) == b"+PONG\r\n"
    assert shop.redis() == PONG


def test_nth_counts_segments_though_offloads_are_on(shop: Shop, adopted: AdoptedLab) -> None:
    large = shop.run("app", "sh", "-c", "curl -sS http://web/big/file | sha256sum")
    wanted = corrupt(peer="web", port=80, which=nth(300), checksum="valid")
    with adopted.app.faults.apply(wanted) as lease:
        other = shop.run("app", "sh", "-c", "curl -sS -m 30 http://web/big/file | sha256sum")
        assert other[0] == 0
        assert other != large, "one segment arrived altered, as if nothing were wrong with it"
        assert lease.bitten == 1
        assert (lease.seen or 0) >= (1 << 20) // 1460, "each packet is a segment"
        (entry,) = [entry for entry in lease.log if entry.action == "corrupted"]
        assert entry.ordinal == 300
    assert shop.run("app", "sh", "-c", "curl -sS http://web/big/file | sha256sum") == large


def test_after_detach_all_is_as_it_was(shop: Shop, engine_here: Engine) -> None:
    before, containers = states(shop), shop.containers()
    name = f"{shop.name}-detached"
    with adopt(shop.name, name) as lab:
        lab.redis.faults.apply(drop(peer="app", port=6379))
        lab.redis.faults.apply(throttle(1_000_000))
        lab.web.faults.apply(delay(0.05, peer="app-2"))
        assert shop.redis(2) == PONG
        during = states(shop)
        assert [name for name in before if before[name] != during[name]] == ["redis 1", "web 1"]
        assert len(ours(engine_here, name)) >= 2
    assert states(shop) == before
    assert shop.containers() == containers, "none was restarted, made anew or configured otherwise"
    assert ours(engine_here, name) == []


@contextmanager
def held_by_another(shop: Shop) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has adopted the project, put faults in force, and waits to be killed."""
    argv = [sys.executable, "-m", "tests.docker.adopter", shop.name]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def test_all_is_as_it_was_when_its_owner_is_killed(shop: Shop, engine_here: Engine) -> None:
    before = states(shop)
    with held_by_another(shop) as process:
        assert shop.run("web", "true")[0] != 0, "it is paused"
        assert states(shop) != before
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert within(SECONDS, lambda: not ours(engine_here, f"{shop.name}-killed"))
    assert shop.curl() == HELLO, "it goes on"
    assert states(shop) == before


@pytest.mark.parametrize("how", ["restart", "recreate"])
def test_faults_follow_a_service_that_comes_again(shop: Shop, adopted: AdoptedLab, how: str) -> None:
    """The agent comes in the new network namespace, and the fault with it."""
    with adopted.redis.faults.apply(drop(peer="app", port=6379, proto="tcp")) as lease:
        assert shop.redis(1, seconds=1)[0] == TIMED_OUT
        old = shop.id("redis")
        if how == "restart":
            shop.compose("restart", "-t", "1", "redis")
        else:
            shop.compose("up", "-d", "--force-recreate", "--no-deps", "-t", "1", "redis")
            assert shop.id("redis") != old
        assert within(SECONDS, lambda: shop.redis(2, seconds=1) == PONG)
        assert within(SECONDS, lambda: shop.redis(1, seconds=1)[0] == TIMED_OUT)
        assert shop.redis(2) == PONG
        assert lease.in_force
    assert within(SECONDS, lambda: shop.redis(1) == PONG)


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def test_a_fault_follows_its_peer_to_another_address(shop: Shop, adopted: AdoptedLab) -> None:
    """The peer comes again while somebody else has its address."""
    with adopted.redis.faults.apply(drop(peer="app", port=6379, proto="tcp")) as lease:
        assert shop.redis(1, seconds=1)[0] == TIMED_OUT
        old, client = adopted.app.address, shop.id("app")
        docker("stop", "-t", "0", client)
        image = docker("inspect", "-f", "{{.Config.Image}}", client)
        network = f"{shop.name}_default"
        other = docker(
            "run", "-d", "--rm", "--init", "--network", network, "--ip", old, image, "sleep", "600"
        )
        try:
            docker("start", client)
            assert within(SECONDS, lambda: adopted.app.address != old)
            assert within(SECONDS, lambda: shop.redis(1, seconds=1)[0] == TIMED_OUT)
            assert shop.redis(2) == PONG
            assert lease.in_force
        finally:
            docker("rm", "-f", other)
    assert within(SECONDS, lambda: shop.redis(1) == PONG)


def buckets(shop: Shop) -> list[str]:
    """The token buckets in the network of redis; each making of one has another handle."""
    return [line for line in shop.network_state("redis").splitlines() if line.startswith("qdisc tbf")]


def test_an_agent_that_is_killed_comes_again(shop: Shop, adopted: AdoptedLab, engine_here: Engine) -> None:
    """What it had done with tc outlives it; the next one clears it away, and has the fault again."""
    before = shop.network_state("redis")
    with adopted.redis.faults.apply(throttle(1_000_000)):
        (old,) = buckets(shop)
        (agent,) = [each for each in ours(engine_here, shop.name) if "redis-agent" in each["Names"][0]]
        subprocess.run(["docker", "kill", "-s", "KILL", agent["Id"]], check=True, capture_output=True)
        assert within(SECONDS, lambda: buckets(shop) not in ([], [old]))
        assert len(buckets(shop)) == 1, "the old one is gone"
    assert buckets(shop) == []
    adopted.close()
    assert shop.network_state("redis") == before


def test_a_paused_service_goes_on_after_detach(shop: Shop) -> None:
    with adopt(shop.name, f"{shop.name}-paused") as lab:
        lab.web.faults.apply(pause())
        assert shop.curl(seconds=1)[0] == CURL_TIMED_OUT
    assert shop.curl() == HELLO


def test_what_makes_no_sense_is_refused(shop: Shop, adopted: AdoptedLab) -> None:
    with pytest.raises(HostError, match="fault add web link"):
        adopted.web.link_down()
    with pytest.raises(HostError, match="nothing to reconnect"):
        adopted.web.reconnect()
    with pytest.raises(SpecError, match="Expected one of: app, redis, web"):
        adopt(shop.name, "shop-3", ["redi"]).open()
    with pytest.raises(SpecError, match="docker compose ls"):
        adopt("no-such-project", "shop-3").open()
    assert shop.curl() == HELLO


def test_disconnected_it_comes_back_with_its_address(shop: Shop, adopted: AdoptedLab) -> None:
    address = adopted.web.address
    with adopted.web.disconnected():
        assert shop.curl(seconds=1)[0] != 0
    assert shop.curl() == HELLO
    assert adopted.web.address == address


def test_by_commands(shop: Shop, tmp_path: Path) -> None:
    """attach, status, exec, fault, detach, as a user would."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "LANG": "C.UTF-8", "LC_ALL": ""}

    def socketlab(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "socketlab", *words],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    attached = socketlab("attach", "--project", shop.name, "--name", "demo", "--for", "5m", "--json")
    assert attached.returncode == 0, attached.stderr
    try:
        hosts = [host["name"] for host in json.loads(attached.stdout)["hosts"]]
        assert hosts == ["app", "app-2", "redis", "web"]
        twice = socketlab("attach", "--project", shop.name, "--name", "demo")
        assert twice.returncode == 2, "one holder has that name already"
        status = json.loads(socketlab("status", "--json").stdout)["labs"][0]
        assert {host["state"] for host in status["hosts"]} == {"running"}
        assert socketlab("exec", "app", "id", "-u").stdout == "10001\n"
        added = socketlab("fault", "add", "redis", "drop", "--peer", "app", "--port", "6379", "--for", "60s")
        assert added.returncode == 0, added.stderr
        assert shop.redis(1, seconds=1)[0] == TIMED_OUT, "it outlives the command"
        assert shop.redis(2) == PONG
        assert socketlab("fault", "heal", "--all").returncode == 0
        assert shop.redis(1) == PONG
    finally:
        detached = socketlab("detach", "demo")
    assert detached.returncode == 0, detached.stderr
