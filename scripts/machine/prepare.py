"""The steps that `up` and `test` have in common."""

from scripts.machine import backend, base_image, compose, environment, lab
from scripts.machine.backend import Backend
from scripts.machine.steps import step


def reach_backend(*, install: bool) -> Backend:
    """Bring an engine that answers, and Compose; or say why network namespaces take their place.

    Args:
        install: the user asked for an engine to be installed.

    Raises:
        LackingError: something is missing that cannot be brought, and that nothing can replace.
    """
    choice = backend.choose(install=install)
    if choice.backend == "docker":
        with step("compose") as current:
            current.done("version", version=compose.ensure(current))
    return choice.backend


def bring_environment(*, tests: bool) -> None:
    """Bring `.venv`.

    Args:
        tests: bring what the tests need, too.

    Raises:
        MachineError: it cannot be made here.
    """
    with step("venv") as current:
        current.done("installed" if environment.ensure(current, tests=tests) else "up-to-date")


def build(*, rebuild: bool) -> None:
    """Bring the base image and the lab's images.

    Args:
        rebuild: make the images again, even where nothing changed.

    Raises:
        MachineError: something is missing and cannot be brought, or could not be built.
    """
    with step("base-image") as current:
        current.result = base_image.ensure(current, remake=rebuild)
    with step("images") as current:
        current.result = ", ".join(lab.build_images(rebuild=rebuild))
