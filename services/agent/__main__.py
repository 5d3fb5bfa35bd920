"""`python3 -m services.agent`: the agent, with its nanny."""

import sys
from collections.abc import Sequence

from services.agent import nanny
from services.agent.console import show, tell
from services.agent.exit_codes import DONE, USAGE, exit_code_of
from services.agent.grammar import UsageError, agent_options
from services.agent.names import addresses_of
from services.agent.program import Setting
from services.messages import say
from socketlab.wire.errors import FaultError, SocketlabError


def main(words: Sequence[str]) -> int:
    """Run the agent.

    Args:
        words: the command line, without the program's name.

    Returns:
        The exit code.
    """
    if {"--help", "-h"} & set(words):
        show(say("agent.help"))
        return DONE
    debug = "--debug" in words
    try:
        options = agent_options(words, addresses_of)
        setting = Setting(
            folder=options.folder,
            journal_folder=options.journal_folder,
            standing=options.standing,
            without=options.without,
        )
        return nanny.watch(setting, debug=debug)
    except (SocketlabError, OSError) as error:
        if debug:
            raise
        tell(str(error))
        return USAGE if isinstance(error, (UsageError, FaultError)) else exit_code_of(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
