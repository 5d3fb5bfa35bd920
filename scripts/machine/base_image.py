"""The image that the lab's images start from.

Theory of operation
    With a registry in reach it is the official Python image. Without one it is made from Debian's own
    packages: they are unpacked into a folder, what their scripts would have done and a host needs is done
    by hand, and the folder is imported as an image. That takes apt, an engine and no root. The recipe's
    digest is a label of the image, so that another recipe makes another image.
"""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from scripts.machine import dotenv
from scripts.machine.debian import SUITE, Archive, cache_folder, unpack
from scripts.machine.docker_cli import has_image, inspect
from scripts.machine.errors import LackingError
from scripts.machine.process import ask, pipe
from scripts.machine.steps import Step

VARIABLE = "BASE_IMAGE"
OFFICIAL = "python:3.13-slim"
OFFLINE = f"socketlab-base:{SUITE}"
RECIPE_LABEL = "org.socketlab.base"
PULL_DEADLINE = 120.0
"""Seconds a pull may take. Where no registry is in reach it mostly fails at once."""

PACKAGES = (
    *("base-files", "base-passwd", "netbase"),  # the file tree, users, /etc/protocols and /etc/services
    *(
        "dash",
        "bash",
        "coreutils",
        "findutils",
        "grep",
        "sed",
        "mawk",
        "hostname",
        "libc-bin",
    ),  # a shell to look around
    *(
        "python3-minimal",
        "libpython3-stdlib",
        "python3-loguru",
        "python3-dnspython",
    ),  # what the lab's programs run on
    "strace",  # shows a program's socket calls: `socketlab exec --trace`
    *("nftables", "iproute2"),  # to look at what an agent did to the network
    "iptables",  # what an agent filters with where the kernel has no nf_tables (agent --without)
)
_LEFT_OUT = (
    *("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/info/*", "./usr/share/locale/*"),
    *("./usr/share/zoneinfo/*", "./usr/lib/systemd/*", "./usr/lib/*/gconv/*"),
)
_UNNEEDED = ("dpkg", "perl", "perl-base", "debconf", "adduser")
"""Packages that others depend on for their scripts only, which do not run here."""
_LINKS = {"usr/bin/sh": "dash", "usr/bin/awk": "mawk", "usr/bin/python": "python3"}
_AS_ROOT = ("--numeric-owner", "--owner=0", "--group=0")
_SETTINGS = (
    "ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1",
    'CMD ["python3"]',
    'LABEL org.opencontainers.image.title="socketlab base"',
    'LABEL org.opencontainers.image.description="Python, nftables, iptables, iproute2 of Debian"',
)


def ensure(step: Step, *, remake: bool) -> str:
    """The name of a base image that the engine holds, written to `.env` for Compose.

    It is the one that `BASE_IMAGE` asks for (in the environment or in `.env`), else the official one, else
    one made from Debian's packages.

    Args:
        step: its line tells what takes long.
        remake: make an image of our own again, even where it is up to date.

    Raises:
        LackingError: the image that was asked for, or any at all, cannot be had here.
    """
    noted = dotenv.settings().get(VARIABLE)
    asked = os.environ.get(VARIABLE) or (noted if noted not in {OFFICIAL, OFFLINE} else None)
    if asked is not None and asked != OFFLINE:
        chosen = asked
        if not _has_or_pulls(asked, step):
            raise LackingError("machine.base-image", image=asked, variable=VARIABLE)
    elif OFFLINE not in {asked, noted} and _has_or_pulls(OFFICIAL, step):
        chosen = OFFICIAL
    else:
        chosen = OFFLINE
        if remake or not is_current(OFFLINE):
            step.doing("base-image")
            make(OFFLINE)
    dotenv.set_setting(VARIABLE, chosen)
    return chosen


def _has_or_pulls(image: str, step: Step) -> bool:
    if has_image(image):
        return True
    step.doing("pull", image=image)
    try:
        return ask(["docker", "pull", "--quiet", image], timeout=PULL_DEADLINE).status == 0
    except subprocess.TimeoutExpired:
        return False


def recipe_digest() -> str:
    """A digest of the recipe, which is this file. The packages' versions are the mirror's affair."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def is_current(image: str) -> bool:
    """Whether the engine holds this image, made by this recipe."""
    made = inspect("image", [image])
    return bool(made) and (made[0]["Config"].get("Labels") or {}).get(RECIPE_LABEL) == recipe_digest()


def make(image: str) -> None:
    """Make a base image from Debian's packages.

    Args:
        image: the name it gets.

    Raises:
        LackingError: this machine cannot read Debian's packages.
        CommandError: apt, tar or the engine failed.
    """
    archive = Archive(cache_folder())
    archive.update()
    packages = [file for file in archive.fetch(PACKAGES) if file.name.partition("_")[0] not in _UNNEEDED]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        # base-files first: it brings the links that make /bin and /usr/bin one.
        for package in sorted(packages, key=lambda file: not file.name.startswith("base-files_")):
            unpack(package, root, _LEFT_OUT)
        _finish(root)
        _import(root, image)


def _finish(root: Path) -> None:
    """Do what the packages' scripts would have done, as far as a host needs it."""
    for name in ("passwd", "group"):
        (root / "etc" / name).write_bytes((root / f"usr/share/base-passwd/{name}.master").read_bytes())
    (root / "usr/local/bin").mkdir(parents=True, exist_ok=True)
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for link, target in _LINKS.items():
        (root / link).unlink(missing_ok=True)
        (root / link).symlink_to(target)


def _import(root: Path, image: str) -> None:
    """Import a folder as an image; equal folders give equal layers."""
    changes = [*_SETTINGS, f"LABEL {RECIPE_LABEL}={recipe_digest()}"]
    pipe(
        ["tar", "--directory", str(root), "--sort=name", "--mtime=@0", *_AS_ROOT, "--create", "."],
        ["docker", "import", *(part for change in changes for part in ("--change", change)), "-", image],
    )
