"""System calls that Python 3.11 has no function for (unshare(2), setns(2), mount(2), prctl(2), capset(2))."""

import ctypes
import os
import struct

NEW_MOUNTS = 0x00020000
NEW_HOSTNAME = 0x04000000
NEW_IPC = 0x08000000
NEW_USERS = 0x10000000
NEW_PIDS = 0x20000000
NEW_NETWORK = 0x40000000

MS_READ_ONLY, MS_NO_SETUID, MS_NO_DEVICES, MS_NO_EXEC = 0x1, 0x2, 0x4, 0x8
MS_REMOUNT, MS_BIND, MS_RECURSIVE, MS_PRIVATE = 0x20, 0x1000, 0x4000, 0x40000

ATTR_READ_ONLY, ATTR_NO_SETUID = 0x1, 0x2

NET_BIND_SERVICE, NET_ADMIN, NET_RAW = 10, 12, 13

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_SETATTR = 442
"""The same number on every architecture (since Linux 5.12)."""

_PDEATHSIG, _SET_DUMPABLE, _CAPBSET_DROP, _SET_SECUREBITS = 1, 4, 24, 28
_SET_NO_NEW_PRIVS, _SET_THP_DISABLE, _CAP_AMBIENT, _AMBIENT_CLEAR_ALL = 38, 41, 47, 4
_SECURE_ALL_LOCKED = 0b11101111
"""NOROOT, NO_SETUID_FIXUP, KEEP_CAPS off but locked, NO_CAP_AMBIENT_RAISE, each with its lock."""
_CAP_VERSION = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces of these kinds for new ones.

    Raises:
        OSError: the kernel refuses.
    """
    _checked(_libc.unshare(flags), "unshare")


def set_namespace(descriptor: int, kind: int) -> None:
    """Enter a namespace.

    Raises:
        OSError: the kernel refuses.
    """
    _checked(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Make a mount, bind one, or change one.

    Raises:
        OSError: the kernel refuses.
    """
    arguments = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _checked(_libc.mount(*arguments), f"mount {target}")


def set_mount_attributes(target: str, *, add: int = 0, remove: int = 0) -> None:
    """Change the attributes of a mount and of all below it (mount_setattr(2)).

    Raises:
        OSError: ENOSYS before Linux 5.12; or the kernel refuses.
    """
    attributes = struct.pack("=QQQQ", add, remove, 0, 0)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    arguments = (_MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE, buffer, ctypes.c_size_t(32))
    _checked(_libc.syscall(*arguments), f"mount_setattr {target}")


def _prctl(option: int, *arguments: int) -> int:
    words = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(_libc.prctl(option, *(ctypes.c_ulong(word) for word in words)), "prctl")


def die_with_parent(signal_number: int) -> None:
    """Get a signal when the parent's thread ends."""
    _prctl(_PDEATHSIG, signal_number)


def no_huge_pages() -> None:
    """Let this process and its children have small pages only: a fork copies what it writes to, no more."""
    _prctl(_SET_THP_DISABLE, 1)


def limit_capabilities(kept: frozenset[int] = frozenset()) -> None:
    """Give up all capabilities but some, for good: nothing that is executed later gets any others.

    Who keeps some and is root hands them on to what it executes (an agent's iptables); who keeps none hands
    on nothing, root or not. Who is not root any more afterwards calls `no_new_privileges` then.
    """
    for capability in range(64):
        if capability in kept:
            continue
        if _libc.prctl(_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break  # the kernel has no more of them
    if not kept:
        _prctl(_SET_SECUREBITS, _SECURE_ALL_LOCKED)
    _prctl(_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)


def set_capabilities(kept: frozenset[int] = frozenset()) -> None:
    """Make these the permitted and effective capabilities; none are inheritable."""
    mask = sum(1 << capability for capability in kept)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", _CAP_VERSION, 0)
    data = struct.pack("=IIIIII", low, low, 0, high, high, 0)
    _checked(_libc.capset(header, data), "capset")


def no_new_privileges() -> None:
    """Let no program that is executed have more than this one."""
    _prctl(_SET_NO_NEW_PRIVS, 1)


def be_dumpable() -> None:
    """Let this process's /proc belong to its user: a change of user takes that away."""
    _prctl(_SET_DUMPABLE, 1)
