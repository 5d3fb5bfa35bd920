"""What was seen, judged: what works, what does not, and what to do about it. No I/O.

A thing that does not work and that nothing needs, since another does its work, is `spare`: the kernel's
native queue where the one of xtables is there, the emulator of tc. Only `missing` calls for doing something.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from socketlab.doctor.seen import Engine, Seen, Tried
from socketlab.messages import say

State: TypeAlias = Literal["works", "missing", "spare"]
Backend: TypeAlias = Literal["docker", "namespace"]

APPARMOR: Final = "kernel.apparmor_restrict_unprivileged_userns"
MOST: Final = "user.max_user_namespaces"
CLONE: Final = "kernel.unprivileged_userns_clone"
FORBIDDING: Final = {APPARMOR: "1", MOST: "0", CLONE: "0"}
"""Settings that forbid user namespaces, each with the value that does."""
_PERMITTING: Final = {APPARMOR: "0", MOST: "15000", CLONE: "1"}

_MODULES: Final = {
    "bridge": "bridge veth",
    "owner": "nf_tables",
    "queue": "nfnetlink_queue nft_queue",
    "queue-compat": "nfnetlink_queue nft_compat xt_NFQUEUE",
    "reject": "nft_reject_inet",
    "reject6": "nft_reject_inet",
    "capture": "af_packet",
}
"""Kernel modules that bring a thing, where the kernel has them as modules."""
_NOT_TRIED: Final = Tried(works=False)
_FAULTS: Final = ("owner", "queue", "queue-compat", "reject", "reject6", "netem")
_STAND_INS: Final = {"queue": "queue-compat", "queue-compat": "queue"}
_WATCHING: Final = ("capture", "raw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a lab may need.

    Args:
        name: key of its name under `doctor.name`, and part of the interface of `--json`.
        group: key of the heading under which it stands.
        state: how it is.
        seen: what was seen, in words; may be empty.
        advice: what to do; empty: nothing.
    """

    name: str
    group: str
    state: State
    seen: str = ""
    advice: str = ""


def judge(seen: Seen) -> list[Finding]:
    """A finding for each thing, in the order in which they are shown."""
    return [*_engine(seen), *_namespaces(seen), *_faults(seen), *_watching(seen)]


def usable(seen: Seen) -> list[Backend]:
    """The backends on which a lab can be made here, once images are built."""
    found: list[Backend] = ["docker"] if seen.engine.usable else []
    return [*found, "namespace"] if _has_namespaces(seen) else found


def _has_namespaces(seen: Seen) -> bool:
    return seen.kernel.get("bridge", _NOT_TRIED).works and seen.hosts.works


def _finding(name: str, group: str, *, works: bool, seen: str = "", advice: str = "") -> Finding:
    if works:
        return Finding(name=name, group=group, state="works", seen=seen)
    return Finding(name=name, group=group, state="missing", seen=seen, advice=advice)


def _engine(seen: Seen) -> Iterator[Finding]:
    engine = seen.engine
    if not engine.usable and not engine.lacks_images:
        state: State = "spare" if _has_namespaces(seen) else "missing"
        yield Finding(name="engine", group="engine", state=state, seen=_version(engine), advice=engine.why)
        return
    yield _finding("engine", "engine", works=True, seen=_version(engine))
    yield _finding("images", "engine", works=not engine.lacks_images, advice=engine.why)
    yield _finding(
        "compose",
        "engine",
        works=engine.compose is not None,
        seen=engine.compose or "",
        advice=say("doctor.advice.compose"),
    )


def _version(engine: Engine) -> str:
    where = f"({engine.where})" if engine.where else ""
    return " ".join(word for word in (engine.kind, engine.version, where) if word)


def _namespaces(seen: Seen) -> Iterator[Finding]:
    if seen.system != "Linux":
        yield Finding(
            name="users",
            group="namespaces",
            state="spare" if seen.engine.usable else "missing",
            seen=seen.system,
            advice=say("doctor.advice.linux"),
        )
        return
    if not seen.kernel:
        advice = say("doctor.advice.report")
        yield _finding("users", "namespaces", works=False, seen=seen.kernel_why, advice=advice)
        return
    users = seen.kernel.get("users", _NOT_TRIED)
    by_root = seen.kernel.get("root", _NOT_TRIED).works
    yield Finding(
        name="users",
        group="namespaces",
        state="works" if users.works else "spare" if by_root else "missing",
        seen=_words(users),
        advice="" if users.works else say("doctor.advice.by-root") if by_root else _permit(seen),
    )
    if "ordinary" in seen.kernel:
        ordinary = seen.kernel["ordinary"]
        state: State = "works" if ordinary.works else "spare"
        advice = "" if ordinary.works else _permit(seen)
        yield Finding(name="ordinary", group="namespaces", state=state, seen=_words(ordinary), advice=advice)
    if not (users.works or by_root):
        return
    bridge = seen.kernel.get("bridge", _NOT_TRIED)
    advice = _permit(seen) if bridge.errno in {"EPERM", "EACCES"} else _load("bridge")
    yield _finding("bridge", "namespaces", works=bridge.works, seen=_words(bridge), advice=advice)
    ipv6 = seen.kernel.get("ipv6", _NOT_TRIED)
    yield _finding(
        "ipv6", "namespaces", works=ipv6.works, seen=_words(ipv6), advice=say("doctor.advice.ipv6")
    )
    yield _finding(
        "hosts",
        "namespaces",
        works=seen.hosts.works,
        seen=seen.hosts.seen,
        advice="" if bridge.works else say("doctor.advice.first", name=say("doctor.name.bridge")),
    )


def _faults(seen: Seen) -> Iterator[Finding]:
    """In an engine's containers the same kernel filters, so what is seen here holds there, too."""
    for name in _FAULTS:
        if name not in seen.kernel:
            continue
        tried = seen.kernel[name]
        state: State = "works" if tried.works else "missing"
        advice = ""
        if not tried.works:
            other = _STAND_INS.get(name, "")
            if seen.kernel.get(other, _NOT_TRIED).works:
                state, advice = "spare", say("doctor.advice.other", name=say(f"doctor.name.{other}"))
            elif name == "netem":
                state, advice = "spare", say("doctor.advice.netem")
            else:
                advice = say("doctor.advice.owner") if name == "owner" else _load(name)
        yield Finding(name=name, group="faults", state=state, seen=_words(tried), advice=advice)


def _watching(seen: Seen) -> Iterator[Finding]:
    for name in _WATCHING:
        if name in seen.kernel:
            tried = seen.kernel[name]
            # What the kernel has and forbids all the same, a module does not bring.
            has_it = name not in _MODULES or tried.errno in {"EPERM", "EACCES"}
            advice = say("doctor.advice.confined") if has_it else _load(name)
            yield _finding(name, "watching", works=tried.works, seen=_words(tried), advice=advice)
    if seen.system == "Linux":
        advice = say(f"doctor.advice.strace-{seen.trace}") if seen.trace != "works" else ""
        yield _finding("strace", "watching", works=seen.trace == "works", seen=seen.trace_seen, advice=advice)
    yield _finding("python", "watching", works=True, seen=seen.python)


def _words(tried: Tried) -> str:
    return "" if tried.works else tried.seen or tried.errno


def _load(name: str) -> str:
    return say("doctor.advice.module", modules=_MODULES[name])


def _permit(seen: Seen) -> str:
    """How to have user namespaces permitted: the setting that forbids them, where one is known to."""
    for name, value in FORBIDDING.items():
        if seen.sysctls.get(name) == value:
            return say("doctor.advice.sysctl", name=name, seen=value, wanted=_PERMITTING[name])
    return say("doctor.advice.confined")
