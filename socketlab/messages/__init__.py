"""Every sentence of what runs on the user's machine, in English and Spanish.

Today those are the commands of `scripts/`. They stand in `en.toml` and `es.toml` beside this file; `say`
finds them, and those of the wire.
"""

from pathlib import Path

from socketlab.wire.errors import SENTENCES as WIRE_SENTENCES
from socketlab.wire.text import Catalogue

SENTENCES = Catalogue(*WIRE_SENTENCES.folders, Path(__file__).parent)
say = SENTENCES.say
