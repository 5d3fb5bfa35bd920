"""docs/faults: its program and its plan do what they say, and both languages show the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from socketlab.faults.plans import file
from socketlab.hosts.lab import Lab
from socketlab.hosts.namespace import probe
from socketlab.wire.message import Add, decode
from tests.namespace.docs.test_labs_page import blocks

ROOT = Path(__file__).parents[3]
ENGLISH = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
SPANISH = (ROOT / "docs/faults.es.md").read_text(encoding="utf-8")
SECONDS = 60.0


@pytest.fixture
def usable() -> None:
    if not (found := probe(keep=False)).usable:
        pytest.skip(found.why)


def test_the_program_of_the_page_runs(usable: None) -> None:
    del usable
    (code,) = blocks(ENGLISH, "python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1\nconnect: timed out\n"), done.stderr


def test_the_plan_of_the_page_does_what_it_says(usable: None) -> None:
    del usable
    (text,) = blocks(ENGLISH, "yaml")
    plan = file.parse("outage.yaml", text.encode())
    assert plan.lab is not None
    with Lab(plan.lab.spec, "namespace", plan.lab.services) as demo:
        result = plan.run(demo)
    assert result.ok, result


def test_the_line_of_the_page_is_one_of_the_protocol() -> None:
    (line,) = blocks(ENGLISH, "json")
    message = decode(line.strip().encode())
    assert isinstance(message, Add)
    assert json.loads(line)["id"] == message.id


def test_both_languages_show_the_same() -> None:
    for language in ("python", "yaml", "json"):
        assert blocks(ENGLISH, language) == blocks(SPANISH, language)
    assert ENGLISH.count("\n#") == SPANISH.count("\n#")
    assert ENGLISH.count("\n|") == SPANISH.count("\n|")
    assert ENGLISH.count("```") == SPANISH.count("```")
