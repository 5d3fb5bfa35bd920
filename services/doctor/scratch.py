"""Into a scratch namespace, for the rest of this process's life."""

import ctypes
import os
from pathlib import Path

_NEWNS = 0x00020000
_NEWUSER = 0x10000000
_NEWNET = 0x40000000
"""CLONE_* of <linux/sched.h>; the module os has them from Python 3.12 on."""

NOBODY = 65534
"""The user that stands for whoever is not root (Linux's overflow uid, and Debian's nobody)."""


def enter(*, user: bool) -> None:
    """Leave the machine's network, and with `user` its users too: this process is root in its own.

    Raises:
        OSError: the machine forbids it.
    """
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    flags = _NEWNS | _NEWNET | (_NEWUSER if user else 0)
    if libc.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if user:
        # An ordinary user may map the own ids only, and the gid not before setgroups is given up.
        for name, line in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            Path("/proc/self", name).write_text(line)


def become_ordinary() -> None:
    """Give root up for good."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    # A process that changed its user is not dumpable: its own /proc files would belong to root.
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE
