"""The holder: a detached process that owns a lab, and the way for commands to talk to it."""

from typing import TYPE_CHECKING

from socketlab.wire.lazily import lazily

if TYPE_CHECKING:
    from socketlab.holder.attached import attach

__all__ = ["attach"]
__getattr__, __dir__ = lazily(__name__, {"attach": "attached"})
