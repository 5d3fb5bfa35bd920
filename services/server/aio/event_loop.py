"""An asyncio event loop in a thread of its own: uvloop's where it is installed, else Python's own.

Nothing that asyncio itself has to say leaves by another way than our log: neither what it logs, nor what it
hands to its exception handler, which is an exception that nobody caught: a mistake of ours.
"""

import asyncio
import contextlib
import importlib
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from services.server.aio.reading import SIZE
from services.server.log import log

_SLICE: Final = 1.0
"""Seconds between two looks whether the thread that is waited for still lives."""


class EventLoop:
    """A loop and its thread.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self.loop, self.kind, self.buffer = _new_loop()
        self._name = name
        # A daemon: the program ends when the drain's time is up, whatever a peer still does.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.loop.set_exception_handler(self._unexpected)
        _capture_logging()

    def start(self) -> None:
        """Go round from now on."""
        self._thread.start()

    def alive(self) -> bool:
        """Whether it goes round."""
        return self._thread.is_alive()

    def call(self, function: Callable[[], object]) -> None:
        """Call this in the loop's thread and wait until it has returned; here, if there is no such thread."""
        done = threading.Event()

        def run() -> None:
            try:
                function()
            finally:
                done.set()

        try:
            self.loop.call_soon_threadsafe(run)
        except RuntimeError:  # it is closed
            run()
        while not done.wait(_SLICE if self.alive() else 0):
            if not self.alive():
                run()

    def call_from_thread(self, function: Callable[[], object]) -> None:
        """Call this soon in the loop's thread; a closed loop calls nothing."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function)

    def end(self) -> None:
        """Stop, and free what it holds. In its thread, or when there is none."""
        if self.alive():
            self.loop.stop()
        else:
            self.loop.close()

    def _run(self) -> None:
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def _unexpected(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error, transport = context.get("exception"), context.get("transport")
        if transport is not None and isinstance(error, OSError):
            return  # the connection's own affair: connection_lost() is told
        log("ERROR", "crashed", thread=self._name, why=ascii(error or context.get("message")))
        if transport is not None:
            transport.abort()


def _new_loop() -> tuple[asyncio.AbstractEventLoop, str, memoryview | None]:
    """A loop, whose it is, and the buffer that its protocols are to read by (`aio.reading`)."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.SelectorEventLoop(), "asyncio", memoryview(bytearray(SIZE))
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop, f"uvloop {uvloop.__version__}", None


class _ToOurLog(logging.Handler):
    """Hands on what asyncio logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        level = "WARNING" if record.levelno >= logging.WARNING else "DEBUG"
        log(level, "event-loop-says", why=ascii(record.getMessage()))


def _capture_logging() -> None:
    logger = logging.getLogger("asyncio")
    logger.handlers = [_ToOurLog()]
    logger.propagate = False
