"""What `compose.yaml` says stands in one table with what the programs use."""

import re
from pathlib import Path

import pytest

from services import ports

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
STANDING = re.findall(r"--standing=(.*)", COMPOSE)


def test_the_firewall_stands_before_the_ports_of_the_table() -> None:
    firewall = {
        (words[0], int(words[words.index("--port") + 1]))
        for words in map(str.split, STANDING)
        if "--port" in words
    }
    assert firewall == {
        ("drop", ports.DROPPED),
        ("reject", ports.REJECTED_RST),
        ("reject", ports.REJECTED_ICMP),
    }


def test_the_unrouted_addresses_are_inside_the_thrown_networks() -> None:
    throws = [words.split()[-1] for words in STANDING if words.startswith("route throw")]
    assert len(throws) == 2, "one a family"
    assert 'SOCKETLAB_UNROUTED: "${LAB_NET:-10.213.7}.225"' in COMPOSE
    assert throws[0] == "${LAB_NET:-10.213.7}.224/27"
    assert 'SOCKETLAB_UNROUTED6: "${LAB_NET6:-fd00:213:7:0}::e001"' in COMPOSE
    assert throws[1] == "${LAB_NET6:-fd00:213:7:0}::e000/116"


def test_one_variable_a_family_moves_the_lab() -> None:
    assert set(re.findall(r"10\.213\.7\b(?!\})", re.sub(r"(?m)^#.*$", "", COMPOSE))) == set()
    assert not re.findall(r"(?<!LAB_NET6:-)fd00:213", re.sub(r"(?m)^#.*$", "", COMPOSE))


@pytest.mark.parametrize("file", ["Dockerfile.server", "Dockerfile.client", "Dockerfile.agent"])
def test_a_dockerfile_follows_the_rules(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert "# syntax" not in text, "that line is an image to pull"
    assert re.search(r"^USER \d+:\d+$", text, re.MULTILINE), "a numeric user"
    assert "STOPSIGNAL SIGTERM" in text
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)
    assert re.search(r'^CMD \["python3"', text, re.MULTILINE), "exec form"
    assert "org.opencontainers.image.licenses" in text
    assert not re.search(r"^(ADD|ENTRYPOINT) ", text, re.MULTILINE)


def test_the_version_is_the_same_everywhere() -> None:
    version = re.search(
        r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert version is not None
    assert set(re.findall(r"image: socketlab/\w+:(.*)", COMPOSE)) == {version[1]}
    for file in ("Dockerfile.server", "Dockerfile.client", "Dockerfile.agent"):
        assert f"ARG VERSION={version[1]}" in (ROOT / file).read_text(encoding="utf-8")
