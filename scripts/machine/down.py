"""`scripts/down`: take the lab down and leave nothing of it.

A lab in network namespaces goes with the tour of `scripts/up`: there is nothing of it to take down.
"""

from scripts.machine import backend, base_image, compose, engine, lab
from scripts.machine.command import Options, run_command
from scripts.machine.engine import State
from scripts.machine.steps import step, tell
from socketlab.messages import say

FLAGS = ("--images",)


def down(options: Options) -> int:
    """Remove the lab, and with `--images` its images.

    Raises:
        MachineError: the engine or Compose is missing or failed.
    """
    if backend.asked() == "namespace" or (backend.asked() == "auto" and engine.look().state is State.ABSENT):
        tell(say("scripts.backend.down"))
        return 0
    engine.require()
    compose.require()
    with step("down") as current:
        removed = lab.take_down()
        current.done(
            "down", containers=removed.containers, networks=removed.networks, volumes=removed.volumes
        )
    if "--images" in options.flags:
        with step("images") as current:
            # The official base image is not ours to remove: other work may stand on it.
            names = lab.remove_images([*lab.image_names(), base_image.OFFLINE])
            current.done("removed" if names else "nothing", names=", ".join(names))
    return 0


if __name__ == "__main__":
    run_command("down", down, FLAGS)
