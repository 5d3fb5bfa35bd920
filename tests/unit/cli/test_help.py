"""Help, usage errors and versions: what a new user meets, in a process of its own as the user starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from socketlab import __version__
from socketlab.cli.group import COMMANDS
from socketlab.faults.words import ALL_KINDS

ROOT = Path(__file__).parents[3]
GROUPS = {
    "fault": ("add", "list", "heal", "kinds", "log", "watch", "step"),
    "plan": ("run", "check", "schema"),
}
HIDDEN = ("fcntl", "termios", "tty", "pty", "resource", "pwd", "grp", "readline", "syslog")
"""What Windows has not; macOS has less than Linux of others."""


def run(*argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "socketlab", *argv],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environ},
    )


MANY = """
import contextlib, io, json, sys
from socketlab.cli.edge import run
told = []
for argv in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        status = run(argv)
    told.append([status, out.getvalue(), err.getvalue()])
json.dump(told, sys.stdout)
"""


def run_many(lines: list[list[str]], locale: str = "C.UTF-8") -> list[tuple[int, str, str]]:
    """Exit status, output and errors of command lines, all in one process: starting it takes long."""
    done = subprocess.run(
        [sys.executable, "-c", MANY],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
        env={**os.environ, "LC_ALL": locale},
    )
    return [(status, out, err) for status, out, err in json.loads(done.stdout)]


@pytest.mark.parametrize(
    ("locale", "usage", "example"), [("C.UTF-8", "Usage:", "Example:"), ("es_ES.UTF-8", "Uso:", "Ejemplo:")]
)
def test_every_command_has_help_with_an_example(locale: str, usage: str, example: str) -> None:
    for command, told in zip(COMMANDS, run_many([[name, "-h"] for name in COMMANDS], locale), strict=True):
        status, out, err = told
        assert (status, err) == (0, "")
        assert out.startswith(f"{usage} socketlab {command}")
        assert f"socketlab {command}" in out.partition(example)[2]


@pytest.mark.parametrize("locale", ["C.UTF-8", "es_ES.UTF-8"])
def test_every_command_of_a_command_has_help_with_an_example(locale: str) -> None:
    words = [[group, name, "-h"] for group, names in GROUPS.items() for name in names]
    for (group, name, _), (status, out, err) in zip(words, run_many(words, locale), strict=True):
        assert (status, err) == (0, "")
        assert f" socketlab {group} {name}" in out.splitlines()[0]
        assert out.count(f"socketlab {group} ") >= 2
    told = run_many([[group] for group in GROUPS], locale)
    for names, (status, out, _) in zip(GROUPS.values(), told, strict=True):
        assert status == 0
        assert [line.split()[0] for line in out.splitlines()[-len(names) :]] == list(names)


def test_kinds_of_fault_are_shown_without_a_lab() -> None:
    (status, out, err), (_, told, _) = run_many([["fault", "kinds"], ["fault", "kinds", "--json"]])
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) < 80
    kinds = {each["kind"]: each for each in json.loads(told)["kinds"]}
    assert tuple(kinds) == ALL_KINDS
    for each in kinds.values():
        assert each["variants"]
        for variant in each["variants"]:
            assert variant.get("effect") or all(variant["effects"].values())


def test_without_a_lab_a_fault_command_says_what_to_do(tmp_path: Path) -> None:
    done = run("fault", "list", XDG_RUNTIME_DIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (3, "")
    assert "socketlab attach --project" in done.stderr
    assert "docker compose exec" in done.stderr


def test_the_groups_help_names_every_command() -> None:
    done = run()
    assert done.stdout == run("--help").stdout
    lines = done.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)


def test_a_console_without_utf8_gets_ascii() -> None:
    done = run("up", "-h", LC_ALL="es_ES")
    assert "dejalo" not in done.stdout
    assert done.stdout.isascii()
    assert "Cierralo tras este tiempo" in done.stdout


def test_the_version() -> None:
    assert run("--version").stdout == f"socketlab {__version__}\n"


NONSENSE: list[tuple[list[str], str]] = [
    (["frob"], "no such command: frob. Expected one of: up, down"),
    (["up", "--frob"], "no such option: --frob"),
    (["up", "--backend", "vm"], "expected one of auto, docker, namespace"),
    (["up", "a/b"], "a lab's name is up to 40"),
    (["up", "--ttl", "soon"], "expected a time like 30s"),
    (["up", "--ttl", "0"], "expected a time like 30s"),
    (["up", "-f", "x.yaml", "--hosts", "a"], "leave out --hosts"),
    (["exec", "client"], "PROGRAM [ARGUMENT]... is missing"),
    (["down", "x", "--all"], "give one of them"),
    (["completion", "tcsh"], "expected one of bash, zsh, fish"),
    (["fault", "ad"], "no such command: ad. Expected one of: add, list"),
    (["fault", "add", "server", "dorp"], "did you mean drop?"),
    (["fault", "add", "server", "drop", "--prot", "tcp"], "did you mean --proto?"),
    (["fault", "add", "server", "drop", "--port", "0"], "expected a port from 1 to 65535"),
    (["fault", "add", "server", "loss", "130%"], "expected a probability"),
    (["fault", "add", "drop", "--port", "7000"], "socketlab fault add HOST drop"),
    (["fault", "add", "server", "partition", "a", "/", "b"], "leave out the host"),
    (["fault", "add", "server", "pause", "--for", "soon"], "expected a time like 30s"),
    (["fault", "heal"], "Give their ids"),
    (["fault", "heal", "1", "--all"], "Give their ids"),
    (["fault", "kinds", "dorp"], "did you mean drop?"),
    (["fault", "step", "--drop", "1", "--release", "1"], "one packet at a time"),
    (["plan", "run", "none.yaml"], "cannot be read"),
    (["plan", "run", "none.py"], "run it itself"),
]


def test_command_lines_that_make_no_sense() -> None:
    told = run_many([argv for argv, _ in NONSENSE])
    for (argv, said), (status, out, err) in zip(NONSENSE, told, strict=True):
        assert (status, out) == (2, ""), argv
        assert err.startswith("socketlab: ")
        assert said in err
        assert "Traceback" not in err


def test_help_of_everything_works_where_linux_only_modules_are_missing() -> None:
    hidden = f"""
import sys
for name in {HIDDEN!r}:
    sys.modules[name] = None
from socketlab.cli.edge import run
words = [[]] + [[name, "-h"] for name in {tuple(COMMANDS)!r}]
sys.exit(sum(run(each) for each in words))
"""
    done = subprocess.run(
        [sys.executable, "-c", hidden], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("--debug") == 1 + len(COMMANDS)


def test_help_loads_neither_rich_nor_a_labs_modules() -> None:
    source = """
import sys
from socketlab.cli.edge import run
run(["--help"])
print([name for name in sys.modules if name.partition(".")[0] in ("rich", "yaml", "docker")
       or name.startswith(("socketlab.hosts", "socketlab.holder", "socketlab.sockets"))], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert done.stderr == "[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_completion(shell: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0
    assert "_SOCKETLAB_COMPLETE" in done.stdout


def test_commands_complete() -> None:
    done = run(_SOCKETLAB_COMPLETE="bash_complete", COMP_WORDS="socketlab s", COMP_CWORD="1")
    assert done.stdout.split() == ["plain,status", "plain,shell"]


def test_a_closed_pipe_is_no_traceback() -> None:
    source = f"{sys.executable} -m socketlab --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", source], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert done.stderr == ""


@pytest.mark.parametrize("page", ["commands.md", "commands.es.md"])
def test_the_docs_tell_of_every_command(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"| `{name}" not in text] == []
