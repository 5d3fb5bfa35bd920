"""The tries of `services.doctor`, made for real, and told from what stands in their way."""

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.doctor import filters, links
from services.doctor.program import TRIES
from services.doctor.scratch import enter
from services.netlink import nftables
from services.netlink.errors import NetlinkError

# A worker of pytest-xdist has a thread that waits for its controller; the child makes no use of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
ROOT = Path(__file__).parents[3]
SECONDS = 30.0


def in_scratch(work: Callable[[], None]) -> str:
    """Do it in a scratch namespace with its loopback up; `done`, or the name of the errno that it raised."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = "unexpected"
        try:
            enter(user=True)
            links.raise_loopback()
            work()
            said = "done"
        except NetlinkError as error:
            said = errno.errorcode[error.errno]
        except OSError as error:
            said = "ETIMEDOUT" if isinstance(error, TimeoutError) else errno.errorcode[error.errno or 0]
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        told = stream.read()
    os.waitpid(child, 0)
    return told


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    """Skip, with the reason, where there are no user namespaces."""
    if (said := in_scratch(lambda: None)) != "done":
        pytest.skip(f"user namespaces cannot be made here: {said}")


def links_of_the_machine() -> set[str]:
    """But those of an engine, which makes and removes them meanwhile for other tests."""
    names = {link.name for link in Path("/sys/class/net").iterdir()}
    return {name for name in names if not re.fullmatch(r"veth[0-9a-f]{7}|br-[0-9a-f]{12}", name)}


def test_each_try_is_told_and_nothing_is_left() -> None:
    before = links_of_the_machine()
    done = subprocess.run(
        [sys.executable, "-m", "services.doctor"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    told = {line["probe"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert set(TRIES) <= set(told)
    assert told["users"] == {"probe": "users", "works": True}
    for line in told.values():
        assert line["works"] or line["errno"], line
    # What every lab needs works on any machine that runs these tests in namespaces at all.
    assert [told[name]["works"] for name in ("bridge", "owner", "capture", "raw")] == [True] * 4
    assert links_of_the_machine() == before


def test_a_second_owner_of_the_table_is_refused() -> None:
    def two_owners() -> None:
        with filters.owned_table():
            filters.owner()

    assert in_scratch(filters.owner) == "done"
    assert in_scratch(two_owners) in {"EEXIST", "EPERM"}


def test_a_queue_that_gets_nothing_is_not_taken_for_one_that_works() -> None:
    def never_queued() -> None:
        filters.queued(nftables.accept())

    assert in_scratch(never_queued) == "ETIMEDOUT"


@pytest.mark.parametrize("family", [filters.IPV4, filters.IPV6], ids=["ipv4", "ipv6"])
def test_a_reject_that_does_not_bite_is_not_taken_for_one_that_works(
    family: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nftables, "reject", lambda _kind, _code: nftables.drop())
    assert in_scratch(lambda: filters.refused(family)) == "ETIMEDOUT"


def test_without_the_loopback_nothing_is_said_to_work() -> None:
    def down() -> None:
        # A namespace of its own again, whose loopback nobody has set up.
        enter(user=False)
        links.capture()

    assert in_scratch(down) in {"ENETUNREACH", "ETIMEDOUT", "ENETDOWN"}


def test_a_qdisc_that_there_is_not_is_told() -> None:
    assert in_scratch(lambda: links.netem("no-such")) == "ENOENT"
