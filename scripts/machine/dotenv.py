"""The user's `.env`, which Compose reads: one line of it is ours, the others are kept as they stand."""

import re
from pathlib import Path

from scripts.machine import ROOT

FILE = ROOT / ".env"
_LINE = re.compile(r"^\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*?)\s*$")
_QUOTED = re.compile(r"""^(?P<quote>["'])(?P<inside>.*?)(?P=quote)(?:\s+#.*)?$""")


def read_settings(text: str) -> dict[str, str]:
    """The variables of a `.env`; of a name that stands twice the last, as Compose has it."""
    found = (_LINE.match(line) for line in text.splitlines())
    return {match["name"]: _value(match["value"]) for match in found if match}


def _value(raw: str) -> str:
    """A value without its quotes, or without the comment after it."""
    if quoted := _QUOTED.match(raw):
        return quoted["inside"]
    return re.split(r"(?:^|\s+)#", raw, maxsplit=1)[0]


def with_setting(text: str, name: str, value: str) -> str:
    """`text` with `name` set to `value`: in the place of its line, or else at the end."""
    lines = text.splitlines(keepends=True)
    ours = [at for at, line in enumerate(lines) if (match := _LINE.match(line)) and match["name"] == name]
    if not ours:
        gap = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{gap}{name}={value}\n"
    lines[ours[0]] = f"{name}={value}\n"
    return "".join(line for at, line in enumerate(lines) if at not in ours[1:])


def settings(file: Path = FILE) -> dict[str, str]:
    """The variables of the `.env` file; none when there is no such file."""
    return read_settings(_read(file))


def set_setting(name: str, value: str, file: Path = FILE) -> None:
    """Set a variable in the `.env` file, which is written only when that changes it."""
    before = _read(file)
    if (after := with_setting(before, name, value)) != before:
        file.write_text(after, encoding="utf-8", errors="surrogateescape", newline="")


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
