"""Every sentence of what runs on the user's machine, in English and Spanish.

Today those are the commands of `scripts/`. They stand in `en.toml` and `es.toml` beside this file; `say`
finds them, and those of the wire.
"""

from pathlib import Path

from socketlab.wire.errors import SENTENCES as WIRE_SENTENCES
from socketlab.wire.text import Catalogue

SENTENCES = Catalogue(*WIRE_SENTENCES.folders, Path(__file__).parent)
say = SENTENCES.say


def _of_hosts() -> Path:
    """Where the sentences are that programs on hosts say: an agent's error has its own there."""
    package = Path(__file__).parents[1]
    beside = package.parent / "services" / "messages"
    return beside if (beside / "en.toml").is_file() else package / "data" / "services" / "messages"


OF_AGENTS = Catalogue(*WIRE_SENTENCES.folders, _of_hosts(), Path(__file__).parent)
