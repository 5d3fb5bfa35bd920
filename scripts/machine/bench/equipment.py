"""What the benchmark brings along: the compiled C programs, and uvloop."""

import hashlib
import os
import shutil
import tomllib
from pathlib import Path
from typing import Final

from scripts.machine import ROOT
from scripts.machine.environment import PROJECT, PYTHON
from scripts.machine.errors import CommandError, LackingError
from scripts.machine.process import ask, run
from scripts.machine.steps import Step

SOURCES: Final = tuple(ROOT / "benchmarks" / f"{name}.c" for name in ("echo_server", "load"))
COMPILERS: Final = ("cc", "gcc", "clang")
FLAGS: Final = ("-O2",)
GROUP: Final = "bench"
"""The dependency group of pyproject.toml that the peers need."""
INSTALL_DEADLINE: Final = 180.0
_VERSION_OF: Final = "from importlib.metadata import version; print(version('uvloop'))"


def compiler() -> str:
    """The path of a C compiler.

    Raises:
        LackingError: there is none.
    """
    for name in COMPILERS:
        if found := shutil.which(name):
            return found
    raise LackingError("machine.bench-no-compiler", names=", ".join(COMPILERS))


def compiled(cc: str) -> Path:
    """The folder of the compiled C programs; compiled where they are not yet, or the sources have changed.

    Args:
        cc: the compiler.

    Raises:
        CommandError: it failed.
    """
    folder = cache_folder() / _recipe(cc)
    for source in SOURCES:
        program = folder / source.stem
        if not program.exists():
            folder.mkdir(parents=True, exist_ok=True)
            # Under a name of our own until it is whole: another run may be compiling, too.
            fresh = folder / f"{source.stem}.{os.getpid()}"
            run([cc, *FLAGS, "-o", str(fresh), str(source)])
            fresh.rename(program)
    return folder


def _recipe(cc: str) -> str:
    """A digest of what the programs are made of."""
    made_of = [cc, compiler_version(cc), *FLAGS, *(source.read_text(encoding="utf-8") for source in SOURCES)]
    return hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]


def compiler_version(cc: str) -> str:
    """What the compiler calls itself."""
    return run([cc, "--version"]).partition("\n")[0]


def cache_folder() -> Path:
    """Where compiled programs are kept (XDG Base Directory)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "socketlab" / "bench"


def uvloop(step: Step) -> str | None:
    """The version of uvloop in the `.venv`; installed where it is missing. None: it cannot be had here.

    Args:
        step: its line tells what takes long.
    """
    if (version := _uvloop_version()) is None:
        step.doing("install")
        install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        try:
            run([*install, *requirements()])
        except CommandError:  # no registry in reach, or no wheel for this Python: the others are measured
            return None
        version = _uvloop_version()
    return version


def _uvloop_version() -> str | None:
    answer = ask([str(PYTHON), "-c", _VERSION_OF])
    return answer.out.strip() if answer.status == 0 else None


def requirements() -> list[str]:
    """What the peers need, as pyproject.toml has it: pip takes groups by itself only since 25.1."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    group: list[str] = project["dependency-groups"][GROUP]
    return group
