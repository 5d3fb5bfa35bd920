"""A load generator that is run, and what it tells."""

import contextlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

from scripts.machine import ROOT
from scripts.machine.bench.cores import on_core
from scripts.machine.bench.failures import FailedRunError, last_words

PATIENCE: Final = 60.0
"""Seconds beyond its own time after which a generator is killed: opening 1,000 connections may take some."""

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stops:
    """Called while the generator stands still and the server has nothing to do.

    Args:
        ready: everything is open, measuring is about to begin.
        answered: every operation is answered, everything is still open.
    """

    ready: Callable[[], None]
    answered: Callable[[], None]


def stepped(argv: Sequence[str], core: int, seconds: float, stops: Stops) -> Result:
    """Run `benchmarks/load.c` with its two stops; its result.

    Args:
        argv: the program and its arguments.
        core: where it runs.
        seconds: how long it is expected to run.
        stops: called at the stops.

    Raises:
        FailedRunError: it ended without a result, or did not end.
    """
    result = ""
    with _started([*argv, "--stepped"], core, seconds) as (to_it, from_it):
        if from_it.readline() == "ready\n":
            stops.ready()
            with contextlib.suppress(BrokenPipeError):  # it has just died: its status will tell
                os.write(to_it.fileno(), b"\n")
            result = from_it.readline()
        if result:
            stops.answered()
    return _read(result)


def straight(argv: Sequence[str], core: int, seconds: float) -> Result:
    """Run a generator to its end; its result, which is its last line on stdout.

    Raises:
        FailedRunError: it ended without a result, or did not end.
    """
    with _started(argv, core, seconds) as (_to_it, from_it):
        said = from_it.read()
    return _read(last_words(said))


@contextlib.contextmanager
def _started(argv: Sequence[str], core: int, seconds: float) -> Iterator[tuple[IO[str], IO[str]]]:
    """A generator's stdin and stdout; when these are done with, it must end, and well."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        with on_core(core):
            process = subprocess.Popen(
                argv,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                process_group=0,
            )
        alarm = threading.Timer(seconds + PATIENCE, process.kill)
        alarm.start()
        try:
            with process:
                try:
                    if process.stdin and process.stdout:  # mypy: they are pipes
                        yield process.stdin, process.stdout
                except BaseException:
                    process.kill()  # or leaving `with` would wait for it
                    raise
        finally:
            alarm.cancel()
        if process.returncode:
            errors.seek(0)
            raise FailedRunError(
                "machine.bench-generator", status=process.returncode, seen=last_words(errors.read())
            )


def _read(line: str) -> Result:
    try:
        result: Result = json.loads(line)
    except ValueError:
        raise FailedRunError("machine.bench-result", seen=line.strip() or "-") from None
    return result
