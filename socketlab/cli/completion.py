"""`socketlab completion`: the script that makes a shell complete commands, labs and hosts."""

import click
from click.shell_completion import get_completion_class

from socketlab.cli.group import command, socketlab
from socketlab.messages import say

SHELLS = ("bash", "zsh", "fish")


@command("completion")
@click.argument("shell", type=click.Choice(SHELLS), metavar=say("cli.metavar.shell"))
def completion(shell: str) -> None:
    """Print the script on stdout."""
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click has all three
    complete = found(socketlab, {}, "socketlab", "_SOCKETLAB_COMPLETE")
    click.echo(complete.source_template % complete.source_vars())
