"""`scripts/up`: bring what is missing, the lab up, its tour, its table."""

from scripts.machine import lab, networks
from scripts.machine.command import Options, run_command
from scripts.machine.compose import project_name
from scripts.machine.prepare import build, reach_engine
from scripts.machine.steps import step, tell
from socketlab.messages import say

FLAGS = ("--install-engine", "--rebuild")


def up(options: Options) -> int:
    """Do it all; the exit status is the tour's.

    Raises:
        MachineError: a step failed.
    """
    reach_engine(install="--install-engine" in options.flags)
    # Before anything long: a network that is taken is for the user to decide.
    with step("networks") as current:
        wanted, must_move = networks.check(project_name())
        if must_move:
            current.doing("move")
            lab.take_down()
        current.result = " ".join(str(network) for network in wanted.values())
    build(rebuild="--rebuild" in options.flags, tests=False)
    with step("lab") as current:
        lab.bring_up()
        current.done("lab")
    tell("")
    status = lab.tour()
    tell("\n" + say("scripts.hint"))
    return status


if __name__ == "__main__":
    run_command("up", up, FLAGS)
