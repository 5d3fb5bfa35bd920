"""`scripts/up`: bring what is missing, the lab up, its tour, its table."""

from scripts.machine import environment, lab, networks
from scripts.machine.command import Options, run_command
from scripts.machine.compose import project_name
from scripts.machine.prepare import bring_environment, build, reach_backend
from scripts.machine.process import foreground
from scripts.machine.steps import step, tell
from socketlab.messages import say

FLAGS = ("--install-engine", "--rebuild")


def up(options: Options) -> int:
    """Do it all; the exit status is the tour's.

    Raises:
        MachineError: a step failed.
    """
    if reach_backend(install="--install-engine" in options.flags) == "namespace":
        return _embedded(debug="--debug" in options.flags)
    # Before anything long: a network that is taken is for the user to decide.
    with step("networks") as current:
        wanted, must_move = networks.check(project_name())
        if must_move:
            current.doing("move")
            lab.take_down()
        current.result = " ".join(str(network) for network in wanted.values())
    bring_environment(tests=False)
    build(rebuild="--rebuild" in options.flags)
    with step("lab") as current:
        lab.bring_up()
        current.done("lab")
    tell("")
    status = lab.tour()
    tell("\n" + say("scripts.hint"))
    return status


def _embedded(*, debug: bool) -> int:
    """The same lab in network namespaces: it lives as long as its tour, whose exit status this is."""
    bring_environment(tests=False)
    command = [str(environment.PYTHON), "-m", "scripts.machine.embedded", *(["--debug"] if debug else [])]
    return foreground(command)


if __name__ == "__main__":
    run_command("up", up, FLAGS)
