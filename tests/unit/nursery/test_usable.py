"""Why namespaces are not to be had, in words that say what to do."""

from errno import EINVAL, ENOSPC, EOPNOTSUPP, EPERM

import pytest

from services.nursery.usable import facts, verdict
from socketlab.errors import BackendError


@pytest.mark.parametrize(
    ("step", "errno", "seen", "code", "words"),
    [
        ("users", EPERM, {"apparmor": "1"}, "apparmor", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("namespaces", EPERM, {"apparmor": "1"}, "apparmor", "AppArmor"),
        ("users", ENOSPC, {"most": "0"}, "max-user-namespaces", "user.max_user_namespaces=10000"),
        ("users", EPERM, {"clone": "0"}, "unprivileged-userns-clone", "kernel.unprivileged_userns_clone=1"),
        ("users", EPERM, {"seccomp": "2"}, "seccomp", "--security-opt"),
        ("bridge", EOPNOTSUPP, {"apparmor": "0"}, "no-bridge", "modprobe bridge"),
        ("veth", EOPNOTSUPP, {}, "no-veth", "modprobe veth"),
        ("users", EINVAL, {}, "no-namespaces", "CONFIG_USER_NS"),
        ("users", ENOSPC, {"most": "9"}, "too-many", "user.max_net_namespaces"),
        ("mounts", EPERM, {"seccomp": "0"}, "refused", "docker"),
        ("mounts", EINVAL, {"apparmor": "1"}, "refused", "docker"),
    ],
)
def test_the_cause_is_named(step: str, errno: int, seen: dict[str, str], code: str, words: str) -> None:
    error = verdict(step, errno, "why it is so", seen)
    assert error.code == f"namespace.{code}"
    said = str(BackendError(error.code, **error.details))
    assert words in said
    assert "why it is so" in said


def test_the_machine_is_asked() -> None:
    assert facts()["seccomp"] in {"0", "1", "2"}
