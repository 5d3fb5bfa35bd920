"""Every sentence of the programs inside a host, in English and Spanish.

The agent's, the tour's, the heartbeat's and the errors' sentences all stand in `en.toml` and `es.toml`
beside this file; `say` finds them, and those of the wire.
"""

from pathlib import Path
from typing import ClassVar

from socketlab.wire.errors import SENTENCES as WIRE_SENTENCES
from socketlab.wire.errors import SocketlabError
from socketlab.wire.text import Catalogue

SENTENCES = Catalogue(*WIRE_SENTENCES.folders, Path(__file__).parent)
say = SENTENCES.say


class ServiceError(SocketlabError):
    """An error of a program inside a host; its sentence is in this catalogue under `error.<code>`."""

    sentences: ClassVar[Catalogue] = SENTENCES
