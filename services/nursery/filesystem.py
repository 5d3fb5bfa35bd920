"""What the hosts' programs see of the machine's files: all of it, read only, but for what would lead out.

Theory of operation
    Pathname sockets cross network namespaces: a resolver's in /run/systemd/resolve, nscd's in /run/nscd,
    D-Bus, Docker. So the nursery covers /run and /tmp, once for all hosts, makes /etc a folder of links into
    the machine's own, and sets everything that was there before read only. A host, in a mount namespace of
    its own, then needs few mounts more: one tmpfs on /run/host, which holds its four files of /etc, its /tmp,
    its /dev/shm and its agent's run directory.

    The interpreter and our own code may lie where the hosts' user cannot come (/root is 0700) or where
    the cover is (/tmp): then they are bound into /run/socketlab, and the environment says so.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.nursery import kernel
from services.nursery.files import OWN

HOST_FOLDER = Path("/run/host")
AGENT_FOLDER = HOST_FOLDER / "agent"
_OURS = Path("/run/socketlab")
_COVERED = (Path("/run"), Path("/tmp"), Path("/dev/shm"))  # noqa: S108 - not a file of ours: it is covered
_STAGES = (Path("/dev/shm"), Path("/mnt"), Path("/media"), Path("/var/tmp"))  # noqa: S108 - covered at once
_NO_PROGRAMS = kernel.MS_NO_SETUID | kernel.MS_NO_DEVICES | kernel.MS_NO_EXEC
_ENTER = 0o005
"""Anybody may list a folder and pass through it."""
_SIZE = "size=256m"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT = ("LANG", "LANGUAGE", "TERM", "TZ", "SOCKETLAB_NURSERY", "SOCKETLAB_WITHOUT")


@dataclass(frozen=True, slots=True)
class Sources:
    """What of the machine every host needs.

    Args:
        interpreter: the prefix of a Python installation.
        code: folders with our own packages.
        packages: folders with those that servers on hosts import.
    """

    interpreter: Path
    code: tuple[Path, ...]
    packages: tuple[Path, ...]


def in_reach(path: Path) -> bool:
    """Whether any user comes to a folder, and still does when the hosts' covers are in place."""
    real = path.resolve()
    if any(real.is_relative_to(covered) for covered in _COVERED):
        return False
    return all(each.stat().st_mode & _ENTER == _ENTER for each in (real, *real.parents))


def cover(sources: Sources) -> tuple[dict[str, str], list[str]]:
    """Make this process's mount namespace what all hosts start from.

    Returns:
        The environment of programs on the hosts, and what is lacking on this machine.

    Raises:
        OSError: the kernel refuses a mount.
    """
    lacking = []
    kernel.mount("none", "/", "", kernel.MS_RECURSIVE | kernel.MS_PRIVATE)
    try:
        kernel.set_mount_attributes("/", add=kernel.ATTR_READ_ONLY | kernel.ATTR_NO_SETUID)
        kernel.set_mount_attributes("/proc", remove=kernel.ATTR_READ_ONLY)  # sysctls are set by it
    except OSError:
        lacking.append("read-only")
    if not _own_terminals():
        lacking.append("own-terminals")
    try:
        kernel.mount("proc", "/proc", "proc", _NO_PROGRAMS)
    except OSError:  # a masked /proc, in a container: that of the machine has to do
        lacking.append("own-proc")
    return _assemble(sources), lacking


def _own_terminals() -> bool:
    try:
        kernel.mount("devpts", "/dev/pts", "devpts", kernel.MS_NO_SETUID, "newinstance,ptmxmode=0666")
    except OSError:
        return False
    return True


def _bind(source: Path, target: Path) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    kernel.mount(str(source), str(target), "", kernel.MS_BIND | kernel.MS_RECURSIVE)
    return target


def _assemble(sources: Sources) -> dict[str, str]:
    """Bind what is needed below a tmpfs, then put that over /run: what lay there is in reach until then."""
    flags = kernel.MS_NO_SETUID | kernel.MS_NO_DEVICES
    before = {source: source.resolve() for source in (sources.interpreter, *sources.code, *sources.packages)}
    stage = next(
        place
        for place in _STAGES
        if place.is_dir() and not any(real.is_relative_to(place) for real in before.values())
    )
    kernel.mount("tmpfs", str(stage), "tmpfs", flags, f"mode=0755,{_SIZE}")
    ours = stage / _OURS.name
    places: dict[Path, Path] = {}
    for number, (source, real) in enumerate(before.items()):
        places[source] = real
        if not in_reach(real):
            _bind(real, ours / str(number))
            places[source] = _OURS / str(number)
    _bind(Path("/etc"), ours / "etc")
    (stage / HOST_FOLDER.name).mkdir()
    (stage / AGENT_FOLDER.name).symlink_to(AGENT_FOLDER)
    kernel.mount(str(stage), "/run", "", kernel.MS_BIND | kernel.MS_RECURSIVE)
    _make_etc()
    _relocate({str(source): str(place) for source, place in places.items() if source != place})
    return _environment(
        places[sources.interpreter], [places[each] for each in (*sources.code, *sources.packages)]
    )


def _relocate(places: dict[str, str]) -> None:
    """Let what is yet to be imported, in what is forked too, be found where any user comes to it."""

    def moved(path: str) -> str:
        for old, new in places.items():
            if path == old or path.startswith(f"{old}/"):
                return new + path[len(old) :]
        return path

    sys.path[:] = map(moved, sys.path)
    for module in list(sys.modules.values()):
        folders = getattr(module, "__path__", None)
        if isinstance(folders, list):
            folders[:] = map(moved, folders)
    sys.path_importer_cache.clear()


def _make_etc() -> None:
    """Links into the machine's /etc, which may itself change under them."""
    kernel.mount("tmpfs", "/etc", "tmpfs", kernel.MS_NO_SETUID | kernel.MS_NO_DEVICES, "mode=0755,size=4m")
    for machines in (_OURS / "etc").iterdir():
        if machines.name not in OWN:
            # A link that climbs out of /etc (os-release) leads to the same place from here, not from there.
            climbs = machines.is_symlink() and machines.readlink().parts[:1] == ("..",)
            Path("/etc", machines.name).symlink_to(machines.readlink() if climbs else machines)
    for name in OWN:
        Path("/etc", name).symlink_to(HOST_FOLDER / name)


def machines_sources() -> str:
    """The machine's `/etc/nsswitch.conf`; nothing where it has none."""
    with suppress(OSError):
        return (_OURS / "etc/nsswitch.conf").read_text(encoding="utf-8", errors="replace")
    return ""


def _environment(interpreter: Path, imports: Sequence[Path]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in os.environ if name in _KEPT or name.startswith("LC_")}
    environment = {
        **kept,
        "PATH": f"{interpreter}/bin:{_PATH}",
        "PYTHONPATH": ":".join(map(str, imports)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/tmp",  # noqa: S108 - the host's own
    }
    library = interpreter / "lib"
    if interpreter.is_relative_to(_OURS) and any(Path(sys.base_prefix, "lib").glob("libpython*.so*")):
        environment["LD_LIBRARY_PATH"] = str(library)
    return environment


def furnish(files: dict[str, str]) -> bool:
    """Make this process's mount namespace that of one host.

    Args:
        files: its own of /etc, by name.

    Returns:
        Whether it has a /proc of its own; needs a PID namespace of its own.

    Raises:
        OSError: the kernel refuses a mount.
    """
    flags = kernel.MS_NO_SETUID | kernel.MS_NO_DEVICES
    kernel.mount("tmpfs", str(HOST_FOLDER), "tmpfs", flags, f"mode=0755,{_SIZE}")
    for name, text in files.items():
        (HOST_FOLDER / name).write_text(text, encoding="utf-8")
    for name, target in (("tmp", "/tmp"), ("shm", "/dev/shm")):  # noqa: S108 - these are the host's own
        folder = HOST_FOLDER / name
        folder.mkdir()
        folder.chmod(0o1777)
        kernel.mount(str(folder), target, "", kernel.MS_BIND)
    AGENT_FOLDER.mkdir(mode=0o700)
    try:
        kernel.mount("proc", "/proc", "proc", _NO_PROGRAMS)
    except OSError:
        return False
    return True


def close_sysctls() -> None:
    """Set /proc/sys read only: a descriptor that was opened before still writes."""
    kernel.mount("/proc/sys", "/proc/sys", "", kernel.MS_BIND | kernel.MS_RECURSIVE)
    flags = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_READ_ONLY
    kernel.mount(
        "none", "/proc/sys", "", flags | kernel.MS_NO_SETUID | kernel.MS_NO_DEVICES | kernel.MS_NO_EXEC
    )
