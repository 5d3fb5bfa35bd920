"""What is told about a run: by words, as JSON, and while it goes on."""

import io
import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client.console import Console
from services.client.load.plan import SECOND, Plan
from services.client.load.progress import Progress
from services.client.load.report import meaning, report
from services.client.load.result import Measured, Result, duration, grouped, percent
from services.client.load.tally import EOF, MISMATCH, OWN_TIMER, Tally
from services.messages import SENTENCES
from tests.unit.client.conftest import Speak

MS = SECOND // 1000


def result(tally: Tally, cpu: float = 0.5, signum: int | None = None, **fields: Any) -> Result:
    given_fields: dict[str, Any] = {"transport": "tcp", "host": "127.0.0.1", "port": 7000, "duration": 10.0}
    return Result(
        plan=Plan(**(given_fields | fields)),
        target="127.0.0.1:7000",
        tally=tally,
        measured=Measured(seconds=10.0, sending=10.0, cpu=cpu * 10.0, signum=signum),
    )


def answered(count: int = 123_456) -> Tally:
    tally = Tally(begun=count, opened=1)
    tally.answer(312_000, count)
    return tally


def failed() -> Tally:
    """Of everything that can go wrong, some."""
    tally = answered(1000)
    tally.begun = 1100
    tally.mismatched, tally.timed_out, tally.cut = 1, 20, 30
    tally.errors["recv", "ECONNRESET"] = 30
    tally.errors["recv", MISMATCH] = 1
    tally.errors["connect", "ECONNREFUSED"] = 7
    tally.errors["connect", OWN_TIMER] = 2
    return tally


def unwrapped(told: str) -> str:
    return " ".join(told.split())


def text(given_result: Result, width: int = 80) -> str:
    return "\n".join(report(given_result, width))


@pytest.mark.usefixtures("english")
def test_a_run_in_which_all_was_well() -> None:
    assert text(result(answered())) == (
        "tcp 127.0.0.1:7000: echo of 64 bytes, connections: 1, in flight on each: 1,\n"
        "closed loop\n"
        "\n"
        "requests     123 456 of 123 456 answered\n"
        "throughput   12 346 requests/s, 0.79 MB/s each way, over 10.00 s\n"
        "latency            p50      p90      p99    p99.9      max\n"
        "                312 us   312 us   312 us   312 us   312 us\n"
        "connections  1 opened, 0 refused, 0 failed otherwise\n"
        "CPU          50 % of one core, of this generator\n"
        "errors       none\n"
        "\n"
        "A closed loop asks again only after the answer: while the server stalls, hardly\n"
        "anything is asked, so hardly anything is counted as slow. How long users would\n"
        "wait, --rate shows."
    )


@pytest.mark.usefixtures("english")
def test_what_went_wrong_is_counted_and_explained() -> None:
    told = text(result(failed()))

    assert "1 000 of 1 100 answered, 20 not in time, 1 answered wrongly, 30 cut off" in unwrapped(told)
    assert "their connection, 49 unfinished" in unwrapped(told)
    assert "1 opened, 7 refused, 2 failed otherwise" in told
    assert "  recv ECONNRESET: 30\n    The peer ended the connection with RST" in told
    assert "  recv mismatch: 1\n    What came back is not the answer" in told
    assert "  connect timeout: 2\n" in told
    assert told.index("ECONNRESET") < told.index("ECONNREFUSED") < told.index("timeout: 2")


@pytest.mark.usefixtures("english")
def test_nothing_answered() -> None:
    told = text(result(Tally(begun=3, timed_out=3), transport="udp"))

    assert "0 of 3 answered, 3 lost" in told
    assert "                     -        -        -        -        -" in told
    assert "0 answers came late, 0 came once more" in told
    assert "sockets" in told


@pytest.mark.usefixtures("english")
def test_an_open_loop_tells_its_own_delay_apart() -> None:
    tally = answered(1000)
    tally.lag.record(50_000, 1000)
    told = text(result(tally, rate=1000.0))

    assert "open loop at 1000 requests/s" in unwrapped(told)
    assert "own delay" in told
    assert "50.0 us" in told
    assert "closed loop" not in told


def names(given_result: Result) -> list[str]:
    return [name for name, _ in given_result.notes()]


def late(ns: int) -> Tally:
    tally = answered(1000)
    tally.lag.record(ns, 1000)
    return tally


def changed(**fields: int) -> Tally:
    tally = answered(1000)
    for name, value in fields.items():
        setattr(tally, name, value)
    return tally


@pytest.mark.parametrize(
    ("given_result", "expected"),
    [
        (result(answered(), cpu=0.9), ["closed-loop"]),
        (result(answered(), cpu=0.91), ["own-limit", "closed-loop"]),
        (result(late(MS // 2), rate=100.0), []),
        (result(late(2 * MS), rate=100.0), ["own-lateness"]),
        (result(changed(waited=10), rate=100.0), []),
        (result(changed(waited=11), rate=100.0), ["busy"]),
        (result(changed(unsent=1), rate=100.0), ["unsent"]),
        (result(changed(late=1, duplicates=2), transport="udp"), ["closed-loop", "late", "duplicates"]),
    ],
)
def test_what_must_be_known_to_read_the_figures(given_result: Result, expected: list[str]) -> None:
    assert names(given_result) == expected


def everything() -> list[Result]:
    """Results in which every sentence is said."""
    tally = failed()
    tally.late = tally.duplicates = tally.unsent = tally.waited = 500
    tally.lag.record(5 * MS, 1000)
    for what in (EOF, "EMFILE", "EADDRNOTAVAIL", "EAGAIN", "ENFILE", "ENOBUFS", "EPROTO", "bad-magic"):
        tally.errors["recv", what] = 1
    lost = Result(
        plan=Plan(transport="udp", host="::1", port=7000, rate=1e6, connections=50_000, size=65_507),
        target="[::1]:7000",
        tally=tally,
        measured=Measured(seconds=3600.0, sending=3600.0, cpu=3599.0),
        warm_up_lost=3,
    )
    return [lost, result(tally, cpu=0.99), result(tally, reconnect=True, protocol="framed")]


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("width", [60, 80, 100])
def test_it_fits_the_console_in_both_languages(speak: Speak, language: str, width: int) -> None:
    speak(language)
    for each in everything():
        lines = report(each, width)
        assert max(map(len, lines)) <= width
        assert not any("{" in line for line in lines)


def test_spanish_is_spoken(speak: Speak) -> None:
    speak("es")

    told = text(result(answered()))
    assert "solicitudes  123 456 de 123 456 respondidas" in told
    assert "lazo cerrado" in told


def test_english_is_ascii() -> None:
    sentences = SENTENCES.sentences("en")

    assert [k for k, each in sentences.items() if "load." in k and not each.isascii()] == []


@pytest.mark.usefixtures("english")
def test_every_error_has_a_meaning() -> None:
    assert meaning(EOF).startswith("The peer closed")
    assert meaning("ECONNRESET").startswith("The peer ended the connection with RST")
    assert meaning("EPROTO").startswith("See errno(3)")
    assert meaning("bad-version").startswith("The server answered with an ERROR frame")


def test_json_tells_all_of_it() -> None:
    plain = json.loads(json.dumps(result(failed(), rate=100.0, signum=signal.SIGINT).plain()))

    assert (plain["v"], plain["type"], plain["loop"]) == (1, "load", "open")
    assert (plain["seconds"], plain["stopped"]) == (10.0, "SIGINT")
    assert plain["plan"]["connections"] == 1
    assert "json" not in plain["plan"]
    assert plain["requests"] == {
        "begun": 1100,
        "answered": 1000,
        "mismatched": 1,
        "timed_out": 20,
        "cut": 30,
        "unfinished": 49,
        "unsent": 0,
    }
    assert plain["requests_per_second"] == 100.0
    assert plain["bytes_per_second"] == 6400.0
    assert list(plain["latency_ns"]) == ["p50", "p90", "p99", "p99.9", "max"]
    assert plain["connections"] == {"opened": 1, "refused": 7, "failed": 2}
    assert plain["errors"][0] == {"call": "recv", "what": "ECONNRESET", "count": 30}
    assert plain["schedule"] == {"waited": 0, "lag_ns": None}
    assert plain["cpu"] == {"seconds": 5.0, "share": 0.5}


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (0, "0.00 ns"),
        (812, "812 ns"),
        (999, "999 ns"),
        (1000, "1.00 us"),
        (8_904, "8.90 us"),
        (312_499, "312 us"),
        (999_499, "999 us"),
        (999_500, "1.00 ms"),
        (1_200_000, "1.20 ms"),
        (3_412_345_678, "3.41 s"),
        (999_600_000_000, "1000 s"),
        (3_600_000_000_000, "3600 s"),
    ],
)
def test_durations_have_three_digits(ns: int, shown: str) -> None:
    assert duration(ns) == shown


@given(st.integers(1, 10**13))
def test_durations_fit_their_cell_and_are_right(ns: int) -> None:
    shown = duration(ns)
    number, unit = shown.split()

    assert len(shown) <= 8
    scale = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}[unit]
    assert float(number) * scale == pytest.approx(ns, rel=0.006)


def test_numbers_in_words() -> None:
    assert [grouped(7), grouped(1234), grouped(12_345_678.4)] == ["7", "1 234", "12 345 678"]
    assert [percent(0.984), percent(1.0), percent(0.00412)] == ["98.4 %", "100 %", "0.412 %"]


def written(show: Callable[[Progress, Tally], None], *, redraw: bool) -> str:
    """What a progress writes."""
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding="utf-8")
    tally = Tally()
    show(Progress(tally, Console(stream, {}), redraw=redraw), tally)
    stream.flush()
    return buffer.getvalue().decode()


def two_phases(progress: Progress, tally: Tally) -> None:
    progress.begin(warm_up=True)
    tally.answer(1, 900)
    progress.second(1.0)
    tally.begin()
    progress.begin(warm_up=False)
    tally.answer(1, 50)
    tally.timed_out = 2
    progress.second(1.0)
    tally.answer(1, 3000)
    tally.fail("recv", "ECONNRESET")
    progress.second(2.5)
    progress.end()


@pytest.mark.usefixtures("english")
def test_progress_is_a_line_a_second() -> None:
    assert written(two_phases, redraw=False).splitlines() == [
        "warm-up    1.0 s  900 requests/s  answered: 900  not: 0  errors: 0",
        "  1.0 s  50 requests/s  answered: 50  not: 2  errors: 0",
        "  2.5 s  2 000 requests/s  answered: 3 050  not: 2  errors: 1",
    ]


@pytest.mark.usefixtures("english")
def test_progress_is_redrawn_on_a_terminal_and_taken_away() -> None:
    told = written(two_phases, redraw=True)
    _, warm_up, first, second, blank, end = told.split("\r")

    assert "\n" not in told
    assert "\x1b" not in told
    assert len(first) == len(warm_up)  # what was there before is overwritten
    assert second.startswith("  2.5 s")
    assert (blank.strip(), end) == ("", "")
    assert len(blank) == len(second.rstrip())


@pytest.mark.parametrize("language", ["en", "es"])
def test_progress_is_ascii_in_every_language(language: str) -> None:
    sentences = SENTENCES.sentences(language)

    assert sentences["load.progress"].isascii()
    assert sentences["load.warming-up"].isascii()
