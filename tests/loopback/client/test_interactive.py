"""A person at a terminal, at one end of a real connection."""

import os
import queue
import re
import signal
import socket
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.protocol.chat import ChatServing
from services.protocol.framed import FramedServing
from tests.loopback.client.at_pty import COLUMNS, Seat, sit_down
from tests.loopback.client.peers import reset, saying, serving
from tests.loopback.client.programs import PATIENCE, Serve, echo
from tests.unit.client.terminal_model import columns

Sit = Callable[..., Seat]
PASTE_ENDS = b"\x1b[?2004l"


@pytest.fixture
def sit() -> Iterator[Sit]:
    """Sit down at a terminal; who still sits there in the end is asked to leave."""
    seats: list[Seat] = []

    def down(*arguments: object, **more: Any) -> Seat:
        seats.append(sit_down(["interactive", *map(str, arguments)], **more))
        return seats[-1]

    yield down
    for seat in seats:
        seat.leave()


def connected(seat: Seat) -> Seat:
    """Once the prompt is there."""
    seat.until(lambda rows: rows[-1] == "> " and any("connected from" in row for row in rows))
    return seat


def test_ctrl_d_half_closes_and_the_rest_of_the_answers_is_shown(sit: Sit, serve: Serve) -> None:
    def answer_in_the_end(peer: socket.socket) -> None:
        said = b"".join(iter(lambda: peer.recv(100), b""))  # up to our FIN
        go_on.wait(PATIENCE)
        peer.sendall(b"you said " + said)

    go_on = threading.Event()
    seat = connected(sit("tcp", "127.0.0.1", serve(answer_in_the_end).port))
    seat.type("hola\r\x04")
    seat.shows("half-closed")
    seat.type("what is typed now is not shown")
    go_on.set()

    assert seat.ends() == 0
    assert seat.screen.rows[1:] == [
        "> hola",
        "* half-closed: shutdown(SHUT_WR) sent FIN; the peer may",
        "  still answer",
        "< you said hola",
        "* the peer closed its side (FIN): recv() gave b''",
        "",
    ]
    assert seat.mode() == seat.before
    assert not seat.screen.pastes_marked


def test_connected_from_where_to_where_is_said(sit: Sit, serve: Serve) -> None:
    port = serve(echo).port
    seat = connected(sit("127.0.0.1", port))

    assert re.fullmatch(
        rf"\* connected from 127\.0\.0\.1:\d+ to 127\.0\.0\.1:{port} \(TCP\)", seat.screen.rows[0]
    )


@pytest.mark.parametrize(
    ("key", "number", "said"),
    [
        ("\x03", None, "* left with Ctrl-C"),
        ("\x1c", None, "* ended by SIGQUIT"),
        ("", signal.SIGINT, "* left with Ctrl-C"),
        ("", signal.SIGTERM, "* ended by SIGTERM"),
        ("", signal.SIGHUP, "* ended by SIGHUP"),
    ],
)
def test_a_signal_ends_it_cleanly(
    sit: Sit, serve: Serve, key: str, number: signal.Signals | None, said: str
) -> None:
    seat = connected(sit("127.0.0.1", serve(echo).port))
    raw = seat.mode()
    assert not raw[3] & (termios.ECHO | termios.ICANON)
    if number is None:
        seat.type(key)
    else:
        seat.process.send_signal(number)

    ended_by = number or {"\x03": signal.SIGINT, "\x1c": signal.SIGQUIT}[key]
    assert seat.ends() == 128 + ended_by
    assert seat.screen.rows[1:] == [said, ""]
    assert seat.mode() == seat.before != raw
    assert seat.output.count(PASTE_ENDS) == 1


def test_ctrl_c_while_a_line_is_typed_says_that_it_was_not_sent(sit: Sit, serve: Serve) -> None:
    seat = connected(sit("127.0.0.1", serve(echo).port))
    seat.type("half a line")
    seat.sees("> half a line")
    seat.type("\x03")

    assert seat.ends() == 130
    assert seat.screen.rows[1:] == ["* not sent: half a line", "* left with Ctrl-C", ""]


def test_ctrl_c_while_connecting(sit: Sit) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(address)  # the accept queue is full: the next SYN is dropped

        seat = sit("127.0.0.1", address[1], "--timeout", 60, "--debug")
        seat.shows("getaddrinfo")
        seat.type("\x03")

        assert seat.ends() == 130
        assert "* left with Ctrl-C" in seat.screen.rows[-2]
        assert seat.mode() == seat.before
        for each in waiting:
            each.close()


def test_an_answer_never_tears_the_line_being_typed(sit: Sit, serve: Serve) -> None:
    def say_when_told(peer: socket.socket) -> None:
        for word in iter(words.get, ""):
            peer.sendall(word.encode())
        got.append(peer.recv(100))

    words: queue.SimpleQueue[str] = queue.SimpleQueue()
    got: list[bytes] = []
    seat = connected(sit("127.0.0.1", serve(say_when_told).port))
    seat.type("señor 日本\x1b[D\x1b[D")
    seat.sees("> señor 日本")
    words.put("first\nsec")
    seat.sees("< first", "< sec", "> señor 日本")
    seat.type("X")
    seat.sees("> señor X日本")
    assert seat.screen.cursor[1] == columns("> señor X")
    words.put("ond\n")
    seat.sees("< first", "< sec", "<+ond", "> señor X日本")
    assert seat.screen.cursor[1] == columns("> señor X")
    words.put("")
    seat.type("\r")

    assert seat.ends() == 0
    assert got == ["señor X日本\n".encode()]


def test_a_thousand_answers_while_a_line_is_typed(sit: Sit, serve: Serve) -> None:
    def flood(peer: socket.socket) -> None:
        for number in range(1000):
            peer.sendall(b"answer %d\n" % number)
        got.append(peer.recv(1000))

    got: list[bytes] = []
    seat = connected(sit("127.0.0.1", serve(flood).port))
    typed = "".join(f"{number} " for number in range(15))
    for char in typed:
        seat.type(char)
        seat.until(lambda rows: rows[-1].startswith("> "))
    seat.sees("< answer 999", "> " + typed)
    assert seat.screen.rows[1:-1] == [f"< answer {number}" for number in range(1000)]
    seat.type("\r")

    assert seat.ends() == 0
    assert got == [typed.encode() + b"\n"]


def test_what_a_peer_sends_never_reaches_the_terminal_as_a_command(sit: Sit, serve: Serve) -> None:
    nasty = b"\x1b[2J\x1b]0;title\x07\r\x9b\xff\xe2\x80\xae\n"
    seat = connected(sit("127.0.0.1", serve(saying(nasty, lambda peer: peer.recv(1))).port))
    seat.sees(r"< \x1b[2J\x1b]0;title\x07\r\x9b\xff\u202e", "> ")
    seat.type("\x03")

    assert seat.ends() == 130


def test_a_peer_that_resets_the_connection(sit: Sit, serve: Serve) -> None:
    def read_and_reset(peer: socket.socket) -> None:
        peer.recv(100)
        reset(peer)

    seat = connected(sit("127.0.0.1", serve(read_and_reset).port))
    seat.type("hola\rmore")

    assert seat.ends() == 1
    seat.shows("ConnectionResetError ECONNRESET")
    assert seat.screen.rows[-2:] == ["* not sent: more", ""]
    assert seat.mode() == seat.before


def test_a_peer_that_closes_first(sit: Sit, serve: Serve) -> None:
    seat = connected(sit("127.0.0.1", serve(lambda peer: peer.sendall(b"no LF" * bool(peer.recv(100)))).port))
    seat.type("hola\r")

    assert seat.ends() == 0
    assert seat.screen.rows[1:] == [
        "> hola",
        "< no LF",
        "* the peer closed its side (FIN): recv() gave b''",
        "",
    ]


def test_a_terminal_that_is_closed_ends_it(sit: Sit, serve: Serve) -> None:
    def notice(peer: socket.socket) -> None:
        gone.append(peer.recv(100))
        over.set()

    gone: list[bytes] = []
    over = threading.Event()
    seat = connected(sit("127.0.0.1", serve(notice).port))
    seat.hang_up()

    assert seat.process.wait(PATIENCE) == 128 + signal.SIGHUP
    assert over.wait(PATIENCE)
    assert gone == [b""]


def test_a_terminal_that_is_gone_without_a_signal_is_waited_for_no_longer(sit: Sit, serve: Serve) -> None:
    over = threading.Event()
    silent = serve(lambda _: over.wait(PATIENCE)).port
    seat = connected(sit("127.0.0.1", silent, "--timeout", "0.3", controls=False))
    seat.hang_up()

    assert seat.process.wait(PATIENCE) == 1
    over.set()


def test_a_terminal_that_is_held_up_does_not_hold_us(sit: Sit, serve: Serve) -> None:
    def flood(peer: socket.socket) -> None:
        peer.recv(1)
        while True:
            peer.sendall(b"x" * 4000 + b"\n")

    seat = connected(sit("127.0.0.1", serve(flood).port))
    seat.type("\r")
    assert seat.output_waiting()  # nobody reads from now on
    seat.process.terminate()

    assert seat.process.wait(PATIENCE) == 128 + signal.SIGTERM
    assert seat.mode() == seat.before


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(sit: Sit, serve: Serve) -> None:
    def echo_and_more(peer: socket.socket) -> None:
        peers.put(peer)
        echo(peer)

    peers: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
    port = serve(echo_and_more).port
    shell = "set -m; \"$@\"; echo 'the shell has it'; stty -a; read go; fg"
    seat = connected(sit("127.0.0.1", port, program=("sh", "-c", shell, "sh")))
    seat.type("half")
    seat.sees("> half")
    raw = seat.mode()

    seat.type("\x1a")
    seat.shows("the shell has it")
    seat.until(lambda rows: any(" icanon " in row and " echo " in row for row in rows))
    marked = [seat.screen.pastes_marked]
    peers.get(timeout=PATIENCE).sendall(b"while it sleeps\n")
    seat.type("\n")
    seat.sees("< while it sleeps", "> half")
    assert seat.mode()[3] == raw[3]
    marked.append(seat.screen.pastes_marked)
    assert marked == [False, True]
    seat.type(" a line\r")
    seat.sees("> half a line", "< half a line", "> ")
    seat.type("\x04")

    assert seat.ends() == 0
    assert seat.mode() == seat.before


def test_after_sigstop_and_a_shell_it_goes_on_where_it_was(sit: Sit, serve: Serve) -> None:
    seat = connected(sit("127.0.0.1", serve(echo).port))
    seat.type("half")
    seat.sees("> half")
    raw = seat.mode()
    seat.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, seat.process.pid, os.WSTOPPED | os.WNOWAIT)
    termios.tcsetattr(seat.slave, termios.TCSANOW, seat.before)  # as a shell does
    seat.screen.feed("$ fg\r\n")
    seat.process.send_signal(signal.SIGCONT)
    seat.sees("> half$ fg", "> half")
    seat.type("way\r")
    seat.sees("> halfway", "< halfway", "> ")

    assert seat.mode() == raw
    seat.type("\x03")
    assert seat.ends() == 130
    assert seat.mode() == seat.before


def test_a_terminal_that_changes_its_width(sit: Sit, serve: Serve) -> None:
    seat = connected(sit("127.0.0.1", serve(echo).port))
    seat.type("0123456789" * 4)
    seat.sees("> " + "0123456789" * 4)
    seat.resize(30)
    seat.sees("> <5678901234567890123456789")
    seat.resize(COLUMNS)
    seat.sees("> " + "0123456789" * 4)


def test_the_history_goes_back_and_is_kept_where_asked(sit: Sit, serve: Serve, tmp_path: Path) -> None:
    kept = tmp_path / "history"
    port = serve(echo).port
    seat = connected(sit("127.0.0.1", port, SOCKETLAB_HISTORY=str(kept)))
    seat.type("one\rtwo\r\x1b[A\x1b[A")
    seat.sees("< two", "> one")
    seat.type("\x15\x04")
    assert seat.ends() == 0
    assert kept.read_text() == "one\ntwo\n"
    assert kept.stat().st_mode & 0o777 == 0o600

    seat = connected(sit("127.0.0.1", port, SOCKETLAB_HISTORY=str(kept)))
    seat.type("\x1b[A")
    seat.sees("> two")


def test_a_history_that_cannot_be_kept_is_said_once(sit: Sit, serve: Serve) -> None:
    seat = sit("127.0.0.1", serve(echo).port, SOCKETLAB_HISTORY="/proc/no/history")
    seat.until(lambda rows: rows[-1] == "> ")
    seat.type("one\rtwo\r")
    seat.sees("< two", "> ")

    assert "".join(seat.screen.rows).count("SOCKETLAB_HISTORY") == 1


def test_pasted_lines_are_sent_and_the_last_one_waits(sit: Sit, serve: Serve) -> None:
    seat = connected(sit("127.0.0.1", serve(echo).port))
    seat.type("\x1b[200~one\rtwo\x04\rthr\x1b[201~")
    seat.sees("< one", r"< two\x04", "> thr")


def test_ctrl_l_leaves_the_prompt_only(sit: Sit, serve: Serve) -> None:
    seat = connected(sit("127.0.0.1", serve(echo).port))
    seat.type("half\x0c")
    seat.until(lambda rows: rows[0] == "> half")


def test_an_unfinished_line_is_shown_and_goes_on_below(sit: Sit, serve: Serve) -> None:
    seat = connected(sit("127.0.0.1", serve(saying(b"Name: ", echo)).port))
    seat.sees("< Name: ", "> ")
    seat.type("Ana\r")
    seat.sees("< Name: ", "> Ana", "<+Ana", "> ")


def test_a_log_stands_above_the_prompt(sit: Sit, serve: Serve) -> None:
    seat = sit("127.0.0.1", serve(echo).port, "--debug")
    seat.until(lambda rows: rows[-1] == "> ")
    seat.type("hola\rmore")
    seat.until(lambda rows: rows[-1] == "> more" and "< hola" in rows)

    assert [row for row in seat.screen.rows if re.match(r"  [\d:.]+ DEBUG send\(b'hola\\n'\) -> ", row)]


def test_a_person_is_told_that_nothing_comes_and_decides(sit: Sit, serve: Serve) -> None:
    go_on = threading.Event()
    late = serve(lambda peer: peer.sendall(b"late\n" * go_on.wait(PATIENCE))).port
    seat = connected(sit("127.0.0.1", late, "--timeout", "0.1"))
    seat.type("\x04")
    seat.shows("* nothing has come for 0.1 s")
    time.sleep(0.5)
    go_on.set()

    assert seat.ends() == 0
    assert seat.output.count(b"nothing has come") == 1
    assert "< late" in seat.screen.rows


def test_chat_ends_with_bye(sit: Sit, serve: Serve) -> None:
    seat = connected(sit("127.0.0.1", serve(serving(ChatServing)).port, "--protocol", "chat"))
    seat.type("hola\r")
    seat.sees("> hola", "< hola", "> ")
    seat.type("bye\rtoo late\r")

    assert seat.ends() == 0
    assert "* not sent: too late" in seat.screen.rows
    assert seat.screen.rows[-3:] == ["< bye", "* the peer said bye: the chat is over", ""]


def test_framed_requests_are_answered_with_id_and_time(sit: Sit, serve: Serve) -> None:
    seat = connected(sit("127.0.0.1", serve(serving(FramedServing)).port, "--protocol", "framed"))
    seat.shows("* WELCOME {")
    seat.type('hola\r{"op": "wait", "seconds": 0.2, "value": 1}\r{"op": "nonsense"}\r')
    seat.until(lambda rows: any(row.startswith("< #2 {") for row in rows))

    shown = [row for row in seat.screen.rows if row.startswith("< #")]
    assert [row[:4] for row in shown] == ["< #1", "< #3", "< #2"]
    assert re.fullmatch(r'< #1 \{"value": "hola"\}  [\d.]+ m?s', shown[0])
    seat.type("\x04")
    assert seat.ends() == 0


def test_udp_errors_are_said_and_it_goes_on(sit: Sit) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        port = peer.getsockname()[1]
        peer.close()
        seat = sit("udp", "127.0.0.1", port)
        seat.until(lambda rows: rows[-1] == "> ")
        seat.shows("connect() sent nothing")
        seat.type("hola\r")
        seat.shows("ConnectionRefusedError")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as later:
            later.bind(("127.0.0.1", port))
            later.settimeout(PATIENCE)
            seat.type("again\r")
            data, sender = later.recvfrom(100)
            assert data == b"again"
            later.sendto(b"two\nlines\n", sender)
            seat.sees(r"< two\nlines\n", "> ")
        seat.type("\x04")
        assert seat.ends() == 0


def test_what_was_typed_before_ctrl_d_is_still_sent_over_udp(sit: Sit) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(PATIENCE)
        seat = sit("udp", "127.0.0.1", peer.getsockname()[1])
        seat.until(lambda rows: rows[-1] == "> ")
        seat.type("last words\r\x04")

        assert seat.ends() == 0
        assert peer.recv(100) == b"last words"


def test_a_dumb_terminal_has_no_prompt_and_is_still_safe(sit: Sit, serve: Serve) -> None:
    seat = sit("127.0.0.1", serve(saying(b"\x1b[2J", echo)).port, TERM="dumb")
    seat.shows("connected from")
    seat.type("hola\n")
    seat.until(lambda rows: "hola" in rows[-2])
    seat.type("\x04")

    assert seat.ends() == 0
    assert b"\x1b" not in seat.output
    assert rb"\x1b[2J" in seat.output


def test_on_a_dumb_terminal_what_happened_stands_on_a_line_of_its_own(sit: Sit, serve: Serve) -> None:
    seat = sit("127.0.0.1", serve(lambda peer: peer.sendall(b"no end")).port, TERM="dumb")

    assert seat.ends() == 0
    assert seat.screen.rows[1:] == ["no end", "the peer closed its side (FIN): recv() gave b''", ""]


def test_a_console_without_utf8_in_spanish(sit: Sit, serve: Serve) -> None:
    seat = sit("127.0.0.1", serve(echo).port, LC_ALL="es_ES")
    seat.until(lambda rows: rows[-1] == "> ")
    seat.type("ñ\r")
    seat.sees(r"> \u00f1", r"< \u00f1", "> ")
    seat.type("\x04")

    assert seat.ends() == 0
    assert seat.output.isascii()
    assert b"todavia" in seat.output
