"""What the doctor makes of what it saw."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from socketlab.doctor.report import as_plain, as_text
from socketlab.doctor.seen import Engine, Seen, Trace, Tried
from socketlab.doctor.verdicts import APPARMOR, CLONE, MOST, Finding, judge, usable

WORKS = Tried(works=True)
TRIES = (
    *("users", "loopback", "bridge", "ipv6", "owner", "queue", "queue-compat"),
    *("reject", "reject6", "capture", "raw", "netem"),
)
DOCKER = Engine(usable=True, kind="Docker", version="27.1", where="unix:///run/docker.sock", compose="2.29")
AWAY = Engine(usable=False, why="no docker here: get it")
FINE = Seen(
    system="Linux",
    release="6.1",
    python="3.13.1",
    engine=DOCKER,
    kernel=dict.fromkeys(TRIES, WORKS),
    hosts=Tried(works=True, seen="80 ms"),
    trace="works",
)


def refused(errno: str = "EPERM") -> Tried:
    return Tried(works=False, errno=errno, seen=f"the kernel said {errno}")


def lacking(**tries: Tried) -> Seen:
    """A machine on which all works but these."""
    named = {name.replace("_", "-"): tried for name, tried in tries.items()}
    return replace(FINE, kernel={**FINE.kernel, **named})


def by_name(seen: Seen) -> dict[str, Finding]:
    findings = judge(seen)
    found = {finding.name: finding for finding in findings}
    assert len(found) == len(findings), "a name stands for one thing"
    return found


def states(seen: Seen) -> dict[str, str]:
    return {finding.name: finding.state for finding in judge(seen)}


def test_where_all_works_nothing_is_advised() -> None:
    assert set(states(FINE).values()) == {"works"}
    assert [finding.advice for finding in judge(FINE)] == [""] * len(judge(FINE))
    assert usable(FINE) == ["docker", "namespace"]


def test_what_does_not_work_has_its_advice_unless_it_is_advice_by_itself() -> None:
    broken = replace(
        FINE,
        engine=AWAY,
        kernel=dict.fromkeys(TRIES, refused()),
        hosts=Tried(works=False, seen="no bridge"),
        trace="absent",
    )
    assert usable(broken) == []
    for finding in judge(broken):
        assert finding.state == "works" or finding.advice, finding.name


def test_an_engine_that_is_away_is_not_needed_where_namespaces_are() -> None:
    seen = replace(FINE, engine=AWAY)
    assert by_name(seen)["engine"] == Finding(
        name="engine", group="engine", state="spare", advice="no docker here: get it"
    )
    assert {"images", "compose"} & set(by_name(seen)) == set()
    assert usable(seen) == ["namespace"]
    alone = replace(seen, hosts=Tried(works=False, seen="no"))
    assert by_name(alone)["engine"].state == "missing"


def test_an_engine_without_our_images_answers_and_is_no_backend_yet() -> None:
    seen = replace(FINE, engine=replace(DOCKER, usable=False, lacks_images=True, why="run ./scripts/up"))
    assert by_name(seen)["engine"].state == "works"
    assert by_name(seen)["images"] == Finding(
        name="images", group="engine", state="missing", advice="run ./scripts/up"
    )
    assert usable(seen) == ["namespace"]


def test_compose_is_missed_only_where_an_engine_answers() -> None:
    assert by_name(replace(FINE, engine=replace(DOCKER, compose=None)))["compose"].state == "missing"


@pytest.mark.parametrize(
    ("sysctls", "says"),
    [
        ({APPARMOR: "1", MOST: "90000"}, f"sysctl -w {APPARMOR}=0"),
        ({MOST: "0"}, f"sysctl -w {MOST}=15000"),
        ({CLONE: "0"}, f"sysctl -w {CLONE}=1"),
        ({APPARMOR: "0", MOST: "90000", CLONE: "1"}, "seccomp"),
    ],
)
@pytest.mark.parametrize("what", ["users", "bridge"])
def test_who_forbids_user_namespaces_is_named(what: str, sysctls: Mapping[str, str], says: str) -> None:
    # Ubuntu's AppArmor lets unshare succeed, and only then forbids the bridge.
    seen = replace(lacking(**{what: refused()}), sysctls=sysctls)
    assert says in by_name(seen)[what].advice
    assert by_name(seen)[what].state == "missing"


def test_root_does_without_user_namespaces() -> None:
    seen = lacking(users=refused(), root=WORKS)
    assert states(seen)["users"] == "spare"
    assert usable(seen) == ["docker", "namespace"]


def test_a_bridge_without_its_module_names_it() -> None:
    assert "modprobe bridge veth" in by_name(lacking(bridge=refused("EOPNOTSUPP")))["bridge"].advice
    assert "namespace" not in usable(lacking(bridge=refused("EOPNOTSUPP")))


def test_namespaces_are_no_backend_before_a_lab_was_made_of_them() -> None:
    assert usable(replace(FINE, hosts=Tried(works=False, seen="no names"))) == ["docker"]


def test_one_way_to_queue_is_enough() -> None:
    assert states(lacking(queue=refused("ENOENT")))["queue"] == "spare"
    assert states(lacking(queue_compat=refused("ENOENT")))["queue-compat"] == "spare"
    neither = lacking(queue=refused("ENOENT"), queue_compat=refused("ENOENT"))
    assert (states(neither)["queue"], states(neither)["queue-compat"]) == ("missing", "missing")
    assert "modprobe" in by_name(neither)["queue"].advice


def test_netem_is_never_missed() -> None:
    assert states(lacking(netem=refused("ENOENT")))["netem"] == "spare"


@pytest.mark.parametrize("trace", ["absent", "refused"])
def test_tracing_says_what_it_lacks(trace: Trace) -> None:
    finding = by_name(replace(FINE, trace=trace))["strace"]
    assert finding.state == "missing"
    assert finding.advice


def test_elsewhere_than_on_linux_an_engine_is_the_way() -> None:
    mac = Seen(
        system="Darwin",
        release="24",
        python="3.13",
        engine=replace(DOCKER, kind="Docker Desktop"),
        hosts=Tried(works=False),
        trace="absent",
    )
    assert states(mac) == {
        "engine": "works",
        "images": "works",
        "compose": "works",
        "users": "spare",
        "python": "works",
    }
    assert usable(mac) == ["docker"]


def test_tries_that_could_not_be_made_are_told() -> None:
    seen = replace(FINE, kernel={}, kernel_why="no answer within 2.5 s")
    assert by_name(seen)["users"].seen == "no answer within 2.5 s"
    assert usable(seen) == ["docker"]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_finding_has_its_line_within_the_width(width: int) -> None:
    seen = replace(lacking(bridge=refused(), queue=refused("ENOENT")), sysctls={APPARMOR: "1"})
    findings = judge(seen)
    lines = list(as_text(findings, usable(seen), width))
    assert sum(line[:4] in {" ok ", " NO ", " -- "} for line in lines) == len(findings)
    assert max(len(line) for line in lines if "unix://" not in line) <= max(width, 90)


def test_for_programs_it_is_plain_data() -> None:
    plain = as_plain(judge(FINE), usable(FINE))
    assert plain["usable"] == ["docker", "namespace"]
    assert plain["findings"][0] == {
        "name": "engine",
        "group": "engine",
        "state": "works",
        "seen": "Docker 27.1 (unix:///run/docker.sock)",
        "advice": "",
    }
