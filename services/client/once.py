"""One real conversation: connect, send, receive; what comes back is handed on as it comes.

Theory of operation
    A text that was given is sent first. Standard input is sent by a thread, while the answer is already read:
    an echo server that cannot get rid of its answer stops reading, and both sides would wait for each other.
    The conversation ended well when the server closed (TCP), or when an answer came (UDP).
"""

import os
import socket
import sys
import threading
from dataclasses import dataclass
from typing import Final

from services.client.calls import RECV, ToldSocket, of_call, resolve
from services.client.console import ERR, OUT
from services.client.words import explained, is_own_timer
from socketlab.wire import Happened, Outcome, Raised

WELL: Final = 0
NETWORK_SAID_NO: Final = 1
_DATAGRAM: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked for.

    Args:
        kind: SOCK_STREAM or SOCK_DGRAM.
        host: name or address.
        port: of the service.
        family: of the addresses; AF_UNSPEC: either, in the resolver's order.
        send: what to send; None: standard input.
        timeout: seconds that each call may take; None: it blocks.
        hold: keep the own side open, and read until the peer, an error or the timeout ends it.
        recverr: have the kernel report transient ICMP errors too.
        json: write a line of the wire for each call, and nothing else.
    """

    kind: socket.SocketKind
    host: str
    port: int
    family: socket.AddressFamily
    send: bytes | None
    timeout: float | None
    hold: bool
    recverr: bool
    json: bool


def once(options: Options) -> int:
    """Have the conversation.

    Returns:
        the exit code: 0 it ended well, 1 the network said no.
    """
    conversation = _Conversation(options)
    try:
        with conversation.connected() as sock:
            return conversation.over(sock)
    except (OSError, ValueError):
        return NETWORK_SAID_NO  # it was told


class _Conversation:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._sender: threading.Thread | None = None

    def connected(self) -> ToldSocket:
        """A socket connected to the first address that lets itself be connected to.

        Raises:
            OSError: none does, or the name does not resolve.
            ValueError: the name is none.
        """
        asked = self._options
        refused: OSError | None = None
        for family, address in resolve(asked.host, asked.port, asked.family, asked.kind, self._tell):
            sock = ToldSocket(family, asked.kind, self._tell, asked.timeout)
            try:
                if asked.recverr:
                    sock.report_icmp_errors()
                sock.connect(address)
            except OSError as error:
                sock.close()
                refused = error
            else:
                return sock
        raise refused or OSError(asked.host)

    def over(self, sock: ToldSocket) -> int:
        """Send, receive, and say how it ended.

        Raises:
            OSError: a call failed.
        """
        if self._options.send is not None:
            self._send(sock, self._options.send)
        elif self._options.kind == socket.SOCK_DGRAM:
            self._send(sock, sys.stdin.buffer.read(_DATAGRAM + 1))
        else:
            self._sender = threading.Thread(target=self._send_stdin, args=(sock,), daemon=True)
            self._sender.start()
        if self._options.kind == socket.SOCK_DGRAM:
            return self._receive_datagrams(sock)
        return self._receive_stream(sock)

    def _send(self, sock: ToldSocket, data: bytes) -> None:
        if data or self._options.kind == socket.SOCK_DGRAM:
            sock.sendall(data)
        self._end_sending(sock)

    def _end_sending(self, sock: ToldSocket) -> None:
        if self._options.kind == socket.SOCK_STREAM and not self._options.hold:
            sock.shutdown()

    def _send_stdin(self, sock: ToldSocket) -> None:
        try:
            while data := os.read(sys.stdin.fileno(), RECV):
                sock.sendall(data)
            self._end_sending(sock)
        except OSError:
            return  # it was told; the reader meets the end of the connection as well

    def _receive_stream(self, sock: ToldSocket) -> int:
        while True:
            try:
                data = sock.recv(RECV)
            except TimeoutError:
                if self._still_sending():
                    continue  # the server's turn to be slow comes when we have had ours
                raise
            if not data:
                return WELL
            self._hand_on(data)

    def _receive_datagrams(self, sock: ToldSocket) -> int:
        self._hand_on(sock.recv(_DATAGRAM))
        while self._options.hold:
            try:
                self._hand_on(sock.recv(_DATAGRAM))
            except TimeoutError:
                break  # datagrams have no end; silence is the only one
        return WELL

    def _still_sending(self) -> bool:
        return self._sender is not None and self._sender.is_alive()

    def _hand_on(self, data: bytes) -> None:
        if not self._options.json:
            OUT.data(data)

    def _tell(self, outcome: Outcome) -> None:
        if is_own_timer(outcome) and outcome.call.startswith("recv") and self._still_sending():
            return
        if self._options.json:
            OUT.message(Happened(of_call("once", outcome)))
        elif isinstance(outcome.result, Raised):
            ERR.line(explained(outcome))
