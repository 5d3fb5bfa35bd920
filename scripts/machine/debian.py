"""Packages of Debian, for any user, beside whatever the machine itself is.

Theory of operation
    apt can be pointed at folders of its own: its lists, its cache, and an empty database in which nothing
    counts as installed. So it resolves and fetches packages of one suite, checked against Debian's keys,
    without root and without touching the machine. What was fetched stays in the cache, and serves when the
    mirror cannot be reached. They are unpacked, their scripts do not run. Only `install` installs,
    as root, what the machine itself shall have.
"""

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.machine.errors import LackingError
from scripts.machine.process import ask, pipe, run

SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCES = Path("/etc/apt")
MIRROR_VARIABLE = "DEBIAN_MIRROR"

_CONFIGURATION = """\
Dir::Etc::sourcelist "{home}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{home}";
Dir::State::status "{home}/status";
Dir::Cache "{home}";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
"""
_SOURCE = re.compile(r"^(?:URIs:|deb (?:\[[^]]*\] )?)\s*(\S+)", re.MULTILINE)
_CHOSEN = re.compile(r"^Inst (?P<name>\S+) \((?P<version>\S+) [^)]*\[(?P<architecture>\S+)\]\)", re.MULTILINE)


def find_mirror(sources: Iterable[str]) -> str | None:
    """The Debian mirror that the machine's own apt sources name, in either format (sources.list(5)).

    A list of mirrors (`mirror+file:.../debian.list`, as cloud images have) is one too.
    """
    for text in sources:
        for address in _SOURCE.findall(text):
            if address.rstrip("/").removesuffix(".list").endswith("/debian"):
                return str(address)
    return None


def package_files(simulation: str) -> list[str]:
    """File names, as apt caches them, of what `apt-get --simulate install` would install."""
    return [
        f"{found['name']}_{found['version'].replace(':', '%3a')}_{found['architecture']}.deb"
        for found in _CHOSEN.finditer(simulation)
    ]


class Archive:
    """The packages of one Debian suite, through a private apt.

    Args:
        home: the folder of its lists and its cache; kept between runs.

    Raises:
        LackingError: no apt, no keys of Debian or no mirror on this machine.
    """

    def __init__(self, home: Path) -> None:
        mirror = self._mirror()
        for folder in ("lists/partial", "archives/partial"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        (home / "status").touch()
        (home / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n")
        configuration = home / "apt.conf"
        configuration.write_text(_CONFIGURATION.format(home=home))
        self._cache = home / "archives"
        self._apt = {"APT_CONFIG": str(configuration)}

    @staticmethod
    def _mirror() -> str:
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb") and KEYRING.exists()):
            raise LackingError("machine.debian-tools")
        files = [SOURCES / "sources.list", *sorted((SOURCES / "sources.list.d").glob("*"))]
        texts = (file.read_text(errors="replace") for file in files if file.is_file())
        mirror = os.environ.get(MIRROR_VARIABLE) or find_mirror(texts)
        if mirror is None:
            raise LackingError("machine.debian-mirror", variable=MIRROR_VARIABLE)
        return mirror

    def update(self) -> bool:
        """Fetch the suite's lists; False when the mirror cannot be reached and the old ones must do."""
        return ask(["apt-get", "update", "--error-on=any"], extra=self._apt).status == 0

    def fetch(self, names: Sequence[str]) -> list[Path]:
        """Fetch packages and all that they depend on; where they are now, in the cache.

        Raises:
            CommandError: apt could not.
        """
        install = ["apt-get", "install", "--yes", *names]
        run([*install, "--download-only"], extra=self._apt)
        return [self._cache / file for file in package_files(run([*install, "--simulate"], extra=self._apt))]

    def fetch_alone(self, name: str, folder: Path) -> Path:
        """Fetch one package, without what it depends on, into an empty folder.

        Raises:
            CommandError: apt could not.
        """
        run(["apt-get", "download", name], extra=self._apt, folder=folder)
        return next(folder.glob("*.deb"))


def unpack(package: Path, root: Path, without: Sequence[str] = ()) -> None:
    """Unpack a package's files under `root`, as our own, leaving out what matches a pattern of tar's."""
    pipe(
        ["dpkg-deb", "--fsys-tarfile", str(package)],
        ["tar", "--extract", "--directory", str(root), "--keep-directory-symlink", "--no-same-owner"]
        + [f"--exclude={pattern}" for pattern in without],
    )


def install(*packages: str) -> None:
    """Install packages of the machine's own release; takes root.

    Raises:
        CommandError: apt could not.
    """
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update"], extra=quiet)
    run(["apt-get", "install", "--yes", "--no-install-recommends", *packages], extra=quiet)


def cache_folder() -> Path:
    """Where fetched packages are kept (XDG Base Directory)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "socketlab" / f"debian-{SUITE}"
