"""Sentences for users, in their language.

Theory of operation
    A sentence lives in a TOML file a language (`en.toml`, `es.toml`) under a dotted key, with named
    fields: `heartbeat.changed = "{target}  {before} -> {after}"`. A program says a key and the fields. The
    language is the one the environment asks for (POSIX: LC_ALL, then LC_MESSAGES, then LANG), English
    where it asks for one we do not speak. Fields are only ever values: a peer's bytes are never a format.
"""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

LANGUAGES = ("en", "es")


def language(environ: Mapping[str, str] = os.environ) -> str:
    """The language that the environment asks for, one of `LANGUAGES` (locale(7))."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(variable):
            code = value[:2].lower()
            return code if code in LANGUAGES else "en"
    return "en"


def speaks_utf8(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the console that the environment describes is UTF-8 (locale(7)); silence means no."""
    for variable in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := environ.get(variable):
            return value.partition(".")[2].partition("@")[0].lower().replace("-", "") == "utf8"
    return False


def to_ascii(text: str) -> str:
    """`text` for a console without UTF-8: accents go, and what has no ASCII form becomes `?`."""
    import unicodedata  # noqa: PLC0415 - a console without UTF-8 is rare

    plain = unicodedata.normalize("NFKD", text.replace("¿", "").replace("¡", ""))
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    return letters.encode("ascii", "replace").decode("ascii")


def _flatten(table: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Turn nested TOML tables into dotted keys."""
    flat: dict[str, str] = {}
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{key}.")
        else:
            flat[key] = str(value)
    return flat


class Catalogue:
    """The sentences of one or more folders, each with a TOML file a language.

    Args:
        folders: where the files are. Two folders never hold the same key.
    """

    def __init__(self, *folders: Path) -> None:
        self.folders = folders
        self._language: str | None = None
        self._kept: dict[Path, str] = {}

    def keep(self) -> None:
        """Decide on the language and read its files now; they are parsed when something is said.

        For programs that go where the files, or what the environment says, cannot be seen any more.
        """
        self._language = language()
        for file in self._files(self._language):
            self._kept[file] = file.read_text(encoding="utf-8")

    def _files(self, code: str) -> list[Path]:
        return [folder / f"{code}.toml" for folder in self.folders]

    def sentences(self, code: str) -> dict[str, str]:
        """Every sentence of one language, by its dotted key."""
        import tomllib  # noqa: PLC0415 - a program that says nothing starts 8 ms earlier without it

        merged: dict[str, str] = {}
        for file in self._files(code):
            text = self._kept.get(file)
            merged |= _flatten(tomllib.loads(file.read_text(encoding="utf-8") if text is None else text))
        return merged

    @cached_property
    def _spoken(self) -> dict[str, str]:
        return self.sentences(self._language or language())

    def say(self, key: str, **fields: object) -> str:
        """The sentence under `key`, with its fields filled in.

        Raises:
            KeyError: no such sentence, or a field of it was not given: our mistake, tests look for it.
        """
        return self._spoken[key].format_map(fields)
