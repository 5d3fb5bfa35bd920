"""Programs that the commands call: by an argument list, with their output kept apart from ours."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.machine import ROOT
from scripts.machine.errors import CommandError


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program gave: its exit status, and what it wrote on each stream."""

    status: int
    out: str
    err: str


def ask(
    argv: Sequence[str],
    *,
    extra: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    timeout: float | None = None,
) -> Answer:
    """Run a program to its end, whatever its status.

    Args:
        argv: the program and its arguments.
        extra: variables beside those of our own environment.
        folder: where it runs.
        timeout: seconds after which it is killed.

    Raises:
        FileNotFoundError: there is no such program.
        subprocess.TimeoutExpired: it took longer than `timeout`.
    """
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, **(extra or {})},
        cwd=folder,
        timeout=timeout,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def run(argv: Sequence[str], *, extra: Mapping[str, str] | None = None, folder: Path = ROOT) -> str:
    """Run a program that must succeed, quietly; return what it wrote on stdout.

    Raises:
        CommandError: it failed; carries the end of its output.
        FileNotFoundError: there is no such program.
    """
    answer = ask(argv, extra=extra, folder=folder)
    if answer.status:
        raise CommandError(argv, answer.status, answer.out + answer.err)
    return answer.out


def pipe(source: Sequence[str], sink: Sequence[str]) -> None:
    """Run `source | sink`; both must succeed.

    Raises:
        CommandError: one of them failed.
    """
    with subprocess.Popen(source, stdout=subprocess.PIPE) as first:
        second = subprocess.run(sink, stdin=first.stdout, capture_output=True, text=True, check=False)
    if second.returncode:
        raise CommandError(sink, second.returncode, second.stderr)
    if first.returncode:
        raise CommandError(source, first.returncode, "")


def foreground(argv: Sequence[str], *, extra: Mapping[str, str] | None = None) -> int:
    """Run a program on our own terminal and return its exit status (128 + signal when one ended it).

    Ctrl-C reaches the program too, since it is in our process group: how it ends is its own affair, and
    it gets the time it needs to clean up.
    """
    # A handler, not SIG_IGN: the program would inherit that, and be deaf to Ctrl-C itself.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        with subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **(extra or {})}) as child:
            status = child.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status
