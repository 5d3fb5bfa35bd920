"""`socketlab-fault` where no agent has to be asked: what is mistyped is refused, with the reason."""

from pathlib import Path

import pytest

from services.agent.command import main


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("add drop --prt 7000", 2, "drop has no option --prt; did you mean --port?"),
        ("add dorp", 2, "did you mean drop?"),
        ("add reject icmp-hst", 2, "saw 'icmp-hst'"),
        ("add drop --peer no-such-host.invalid", 1, "has no address"),
        ("add drop --peer localhost", 1, "is this host itself"),
        ("add drop --peer 127.0.0.1", 2, "is this host itself"),
        ("add drop --for 30d", 2, "--for: expected 200ms"),
        ("add delay 3s --family ipv6 --peer 10.98.0.20", 2, "no family in common"),
        ("heal", 2, "--all"),
        ("kinds dorp", 2, "did you mean drop?"),
        ("", 2, "expected add | run"),
        ("list", 4, "no agent answers"),
        ("watch", 4, "no agent answers"),
    ],
)
def test_what_cannot_be_done(
    words: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "--run-dir", str(tmp_path)]) == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert "Traceback" not in shown.err


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add", "--help"]) == 0
    shown = capsys.readouterr()
    assert "slow-handshake TIME [MATCH] [WHICH]" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    assert shown.err == ""
