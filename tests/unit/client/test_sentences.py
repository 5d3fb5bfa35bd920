"""The client's and the runner's sentences, as a console shows them."""

import pytest

from services.messages import SENTENCES
from socketlab.wire.text import to_ascii

OURS = (
    *("client.", "once.", "tour.", "heartbeat.", "try.", "runner.", "interactive.", "load."),
    *("error.client.", "error.runner.", "error.interactive.", "error.load."),
)


def ours(code: str) -> dict[str, str]:
    return {key: text for key, text in SENTENCES.sentences(code).items() if key.startswith(OURS)}


def test_english_is_ascii() -> None:
    assert [key for key, text in ours("en").items() if not text.isascii()] == []


@pytest.mark.parametrize("code", ["en", "es"])
def test_every_character_has_an_ascii_form(code: str) -> None:
    asked = {key: text.count("?") for key, text in ours(code).items()}

    assert {key: to_ascii(text).count("?") for key, text in ours(code).items()} == asked
