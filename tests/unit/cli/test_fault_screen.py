"""What `fault step` shows, and what its keys do: played without a terminal."""

import dataclasses

from socketlab.cli.fault_screen import Screen, Wish
from socketlab.holder.protocol import HeldAbout


def packet(number: int, summary: str = "[S] seq 1 length 0") -> HeldAbout:
    return HeldAbout(
        host="server",
        lease="3",
        number=number,
        at_ns=number,
        flow="tcp 10.0.0.2:4711 > 10.0.0.1:7000",
        summary=summary,
        length=60,
    )


def screen(*numbers: int) -> Screen:
    made = Screen({"10.0.0.2": "client", "10.0.0.1": "server"})
    made.now([packet(number) for number in numbers])
    return made


def marked(shown: Screen) -> str:
    (line,) = (line for line in shown.lines(24, 80, "title") if line.startswith(">"))
    return line


def test_packets_are_shown_by_the_names_of_their_hosts() -> None:
    assert marked(screen(1)) == ">    1  tcp client:4711 > server:7000  [S] seq 1 length 0"


def test_keys_move_the_mark_and_stop_at_the_ends() -> None:
    shown = screen(1, 2, 3)
    for key, number in (("\x1b[A", 1), ("j", 2), ("\x1b[B", 3), ("j", 3), ("k", 2)):
        assert shown.key(key) == []
        assert f"   {number}  tcp" in marked(shown)


def test_keys_say_what_becomes_of_the_marked_packet() -> None:
    shown = screen(1, 2)
    shown.key("j")
    assert shown.key("\r") == [Wish(2, "3", "release")]
    assert shown.key("d") == [Wish(2, "3", "drop")]
    assert shown.key("2") == [Wish(2, "3", "duplicate")]
    assert shown.key("a") == [Wish(1, "3", "release"), Wish(2, "3", "release")]
    assert shown.key("?") == []


def test_the_mark_stays_on_its_packet_when_others_come_and_go() -> None:
    shown = screen(1, 2, 3)
    shown.key("j")
    shown.now([packet(2), packet(3), packet(4)])
    assert "   2  tcp" in marked(shown)
    shown.now([packet(3), packet(4)])
    assert "   3  tcp" in marked(shown)
    shown.now([])
    assert shown.key("r") == []
    assert not any(line.startswith(">") for line in shown.lines(24, 80, "title"))


def test_what_went_stands_below_what_waits() -> None:
    shown = screen(1, 2)
    (wish,) = shown.key("r")
    shown.done(wish, [packet(2)])
    lines = shown.lines(24, 80, "title")
    assert any("1  tcp client:4711" in line and "released" in line for line in lines)
    assert "   2  tcp" in marked(shown)


def test_it_fits_any_terminal_and_the_mark_is_always_seen() -> None:
    shown = screen(*range(1, 101))
    for _ in range(70):
        shown.key("j")
    for rows, columns in ((24, 80), (10, 30), (8, 200)):
        lines = shown.lines(rows, columns, "title")
        assert len(lines) <= rows
        assert max(map(len, lines)) <= columns
        assert "  71  tcp" in marked(shown)


def test_it_ends_by_q_and_by_ctrl_c() -> None:
    for key in ("q", "\x03", "\x04"):
        shown = screen(1)
        assert shown.key(key) == []
        assert shown.over


def test_an_address_without_a_name_stands_as_it_is() -> None:
    shown = Screen({})
    shown.now([dataclasses.replace(packet(1), flow="tcp [fd00::2]:4711 > [fd00::1]:7000")])
    assert "[fd00::2]:4711 > [fd00::1]:7000" in marked(shown)
