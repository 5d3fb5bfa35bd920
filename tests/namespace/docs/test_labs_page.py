"""docs/labs: its programs run, its file opens, and both languages show the same."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from socketlab.hosts import differences, file
from socketlab.hosts.namespace import probe

ROOT = Path(__file__).parents[3]
ENGLISH = (ROOT / "docs/labs.md").read_text(encoding="utf-8")
SPANISH = (ROOT / "docs/labs.es.md").read_text(encoding="utf-8")
SECONDS = 60.0


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def without_comments(code: str) -> str:
    return re.sub(r"  #.*", "", code)


@pytest.mark.parametrize("number", range(len(blocks(ENGLISH, "python"))))
def test_a_program_of_the_page_runs(number: int) -> None:
    if not (found := probe(keep=False)).usable:
        pytest.skip(found.why)
    code = blocks(ENGLISH, "python")[number].replace("lab(", 'partial(lab, backend="namespace")(', 1)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"from functools import partial\n{code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"b'hello'|0 b'hi", done.stdout), done.stdout


def test_the_file_of_the_page_is_one() -> None:
    (text,) = blocks(ENGLISH, "yaml")
    found = file.parse("lab.yaml", text.encode())
    assert [host.name for host in found.spec.hosts] == ["client", "gateway", "web", "dns"]
    assert list(found.services) == ["web"]


def test_both_languages_show_the_same() -> None:
    assert blocks(ENGLISH, "yaml") == blocks(SPANISH, "yaml")
    programs = [[without_comments(code) for code in blocks(text, "python")] for text in (ENGLISH, SPANISH)]
    assert programs[0] == programs[1]
    assert ENGLISH.count("\n#") == SPANISH.count("\n#")
    assert ENGLISH.count("\n|") == SPANISH.count("\n|")


@pytest.mark.parametrize(("text", "code"), [(ENGLISH, "en"), (SPANISH, "es")], ids=["en", "es"])
def test_what_still_differs_is_the_table_of_the_code(text: str, code: str) -> None:
    _, _, after = text.partition("<!-- differences")
    shown = [line for line in after.partition("<!-- /differences")[0].splitlines() if line.startswith("|")]
    lines = [(each.what, each.docker, each.namespace, each.why) for each in differences.table(code)]
    assert shown[2:] == [f"| {' | '.join(line)} |" for line in lines]
