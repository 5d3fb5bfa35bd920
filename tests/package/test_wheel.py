"""What a user installs: the wheel, in an environment that holds nothing else."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from socketlab.wire.text import LANGUAGES

ROOT = Path(__file__).parents[2]

# Not on Windows, some not on macOS either: `import socketlab` must not ask for them.
UNIX_ONLY = ["fcntl", "grp", "pwd", "pty", "resource", "syslog", "termios", "tty"]
IMPORT_WITHOUT_UNIX = f"""
import sys
for name in {UNIX_ONLY!r}:
    sys.modules[name] = None      # what import finds for a module that is not there
import socketlab, socketlab.wire
print(socketlab.__version__, socketlab.__file__)
assert "socket" not in sys.modules, "the wire does no I/O"
match = socketlab.wire.Match(port=7000, proto="tcp")
line = socketlab.wire.encode(socketlab.wire.Add(id=1, fault=socketlab.wire.Drop(match)))
assert socketlab.wire.decode(line).fault.match == match
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as `python -m build` builds it, by the hatchling that the lock names."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    (built,) = out.glob("*.whl")
    return built


def test_nothing_but_socketlab_lands_in_site_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    dist_info = f"{wheel.name.rsplit('-py3', 1)[0]}.dist-info"
    assert {name.split("/")[0] for name in names} == {"socketlab", dist_info}
    assert {"socketlab/py.typed", *(f"socketlab/wire/messages/{code}.toml" for code in LANGUAGES)} <= set(
        names
    )


def test_it_imports_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "clean", with_pip=False)
    python = tmp_path / "clean" / "bin" / "python"
    # pip of this environment, into that one: the clean one then holds the wheel and nothing else, not what
    # the wheel asks for: `import socketlab` loads none of it.
    install = ["-m", "pip", "--python", str(python), "install", "-q", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([sys.executable, *install], check=True, capture_output=True, timeout=100)

    run = subprocess.run(
        [python, "-I", "-W", "error", "-c", IMPORT_WITHOUT_UNIX],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert run.stderr == ""
    assert run.returncode == 0
    assert str(tmp_path) in run.stdout
