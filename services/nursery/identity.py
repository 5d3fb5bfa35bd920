"""Who the programs of a lab are: the nursery in its user namespace, actors and agents in theirs.

Theory of operation
    In a user namespace the nursery is root over what it makes there, and on the machine no more than whoever
    started it. Where that was root with several users to give, an actor gets one of its own, 10001, and what
    it starts can touch nothing of the nursery's. With one user only (a plain user's map has one line of one),
    `setuid` has nowhere to go: the actor makes itself a user namespace inside, in which it is 10001 too.
    Either way it has no capability over the host, and no way to get one.
"""

import os
import socket
from pathlib import Path
from typing import Literal, TypeAlias

from services.nursery import kernel

Users: TypeAlias = Literal["mapped", "nested", "root"]

USER = 10001
"""Number of the unprivileged user on every host, in images and in namespaces."""


def has_user(id_map: str, number: int) -> bool:
    """Whether a user namespace with this map (user_namespaces(7)) has a user of that number."""
    lines = [[int(word) for word in line.split()] for line in id_map.splitlines()]
    return any(first <= number < first + count for first, _outside, count in lines)


def last_user(id_map: str) -> int:
    """The highest number in a user namespace with this map."""
    lines = [[int(word) for word in line.split()] for line in id_map.splitlines()]
    return max((first + count - 1 for first, _outside, count in lines), default=0)


def has_own_user() -> bool:
    """Whether we are root, with a user to give to programs on hosts."""
    maps = [Path(f"/proc/self/{kind}_map").read_text(encoding="ascii") for kind in ("uid", "gid")]
    return os.geteuid() == 0 and all(has_user(each, USER) for each in maps)


def enter_user_namespace() -> Users:
    """Become root of a new user namespace; the namespaces made from now on belong to it.

    Raises:
        OSError: the machine does not let us, by `unshare` or by the map.
    """
    user, group = os.geteuid(), os.getegid()
    if has_own_user():
        if _enter_with_helper(user, group):
            return "mapped"
    else:
        kernel.unshare(kernel.NEW_USERS)
    write_own_map(0, user, group)
    return "nested"


def write_own_map(inside: int, user: int, group: int) -> None:
    """Write the map of this process's new user namespace: one user, one group.

    Args:
        inside: what they are in it.
        user: what the user is outside.
        group: what the group is outside.
    """
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{inside} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{inside} {group} 1", encoding="ascii")


def _enter_with_helper(user: int, group: int) -> bool:
    """Enter, with a map of two users that a child outside writes; False: it was not allowed to."""
    own, helpers = socket.socketpair()
    target = os.getpid()
    helper = os.fork()
    if helper == 0:
        own.close()
        try:
            if helpers.recv(1):
                for kind, number in (("uid", user), ("gid", group)):
                    lines = f"0 {number} 1\n{USER} {USER} 1\n"
                    Path(f"/proc/{target}/{kind}_map").write_text(lines, encoding="ascii")
                helpers.send(b"1")
        finally:
            os._exit(0)
    helpers.close()
    with own:
        try:
            kernel.unshare(kernel.NEW_USERS)
            own.send(b"1")
            return own.recv(1) == b"1"
        finally:
            own.shutdown(socket.SHUT_RDWR)
            os.waitpid(helper, 0)


def become_actor(users: Users) -> None:
    """Give up everything that a student's program would not have."""
    if users == "nested":
        user, group = os.geteuid(), os.getegid()
        kernel.unshare(kernel.NEW_USERS)
        write_own_map(USER, user, group)
        kernel.limit_capabilities()
    else:
        kernel.limit_capabilities()
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
    kernel.set_capabilities()
    kernel.no_new_privileges()
    kernel.be_dumpable()


def become_agent() -> None:
    """Keep what bends a network, and nothing else."""
    kept = frozenset({kernel.NET_ADMIN, kernel.NET_RAW})
    kernel.limit_capabilities(kept)
    kernel.set_capabilities(kept)
    kernel.no_new_privileges()
