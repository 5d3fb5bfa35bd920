"""Where the two backends still differ, after all that is made alike. A table, each line of it tested.

A scenario never asks which backend it is on, so nothing here may decide what a socket call inside a lab
gives, but the line `outside`, which is about addresses that no lab has.
"""

from dataclasses import dataclass
from typing import Final

from socketlab.messages import SENTENCES, say

KEYS: Final = (
    "outside",
    "device",
    "offloads",
    "forwarding",
    "duplicates",
    "subnets",
    "resolver",
    "python",
    "files",
    "sysfs",
    "seccomp",
    "bounds",
    "clock",
)
"""Names of the lines; `tests/conformance` has a test of each."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of the table, in words for users.

    Args:
        key: its name, one of `KEYS`.
        what: differs.
        docker: how it is there.
        namespace: how it is there.
        why: it stays so.
    """

    key: str
    what: str
    docker: str
    namespace: str
    why: str


def table(code: str | None = None) -> tuple[Difference, ...]:
    """All lines.

    Args:
        code: of the language, `en` or `es`; None: the user's.
    """
    sentences = SENTENCES.sentences(code) if code else None

    def told(key: str, column: str) -> str:
        name = f"differences.{key}.{column}"
        return sentences[name] if sentences else say(name)

    return tuple(
        Difference(key, told(key, "what"), told(key, "docker"), told(key, "namespace"), told(key, "why"))
        for key in KEYS
    )
