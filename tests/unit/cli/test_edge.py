"""Errors, exit statuses and times."""

import pytest

from socketlab.cli import edge
from socketlab.cli.options import seconds
from socketlab.errors import BackendError, EndedError, HostError, SpecError
from socketlab.wire.errors import SocketlabError, WireError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SpecError("holder.none"), 2),
        (BackendError("holder.system"), 4),
        (HostError("holder.none"), 3),
        (EndedError("holder.none"), 3),
        (WireError("wire-duplicate"), 3),
    ],
)
def test_every_error_has_its_exit_status(error: SocketlabError, status: int) -> None:
    assert edge.status_of(error) == status


@pytest.mark.parametrize(
    ("text", "value"),
    [("30s", 30.0), ("500ms", 0.5), ("90m", 5400.0), ("2h", 7200.0), ("1d", 86400.0), ("1.5", 1.5)],
)
def test_a_time_as_users_write_it(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "s", "-1", "0s", "1e9", "nan", "inf", "1 h", "99999999999s", "\u0661s"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(SpecError):
        seconds(text)
