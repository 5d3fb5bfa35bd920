"""What was raised over there is raised here: class, errno, text; and nothing outside a closed table."""

import errno
import re
import socket
from pathlib import Path

import pytest

from socketlab.messages import SENTENCES
from socketlab.sockets.failures import CLASSES, as_outcome, rebuild, why_refused
from socketlab.wire.call import Raised, Refused
from socketlab.wire.text import LANGUAGES

ROOT = Path(__file__).parents[3]
OURS = {"call", "id"}
"""Reasons that only a mistake of our own gives."""


def made(name: str, *args: object) -> Exception:
    return rebuild(Raised(1, name, args, 0, 0))


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("ConnectionRefusedError", errno.ECONNREFUSED),
        ("ConnectionResetError", errno.ECONNRESET),
        ("BrokenPipeError", errno.EPIPE),
        ("BlockingIOError", errno.EINPROGRESS),
        ("TimeoutError", errno.ETIMEDOUT),
        ("PermissionError", errno.EACCES),
        ("OSError", errno.EHOSTUNREACH),
    ],
)
def test_an_oserror_keeps_class_and_errno(name: str, number: int) -> None:
    error = made(name, number, "text")
    assert type(error).__name__ == name
    assert isinstance(error, OSError)
    assert (error.errno, error.strerror) == (number, "text")


def test_a_timer_of_the_programs_own_has_no_errno() -> None:
    error = made("TimeoutError", "timed out")
    assert type(error) is TimeoutError
    assert (error.errno, error.args) == (None, ("timed out",))


def test_the_resolvers_errors_are_its_own() -> None:
    error = made("gaierror", socket.EAI_NONAME, "Name or service not known")
    assert type(error) is socket.gaierror
    assert error.errno == socket.EAI_NONAME
    assert as_outcome(error).errno == "EAI_NONAME"
    assert type(made("herror", 1, "Unknown host")) is socket.herror


def test_outcomes_name_the_errno() -> None:
    given = as_outcome(made("ConnectionRefusedError", errno.ECONNREFUSED, "Connection refused"))
    assert (given.exception, given.errno) == ("ConnectionRefusedError", "ECONNREFUSED")
    assert as_outcome(made("TimeoutError", "timed out")).errno is None


@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt", "os.system", "", "GeneratorExit"])
def test_no_other_class_is_looked_up(name: str) -> None:
    error = made(name, "text")
    assert type(error) is RuntimeError
    assert "text" in str(error)


def test_an_unknown_error_with_an_errno_is_an_oserror() -> None:
    error = made("SSLError", errno.EPIPE, "text")
    assert isinstance(error, OSError)
    assert error.errno == errno.EPIPE


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_arguments_that_do_not_fit_still_give_an_exception(name: str) -> None:
    assert isinstance(made(name), Exception)
    assert isinstance(made(name, "a", "b", "c", "d", "e", "f"), Exception)


def test_unicode_errors_cross() -> None:
    error = made("UnicodeEncodeError", "idna", "ä" * 3, 0, 1, "label too long")
    assert type(error) is UnicodeEncodeError
    assert type(made("UnicodeEncodeError", "label too long")) is UnicodeError


def test_each_reason_of_an_actor_to_refuse_has_its_sentence() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "services/actor").glob("*.py"))
    reasons = set(re.findall(r'RefusalError\(\s*"actor\.([a-z-]+)"', source)) - OURS
    assert {"sockets", "calls", "handle"} <= reasons
    for code in LANGUAGES:
        sentences = SENTENCES.sentences(code)
        assert [name for name in reasons if f"sockets.refused.{name}" not in sentences] == []


def test_a_refusal_says_why() -> None:
    assert "512" in why_refused(Refused(1, "actor.calls", {"limit": "512"}))
    assert "actor.newer" in why_refused(Refused(1, "actor.newer", {"seen": "7"}))
    assert "actor.calls" in why_refused(Refused(1, "actor.calls", {}))
