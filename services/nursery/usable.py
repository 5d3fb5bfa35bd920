"""Why namespaces are not to be had here: from the step that failed and what the machine says."""

from collections.abc import Mapping
from errno import EACCES, EINVAL, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM
from pathlib import Path

from services.nursery.errors import UnusableError

_SYSCTLS = {
    "apparmor": Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
    "clone": Path("/proc/sys/kernel/unprivileged_userns_clone"),
    "most": Path("/proc/sys/user/max_user_namespaces"),
}


def facts() -> dict[str, str]:
    """What the machine says of itself, by name; what it has no word for is left out."""
    found = {}
    for name, path in _SYSCTLS.items():
        try:
            found[name] = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return found
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {**found, "seccomp": fields.get("Seccomp", "0").strip()}


def verdict(step: str, errno: int, why: str, seen: Mapping[str, str]) -> UnusableError:
    """What stands in the way.

    Args:
        step: what was tried: `users`, `namespaces`, `mounts`, `bridge` or `veth`.
        errno: what the kernel answered.
        why: its words.
        seen: `facts()`.
    """
    namespaces, links = step in {"users", "namespaces"}, step in {"bridge", "veth"}
    refused = errno in {EPERM, EACCES}
    causes = {
        "max-user-namespaces": seen.get("most") == "0",
        "unprivileged-userns-clone": seen.get("clone") == "0" and refused,
        "apparmor": seen.get("apparmor", "0") != "0" and refused,
        "seccomp": seen.get("seccomp") == "2" and refused,
        f"no-{step}": links and errno in {EOPNOTSUPP, EINVAL},
        "no-namespaces": namespaces and errno in {EINVAL, ENOSYS},
        "too-many": namespaces and errno == ENOSPC,
    }
    cause = next((name for name, is_so in causes.items() if is_so), "refused")
    return UnusableError(f"namespace.{cause}", step=step, why=why, value=seen.get("apparmor", ""))
