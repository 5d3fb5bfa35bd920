"""Run one class of CPython's `test.test_socket`, over real sockets or over those of an actor.

    python tests/outside/one_class.py CLASS [--over-there] [--only NAME...]
    python tests/outside/one_class.py --list

A line of JSON a test on standard output: its id, what became of it, seconds, and the last line of its error.
This is a program of its own because it changes the module `socket` under the feet of the test, and because a
test that hangs must be ended from outside.
"""

import argparse
import importlib
import json
import os
import socket
import sys
import time
import unittest
import warnings
from types import ModuleType, TracebackType
from typing import Any, TypeAlias

from socketlab.sockets import Actor, Socket
from tests.loopback.sockets.actors import actor_process

ErrorInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
_MODULE = "test.test_socket"
_NAMES = (
    "create_connection create_server getaddrinfo gethostbyname gethostbyname_ex gethostbyaddr getnameinfo "
    "getservbyname getservbyport getprotobyname gethostname getfqdn inet_aton inet_ntoa inet_pton "
    "inet_ntop htons htonl ntohs ntohl if_nameindex if_nametoindex if_indextoname setdefaulttimeout "
    "getdefaulttimeout has_dualstack_ipv6 CMSG_LEN CMSG_SPACE socketpair"
)


class _AnyOfOurs(type):
    """`isinstance(conn, socket.socket)` of an accepted socket: it is one of ours, and that is what counts."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Socket)


def replace(actor: Actor) -> None:
    """Put the actor's sockets and functions in the place of the module's."""

    class OverThere(Socket, metaclass=_AnyOfOurs):
        """`socket.socket(...)`, as a class: it makes a socket over there."""

        def __init__(
            self,
            family: int = -1,
            type: int = -1,  # noqa: A002 - as the class has it
            proto: int = -1,
            fileno: int | None = None,
        ) -> None:
            made = actor.socket(family, type, proto, fileno)
            made.__class__ = _Given
            super().__init__(actor, made.handle)

    names: dict[str, Any] = {"socket": OverThere, "SocketType": OverThere}
    names |= {name: getattr(actor, name) for name in _NAMES.split()}
    for name, value in names.items():
        setattr(socket, name, value)
    for way in ("_sendfile_use_send", "_sendfile_use_sendfile"):
        # CPython's tests call the two ways of its `sendfile` by these names. Ours has one.
        setattr(Socket, way, Socket.sendfile)


class _Given(Socket):
    """A socket whose handle another one has taken over: nothing is to be closed."""

    def __del__(self) -> None:
        pass


class Told(unittest.TestResult):
    """Tells what became of each test as soon as it is known."""

    def __init__(self) -> None:
        super().__init__()
        self._started: float | None = None
        self._said = False

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's own name
        super().startTest(test)
        self._started = time.monotonic()
        self._said = False
        _print(id=_name(test), state="started")

    def _say(self, test: unittest.TestCase, state: str, why: str = "") -> None:
        if not self._said:  # the first word counts: a test that failed may fail again in its tearDown
            self._said = True
            # A class that is skipped as a whole starts no test.
            seconds = 0.0 if self._started is None else round(time.monotonic() - self._started, 3)
            _print(id=_name(test), state=state, seconds=seconds, why=why[-300:])

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's own name
        self._say(test, "passed")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802 - unittest's own name
        self._say(test, "skipped", reason)

    def addFailure(self, test: unittest.TestCase, err: ErrorInfo) -> None:  # noqa: N802 - unittest's own name
        self._say(test, "failed", _last(err))

    def addError(self, test: unittest.TestCase, err: ErrorInfo) -> None:  # noqa: N802 - unittest's own name
        self._say(test, "failed", _last(err))

    def addExpectedFailure(self, test: unittest.TestCase, err: ErrorInfo) -> None:  # noqa: N802 - unittest's own name
        self._say(test, "passed", _last(err))

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's own name
        self._say(test, "failed", "unexpected success")


def _last(err: ErrorInfo) -> str:
    return f"{getattr(err[0], '__name__', '')}: {err[1]}"


def _name(test: unittest.TestCase) -> str:
    return test.id().removeprefix(f"{_MODULE}.")


def _print(**fields: object) -> None:
    print(json.dumps(fields), file=sys.__stdout__, flush=True)


def _load() -> ModuleType:
    # Without this, all resources are taken for allowed, the internet among them.
    support = importlib.import_module("test.support")
    support.use_resources = []  # type: ignore[attr-defined]  # a module is not known by its name
    return importlib.import_module(_MODULE)


def classes() -> list[str]:
    """Names of the classes that hold tests."""
    return [
        name
        for name, found in vars(_load()).items()
        if isinstance(found, type)
        and issubclass(found, unittest.TestCase)
        and unittest.defaultTestLoader.getTestCaseNames(found)
    ]


def run(class_name: str, only: list[str]) -> None:
    """Run the class's tests, or only some of them."""
    found = getattr(_load(), class_name, None)
    if found is None:
        _print(id=class_name, state="absent")
        return
    tests = unittest.defaultTestLoader.loadTestsFromTestCase(found)
    suite = unittest.TestSuite(
        test
        for test in tests
        if isinstance(test, unittest.TestCase) and (not only or _name(test).partition(".")[2] in only)
    )
    suite.run(Told())


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("class_name", nargs="?")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--over-there", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.list:
        _print(classes=classes())
    elif not asked.over_there:
        run(asked.class_name, asked.only)
    else:
        with actor_process() as (stream, _):
            replace(Actor(stream, "over-there"))
            run(asked.class_name, asked.only)
    sys.stdout.flush()
    os._exit(0)  # a thread of a test that failed may never end


if __name__ == "__main__":
    main()
