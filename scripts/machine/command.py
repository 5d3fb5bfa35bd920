"""What every command shares: its options, its exit statuses, its last word."""

import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from scripts.machine.errors import MachineError, UsageError
from scripts.machine.steps import tell
from socketlab.messages import say

CRASHED = 3
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Options:
    """A command line, read.

    Attributes:
        flags: those of the command's own flags that were given.
        rest: everything else, in order.
    """

    flags: frozenset[str]
    rest: tuple[str, ...]


def read_options(argv: Sequence[str], known: frozenset[str], *, takes_rest: bool) -> Options:
    """Sort a command line into the command's own flags and the rest.

    Args:
        argv: the arguments.
        known: the command's flags, with their dashes.
        takes_rest: whether other arguments are welcome (they are another program's). What follows `--`
            is never a flag of ours.

    Raises:
        UsageError: there are other arguments, and they are not welcome.
    """
    ours, dashes, theirs = _cut(argv)
    flags = frozenset(argument for argument in ours if argument in known)
    rest = tuple(argument for argument in ours if argument not in known) + theirs
    if (rest or dashes) and not takes_rest:
        raise UsageError("machine.option", seen=rest[0] if rest else "--", expected=" ".join(sorted(known)))
    return Options(flags, rest)


def _cut(argv: Sequence[str]) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
    """Cut a command line at `--`."""
    if "--" not in argv:
        return tuple(argv), False, ()
    at = argv.index("--")
    return tuple(argv[:at]), True, tuple(argv[at + 1 :])


def run_command(
    name: str, work: Callable[[Options], int], known: Sequence[str], *, takes_rest: bool = False
) -> NoReturn:
    """Run a command and exit with its status.

    Args:
        name: of the command; its help is the sentence `help.<name>`.
        work: does it, and returns the exit status.
        known: the command's flags, beside `--help` and `--debug`.
        takes_rest: whether it takes other arguments too.
    """
    debug = "--debug" in _cut(sys.argv[1:])[0]
    try:
        options = read_options(
            sys.argv[1:], frozenset({*known, "--debug", "--help", "-h"}), takes_rest=takes_rest
        )
        if options.flags & {"--help", "-h"}:
            sys.stdout.write(say(f"scripts.help.{name}") + "\n")
            sys.exit(0)
        sys.exit(work(options))
    except KeyboardInterrupt:
        tell(say(f"scripts.interrupted.{name}"))
        sys.exit(INTERRUPTED)
    except MachineError as error:
        _last_word(name, str(error), debug=debug)
        sys.exit(error.status)
    except Exception as error:  # noqa: BLE001 - the edge of the program: a traceback is for --debug only
        _last_word(
            name, say("error.machine.unexpected", seen=f"{type(error).__name__}: {error}"), debug=debug
        )
        sys.exit(CRASHED)


def _last_word(name: str, sentence: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    tell(f"scripts/{name}: {sentence}")
