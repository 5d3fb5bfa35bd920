"""Languages and consoles."""

from pathlib import Path

import pytest

from socketlab.wire.text import Catalogue, language, speaks_utf8, to_ascii


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "en"),
        ({"LANG": "es_ES.UTF-8"}, "es"),
        ({"LANG": "es"}, "es"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "es_AR.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "es_MX"}, "es"),
        ({"LANG": "es_ES.UTF-8", "LC_ALL": ""}, "es"),
    ],
)
def test_the_language_asked_for(environ: dict[str, str], expected: str) -> None:
    assert language(environ) == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"LANG": "C"}, False),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "es_ES.utf8@euro"}, True),
        ({"LANG": "es_ES.ISO-8859-1"}, False),
        ({"LANG": "es_ES.UTF-8", "LC_ALL": "C"}, False),
    ],
)
def test_what_the_console_can_show(environ: dict[str, str], *, expected: bool) -> None:
    assert speaks_utf8(environ) is expected


def test_ascii_keeps_the_letters() -> None:
    assert to_ascii("¿Conexión rechazada? El niño espera") == "Conexion rechazada? El nino espera"
    assert to_ascii("a → b") == "a ? b"


def test_a_sentence_and_its_fields(tmp_path: Path) -> None:
    for code in ("en", "es"):
        (tmp_path / f"{code}.toml").write_text('[greeting]\nhello = "hello {name}"\n', encoding="utf-8")
    catalogue = Catalogue(tmp_path)
    assert catalogue.say("greeting.hello", name="{0!r}") == "hello {0!r}"
    with pytest.raises(KeyError):
        catalogue.say("greeting.bye")
    with pytest.raises(KeyError):
        catalogue.say("greeting.hello")


def test_what_is_kept_is_said_without_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code, hello in (("en", "hello"), ("es", "hola")):
        (tmp_path / f"{code}.toml").write_text(f'hello = "{hello}"\n', encoding="utf-8")
    monkeypatch.setenv("LC_ALL", "es_ES.UTF-8")
    catalogue = Catalogue(tmp_path)
    catalogue.keep()
    for code in ("en", "es"):
        (tmp_path / f"{code}.toml").unlink()
    monkeypatch.setenv("LC_ALL", "C")
    assert catalogue.say("hello") == "hola"
