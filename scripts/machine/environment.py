"""The project's `.venv`: this project, and what its tests need at the versions of the lock.

What was installed is written down in the `.venv` as a digest of the file that asked for it, so that a run
that has nothing to install asks nobody.
"""

import hashlib
import importlib.util
import sys
from pathlib import Path

from scripts.machine import ROOT
from scripts.machine.errors import LackingError
from scripts.machine.process import ask, run
from scripts.machine.steps import Step

FOLDER = ROOT / ".venv"
BIN = FOLDER / "bin"
PYTHON = BIN / "python"
PROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "requirements-ci.txt"
_NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"


def ensure(step: Step, *, tests: bool) -> bool:
    """Bring `.venv` up to date; False when it was already.

    Args:
        step: its line tells what takes long.
        tests: install what the tests need, too.

    Raises:
        LackingError: this Python has no pip to put into it.
        CommandError: pip failed.
    """
    missing = [file for file in ((LOCK, PROJECT) if tests else (PROJECT,)) if not _is_installed(file)]
    if _works() and not missing:
        return False
    if not _works():
        step.doing("venv")
        _make()
        missing = [LOCK, PROJECT] if tests else [PROJECT]
    step.doing("install")
    for file in missing:
        _install(file)
    return True


def _works() -> bool:
    """Whether `.venv` has a Python that is new enough and runs: the one it was made of may be gone."""
    return PYTHON.exists() and ask([str(PYTHON), "-c", _NEW_ENOUGH]).status == 0


def _make() -> None:
    if importlib.util.find_spec("ensurepip") is None:  # Debian and its kin have it in a package of its own
        raise LackingError(
            "machine.ensurepip", package=f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        )
    run([sys.executable, "-m", "venv", "--clear", str(FOLDER)])


def _install(file: Path) -> None:
    """Install what a file asks for: the lock, by its hashes, or the project itself, as it stands here."""
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if file == LOCK:
        run([*pip, "--require-hashes", "--requirement", str(LOCK)])
    else:
        run([*pip, *_offline_build(), "--editable", str(ROOT)])
    _stamp(file).write_text(_digest(file))


def _offline_build() -> list[str]:
    """With the lock's build backend there, pip needs fetch none."""
    return ["--no-build-isolation", "--no-deps"] if _is_installed(LOCK) else []


def _stamp(file: Path) -> Path:
    return FOLDER / f"installed-{file.name}"


def _is_installed(file: Path) -> bool:
    return _stamp(file).exists() and _stamp(file).read_text() == _digest(file)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
