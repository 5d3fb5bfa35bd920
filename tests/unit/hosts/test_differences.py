"""The table of what still differs has every line in every language."""

import pytest

from socketlab.hosts.differences import KEYS, table
from socketlab.messages import SENTENCES
from socketlab.wire.text import LANGUAGES


@pytest.mark.parametrize("code", [None, *LANGUAGES])
def test_every_line_is_told(code: str | None) -> None:
    lines = table(code)
    assert [line.key for line in lines] == list(KEYS)
    for line in lines:
        assert line.docker != line.namespace


def test_no_line_is_told_that_is_not_in_the_table() -> None:
    told = {key.split(".")[1] for key in SENTENCES.sentences("en") if key.startswith("differences.")}
    assert told == set(KEYS)
