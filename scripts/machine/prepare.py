"""The steps that `up` and `test` have in common."""

from scripts.machine import base_image, compose, engine, environment, lab
from scripts.machine.steps import step


def reach_engine(*, install: bool) -> None:
    """Bring an engine that answers, and Compose.

    Args:
        install: the user asked for an engine to be installed.

    Raises:
        LackingError: one of them is missing and cannot be brought.
    """
    with step("engine") as current:
        current.done("version", version=engine.ensure(current, asked=install))
    with step("compose") as current:
        current.done("version", version=compose.ensure(current))


def build(*, rebuild: bool, tests: bool) -> None:
    """Bring `.venv`, the base image and the lab's images.

    Args:
        rebuild: make the images again, even where nothing changed.
        tests: bring what the tests need, too.

    Raises:
        MachineError: something is missing and cannot be brought, or could not be built.
    """
    with step("venv") as current:
        current.done("installed" if environment.ensure(current, tests=tests) else "up-to-date")
    with step("base-image") as current:
        current.result = base_image.ensure(current, remake=rebuild)
    with step("images") as current:
        current.result = ", ".join(lab.build_images(rebuild=rebuild))
