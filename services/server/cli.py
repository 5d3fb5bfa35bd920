"""The server's command: read the command line, serve in the foreground or as a daemon, end with its code.

0 after SIGTERM or Ctrl-C; 1 a mistake of ours; 2 the command line makes no sense; 4 something cannot be had.
Who starts a daemon gets the daemon's code, and 0 as soon as it serves.
"""

import os
import sys
import traceback
from collections.abc import Sequence

from services.messages import say
from services.server.arguments import Command, parse
from services.server.daemon import Started, daemonize
from services.server.errors import EXIT_BUG, EXIT_OK, ServerError, complain
from services.server.listeners import Bound


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    started: Started | None = None
    try:
        command = parse(arguments)
        if command.background:
            started = daemonize(command.background.pid_file, command.background.log_file)
        _serve(command, started)
    except Exception as error:  # noqa: BLE001 - the last place where a mistake of ours becomes a sentence
        if "--debug" in arguments:
            traceback.print_exc()
        code, sentence = _judged(error)
        complain(sentence)
        if started:
            started.failed(sentence, code)
        return code
    finally:
        if started:
            started.close()
    return EXIT_OK


def _serve(command: Command, started: Started | None) -> None:
    """Serve until the stop; tell who started it when everything is served."""
    # Only now: these import loguru, and `--help` or a mistake need not wait for it. Nor does a daemon's log
    # go anywhere else than where its standard output is by now.
    from services.server.log import set_up  # noqa: PLC0415
    from services.server.program import run  # noqa: PLC0415

    def on_serving(where: Sequence[Bound]) -> None:
        if started:
            bound = ", ".join(map(str, where))
            started.ready(say("server.daemon", bound=bound, pid=os.getpid()))

    set_up(command.log_level, debug=command.debug)
    run(command.options, on_serving)


def _judged(error: Exception) -> tuple[int, str]:
    """The exit code of an error, and its sentence."""
    if isinstance(error, ServerError):
        return error.exit_code, str(error)
    return EXIT_BUG, say("error.server.bug", why=ascii(error))
