"""The tools of the machine that some tests need."""

from pathlib import Path

import pytest

from scripts.machine import tools
from scripts.machine.steps import Step


def test_what_is_not_on_the_path_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.missing() == ["ip", "nft"]
    (tmp_path / "ip").touch(mode=0o755)
    assert tools.missing() == ["nft"]


def test_where_there_is_no_apt_nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.ensure(Step(), asked=True) == ["ip", "nft"]
