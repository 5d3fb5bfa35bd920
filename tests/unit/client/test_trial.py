"""What is the matter with a learner's program: inside and outside, joined."""

import pytest

from services.client.trial import HELLO, Found, Visit, best_listener, diagnose, sentence
from services.messages import SENTENCES
from socketlab.wire import Listener, Outcome, ProgramReport, ProgramState, Raised, Returned

EVERYWHERE = Listener(proto="tcp", address="0.0.0.0", port=5000, loopback_only=False)
LOOPBACK = Listener(proto="tcp", address="127.0.0.1", port=5000, loopback_only=True)
UDP = Listener(proto="udp", address="0.0.0.0", port=5001, loopback_only=False)


def report(state: ProgramState, *listeners: Listener) -> ProgramReport:
    return ProgramReport(program="my_server.py", state=state, listeners=listeners, exit_code=1)


def met(call: str, result: Raised | Returned, answer: bytes = b"") -> Visit:
    return Visit((Outcome(call=call, result=result, started_ns=0, ended_ns=1),), answer)


RUNS = report("listening", EVERYWHERE)
CONNECT = "connect(('mine', 5000))"
REFUSED = met(CONNECT, Raised("ConnectionRefusedError", "ECONNREFUSED", ""))
SILENT = met("recv(100)", Raised("TimeoutError", None, "timed out"))
FIN = met("recv(100)", Returned(b""))


@pytest.mark.parametrize(
    ("seen", "visit", "found"),
    [
        (report("missing"), Visit(), "missing"),
        (report("directory"), Visit(), "directory"),
        (report("unreadable"), Visit(), "unreadable"),
        (report("ended"), Visit(), "ended"),
        (report("not-listening"), Visit(), "not-listening"),
        (report("listening", LOOPBACK), REFUSED, "loopback-only"),
        (RUNS, met("recv(100)", Returned(HELLO), HELLO), "echoes"),
        (RUNS, met("recv(100)", Returned(b"HELLO\n"), b"HELLO\n"), "answers"),
        (RUNS, SILENT, "silent"),
        (RUNS, FIN, "closes-early"),
        (RUNS, met("recv(100)", Raised("ConnectionResetError", "ECONNRESET", "")), "resets"),
        (RUNS, REFUSED, "refused"),
        (RUNS, met(CONNECT, Raised("TimeoutError", None, "timed out")), "other"),
        (report("ended"), FIN, "crashed"),
        # It answered one client and ended, as a first program may.
        (report("ended"), met("recv(100)", Returned(HELLO), HELLO), "echoes"),
    ],
)
def test_diagnose(seen: ProgramReport, visit: Visit, found: Found) -> None:
    assert diagnose(seen, visit) == found


@pytest.mark.parametrize("code", ["en", "es"])
def test_loopback_names_the_address_and_the_remedy(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SENTENCES.__dict__, "_spoken", SENTENCES.sentences(code))

    text = sentence(report("listening", LOOPBACK), REFUSED, LOOPBACK, "loopback-only")

    assert "127.0.0.1" in text
    assert "0.0.0.0" in text


def test_the_listener_that_others_can_reach_is_tried_first() -> None:
    assert best_listener(report("listening", LOOPBACK, UDP, EVERYWHERE)) == EVERYWHERE
    assert best_listener(report("listening", LOOPBACK, UDP)) == UDP
    assert best_listener(report("listening", LOOPBACK)) == LOOPBACK
    assert best_listener(report("not-listening")) is None
