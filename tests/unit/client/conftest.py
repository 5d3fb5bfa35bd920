"""Sentences in a chosen language, whatever the environment asks for."""

from collections.abc import Callable

import pytest

from services.messages import SENTENCES

Speak = Callable[[str], None]


@pytest.fixture
def speak(monkeypatch: pytest.MonkeyPatch) -> Speak:
    """Have `say` speak a language."""

    def choose(code: str) -> None:
        monkeypatch.setitem(SENTENCES.__dict__, "_spoken", SENTENCES.sentences(code))

    return choose


@pytest.fixture
def english(speak: Speak) -> None:
    """Have `say` speak English."""
    speak("en")
