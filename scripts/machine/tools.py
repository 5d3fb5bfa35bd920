"""Tools that some tests need on the machine itself: to make network namespaces, and to look into them."""

import os
import shutil

from scripts.machine.debian import install
from scripts.machine.steps import Step

PACKAGES = {"ip": "iproute2", "nft": "nftables"}
"""Each tool and its package, of the same name in Debian and its kin."""


def missing() -> list[str]:
    """The tools that are not there."""
    return [tool for tool in PACKAGES if shutil.which(tool) is None]


def ensure(step: Step, *, asked: bool) -> list[str]:
    """Install what is missing, where `engine.ensure` would install an engine; what is missing after that.

    Without them tests are skipped, with the reason: it is no error.

    Args:
        step: its line tells what takes long.
        asked: whether the user asked for an engine to be installed.

    Raises:
        CommandError: apt failed.
    """
    allowed = os.geteuid() == 0 and (asked or os.environ.get("CI") == "true")
    if (names := missing()) and allowed and shutil.which("apt-get"):
        step.doing("install")
        install(*(PACKAGES[name] for name in names))
    return missing()
