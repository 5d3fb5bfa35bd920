"""What was seen when each thing was tried: data, not yet judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Trace: TypeAlias = Literal["works", "absent", "refused"]


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one try.

    Args:
        works: whether it did.
        errno: name of the errno, where the kernel gave one.
        seen: in words.
    """

    works: bool
    errno: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The container engine.

    Args:
        usable: whether labs can be made there.
        kind: `Docker`, `Docker Desktop`, `Docker, rootless` or `Podman`; empty: it did not answer.
        version: of it.
        where: its address.
        why: the sentence that says why it is not usable, and what to do; empty: it is.
        lacks_images: whether that is because the lab's images are not there.
        compose: version of the Compose plugin; None: there is none of version 2 or later.
    """

    usable: bool
    kind: str = ""
    version: str = ""
    where: str = ""
    why: str = ""
    lacks_images: bool = False
    compose: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that was tried on a machine.

    Args:
        system: the kernel's name, as `platform.system()` has it.
        release: the kernel's release.
        python: version of the interpreter.
        engine: the container engine.
        kernel: each try of `services.doctor`, by its name; empty: they could not be made.
        kernel_why: why they could not.
        sysctls: those that forbid user namespaces, where there are such; by name.
        hosts: a lab of two hosts on namespaces: that names resolve there. `seen` says how long it took.
        trace: whether strace shows a program's calls.
        trace_seen: what it said instead.
    """

    system: str
    release: str
    python: str
    engine: Engine
    kernel: Mapping[str, Tried] = field(default_factory=dict)
    kernel_why: str = ""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    hosts: Tried
    trace: Trace
    trace_seen: str = ""
