"""What a killed run left goes, and nothing else. On the engine itself."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from scripts.machine import leftovers
from scripts.machine.docker_cli import docker
from scripts.machine.process import ask
from scripts.machine.run_lock import RUN_LABEL
from tests.unit.machine.test_run_lock import another_run

pytestmark = pytest.mark.docker


class Things:
    """A lab as a run leaves it: a network, a host on it, its sidecar, a volume.

    Args:
        image: what the containers are made of.
        label: the run they belong to; None for none.
    """

    def __init__(self, image: str, label: str | None) -> None:
        self.name = f"socketlab-test-{secrets.token_hex(4)}"
        self.labels = ["--label", f"org.socketlab.lab={self.name}"]
        if label is not None:
            self.labels += ["--label", f"{RUN_LABEL}={label}"]
        subnet = f"10.214.{secrets.randbelow(256)}.{8 * secrets.randbelow(32)}/29"
        docker("network", "create", "--internal", "--subnet", subnet, *self.labels, self.name)
        docker("volume", "create", *self.labels, self.name)
        self._run("host", image, f"--network={self.name}", f"--volume={self.name}:/volume")
        self._run("sidecar", image, f"--network=container:{self.name}-host")

    def _run(self, role: str, image: str, *arguments: str) -> None:
        docker(
            "run",
            "--detach",
            "--init",
            *self.labels,
            *arguments,
            f"--name={self.name}-{role}",
            image,
            "sleep",
            "120",
        )

    def left(self) -> list[str]:
        """What is still there."""
        things = [("container", "-sidecar"), ("container", "-host"), ("network", ""), ("volume", "")]
        return [
            kind
            for kind, ending in things
            if ask(["docker", kind, "inspect", f"{self.name}{ending}"]).status == 0
        ]

    def remove(self) -> None:
        """Remove it all, sidecar first."""
        ask(["docker", "rm", "--force", f"{self.name}-sidecar", f"{self.name}-host"])
        ask(["docker", "network", "rm", self.name])
        ask(["docker", "volume", "rm", self.name])


ALL = ["container", "container", "network", "volume"]


@contextmanager
def things(image: str, label: str | None) -> Iterator[Things]:
    made = Things(image, label)
    try:
        yield made
    finally:
        made.remove()


def test_only_what_a_run_of_ours_that_is_over_left_is_removed(image: str) -> None:
    with ExitStack() as stack:
        killed, its_label = stack.enter_context(another_run())
        _, live_label = stack.enter_context(another_run())
        left = stack.enter_context(things(image, its_label))
        kept = {
            "of a live run": stack.enter_context(things(image, live_label)),
            "without a label": stack.enter_context(things(image, None)),
            "with an empty one": stack.enter_context(things(image, "")),
            "of another machine": stack.enter_context(things(image, "another-machine:/nowhere/x.lock")),
        }
        leftovers.remove()
        assert left.left() == ALL, "its run is alive: it must stay"

        killed.send_signal(signal.SIGKILL)
        killed.wait()
        leftovers.remove()

        assert left.left() == []
        assert {why: made.left() for why, made in kept.items()} == dict.fromkeys(kept, ALL)
