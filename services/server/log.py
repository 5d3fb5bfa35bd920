"""The server's log: one sink; JSON lines for machines, text for a terminal.

A line is a sentence of the catalogue with its fields. Fields are only ever values and what a peer sent is
among them as `ascii()` shows it, so no peer writes a format or breaks a line.
"""

import dataclasses
import io
import json
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from loguru import logger

from services.messages import say

if TYPE_CHECKING:
    from loguru import Record

_TEXT = "{time:HH:mm:ss.SSS} {level:<7} {message}\n{exception}"
_JSON = "{extra[json]}\n"


class _Sink:
    """What is known of the sink, so that a line which is not written costs nothing."""

    debug = False


def debugging() -> bool:
    """Whether the level DEBUG is written."""
    return _Sink.debug


def set_up(level: str, *, debug: bool) -> None:
    """Choose the sink: JSON lines on standard output, or text on standard error where output is a terminal.

    Args:
        level: name of the lowest level that is written.
        debug: an error that is our own mistake is written with its traceback.
    """
    logger.remove()
    _Sink.debug = level == "DEBUG"
    if sys.stdout.isatty():
        logger.add(sys.stderr, level=level, format=lambda _: _TEXT, backtrace=False, diagnose=False)
    else:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # where the environment says ASCII
        logger.configure(patcher=_add_json)
        logger.add(sys.stdout, level=level, format=lambda _: _JSON, backtrace=False, diagnose=False)

    def crashed(crash: threading.ExceptHookArgs) -> None:
        thread = crash.thread.name if crash.thread else "?"
        logger.opt(exception=crash.exc_value if debug else None).bind(event="crashed", thread=thread).error(
            "{}", say("server.log.crashed", thread=thread, why=ascii(crash.exc_value))
        )

    threading.excepthook = crashed


def log(level: str, event: str, **fields: object) -> None:
    """Write one line.

    Args:
        level: `DEBUG`, `INFO`, `WARNING` or `ERROR`.
        event: which; its sentence is `server.log.<event>`.
        fields: the sentence's.
    """
    logger.bind(event=event, **fields).opt(lazy=True).log(level, "{}", lambda: _sentence(event, fields))


def _sentence(event: str, fields: Mapping[str, object]) -> str:
    listed = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in fields.items()
    }
    return say(f"server.log.{event}", **listed)


def _add_json(record: "Record") -> None:
    line = {
        "time": record["time"].isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "message": record["message"],
        **record["extra"],
    }
    record["extra"]["json"] = json.dumps(line, default=_plain, ensure_ascii=False)


def _plain(value: object) -> object:
    """What a field's value is for `json`, which does not know it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
