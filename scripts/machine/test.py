"""`scripts/test`: check the code and run the tests.

stdout is pytest's. The checks say nothing but their line on stderr, unless they find something; then the
tests run all the same, so that one run tells everything. Without an engine no image is built, and the tests
that need one are skipped: pytest says which, and why.
"""

import os

from scripts.machine import ROOT, leftovers, tools
from scripts.machine.backend import NO_ENGINE
from scripts.machine.command import Options, run_command
from scripts.machine.environment import BIN, PYTHON
from scripts.machine.prepare import bring_environment, build, reach_backend
from scripts.machine.process import ask, foreground
from scripts.machine.steps import step, tell
from socketlab.messages import say

FLAGS = ("--install-engine", "--only-tests")
CHECKS = {
    "ruff check": ("ruff", "check", "--quiet"),
    "ruff format": ("ruff", "format", "--check", "--quiet"),
    "mypy": ("mypy",),
    "lint-imports": ("lint-imports", "--no-logo"),
}
CHECKS_FAILED = 1
LEAST_WORKERS = 6
"""A network test mostly waits, so a machine of few cores still runs this many at once."""


def test(options: Options) -> int:
    """Run everything; the exit status is pytest's, or 1 when only a check found something.

    Raises:
        MachineError: a step failed, so nothing was tested.
    """
    may_install = "--install-engine" in options.flags
    backend = reach_backend(install=may_install)
    with step("tools") as current:
        missing = tools.ensure(current, asked=may_install)
        current.done("without" if missing else "tools", names=", ".join(missing))
    bring_environment(tests=True)
    if backend == "docker":
        build(rebuild=False)
        with step("leftovers") as current:
            names = leftovers.remove()
            current.done("removed" if names else "nothing", names=", ".join(names))
    else:
        tell(say("scripts.backend.tests"))
    failed = [] if "--only-tests" in options.flags else [name for name in CHECKS if not _passes(name)]
    workers = max(LEAST_WORKERS, os.cpu_count() or 1)
    # Who chose namespaces beside an engine that answers means it, so the tests do not find that one either.
    status = foreground(
        [str(PYTHON), "-m", "pytest", "-n", str(workers), "--dist", "worksteal", *options.rest],
        extra=NO_ENGINE if backend == "namespace" else None,
    )
    if failed:
        tell(f"scripts/test: {say('error.machine.checks', names=', '.join(failed))}")
    return status or (CHECKS_FAILED if failed else 0)


def _passes(name: str) -> bool:
    """Run a check; what it finds goes to stderr."""
    tool, *arguments = CHECKS[name]
    with step("check") as current:
        current.result = name
        # `services` is not installed anywhere: the root is where the tools find it.
        answer = ask([str(BIN / tool), *arguments], extra={"PYTHONPATH": str(ROOT)})
        if answer.status:
            current.done("found", name=name)
    if answer.status:
        tell((answer.out + answer.err).rstrip())
    return answer.status == 0


if __name__ == "__main__":
    run_command("test", test, FLAGS, takes_rest=True)
