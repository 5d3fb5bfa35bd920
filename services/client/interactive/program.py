"""`interactive`: who is in front, whom to connect to, which protocol; then the session."""

import contextlib
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from services.client.interactive.at_terminal import AtTerminal
from services.client.interactive.front import Front
from services.client.interactive.link import Link, Target, connect
from services.client.interactive.plain import Json, Plain
from services.client.interactive.remembered import Remembered, history_path
from services.client.interactive.session import Session
from services.client.interactive.talk import NETWORK_SAID_NO, Chat, Datagrams, Lines, Talk
from services.client.interactive.terminal import Terminal
from services.client.signals import Stopped
from services.messages import say
from socketlab.wire.text import speaks_utf8

Protocol: TypeAlias = Literal["lines", "chat", "framed"]

_DUMB: Final = {"", "dumb"}
"""What TERM says of a terminal that knows no escape codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked for.

    Args:
        target: whom to connect to.
        protocol: what is spoken there.
        timeout: seconds that `connect` may take, and that something owed may keep a pipe waiting.
        recverr: have the kernel report transient ICMP errors too.
        json: write lines of the wire, and nothing else.
    """

    target: Target
    protocol: Protocol
    timeout: float
    recverr: bool
    json: bool


def interactive(options: Options) -> int:
    """Have the conversation.

    Returns:
        the exit code: 0 it ended well, 1 the network said no.

    Raises:
        Stopped: a signal ended it; it has been said.
    """
    front = _front(json=options.json)
    try:
        return _converse(options, front)
    except Stopped as stopped:
        front.notice(_left(stopped.signum))
        raise


def _converse(options: Options, front: Front) -> int:
    target = options.target
    try:
        link = connect(target, options.timeout, front.told, recverr=options.recverr)
    except (OSError, ValueError):
        return NETWORK_SAID_NO  # it was told
    with contextlib.closing(link):
        front.notice(_connected(target, link))
        talk = _talk(options.protocol, target.kind)
        with front.opened():
            return Session(link, talk, front, options.timeout).run()


def _front(*, json: bool, environ: Mapping[str, str] = os.environ) -> Front:
    utf8 = speaks_utf8(environ)
    source = sys.stdin.fileno() if sys.stdin else None
    at_terminal = source is not None and os.isatty(source)
    if json:
        return Json(source, safe=True, utf8=utf8)
    if source is not None and at_terminal and sys.stdout.isatty() and environ.get("TERM", "") not in _DUMB:
        terminal = Terminal(source, sys.stdout.fileno())
        path = history_path(environ)
        return AtTerminal(terminal, utf8=utf8, remembered=lambda tell: Remembered(path, tell))
    return Plain(source, safe=sys.stdout.isatty(), utf8=utf8)


def _talk(protocol: Protocol, kind: socket.SocketKind) -> Talk:
    datagrams = kind == socket.SOCK_DGRAM
    if protocol == "framed":
        # Only here: the others need not read it from the disk.
        from services.client.interactive.framed_talk import FramedDatagrams, FramedTalk  # noqa: PLC0415 - above

        nonce = uuid.uuid4().hex
        return (FramedDatagrams if datagrams else FramedTalk)(nonce, time.monotonic)
    if protocol == "chat":
        return Chat()
    if kind == socket.SOCK_STREAM:
        return Lines(time.monotonic)
    return Datagrams(connected=not datagrams)


def _connected(target: Target, link: Link) -> str:
    own = link.own or say("interactive.unnamed")
    if not link.ends:
        return say("interactive.peer-fixed", own=own, peer=link.peer)
    transport = "AF_UNIX" if target.family == socket.AF_UNIX else "TCP"
    return say("interactive.connected", own=own, peer=link.peer, transport=transport)


def _left(signum: int) -> str:
    if signum == signal.SIGINT:
        return say("interactive.interrupted")
    return say("interactive.ended", signal=signal.Signals(signum).name)
