"""The root of every error socketlab raises, and the errors of the wire.

An error is a code and its details; its sentence is in the message catalogue under `error.<code>`. So an
error can cross the wire (`Failure`), and whoever reads it there says it in their own language.

    SocketlabError
    ├── WireError       the peer's bytes do not conform: the peer is at fault
    └── FaultError      a fault that makes no sense: whoever wrote it is
        └── WordsError  words that ask for no fault
"""

from pathlib import Path
from typing import ClassVar

from socketlab.wire.text import Catalogue

SENTENCES = Catalogue(Path(__file__).with_name("messages"))


class SocketlabError(Exception):
    """Something expected was not so. Its sentence says what was expected, what was seen and what to do.

    Args:
        code: key of the sentence, without `error.`; part of the interface, so it never changes.
        details: the sentence's fields.
    """

    sentences: ClassVar[Catalogue] = SENTENCES

    def __init__(self, code: str, **details: object) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = {name: str(value) for name, value in details.items()}

    def __str__(self) -> str:
        return self.sentences.say(f"error.{self.code}", **self.details)


class WireError(SocketlabError):
    """The peer sent what the wire does not allow: too long, too deep, not JSON, an unknown or wrong field."""


class FaultError(SocketlabError):
    """A fault or a match that makes no sense, refused when it is made."""


class WordsError(FaultError):
    """Words, or members of a document, that ask for no fault. Whoever typed them is at fault."""
