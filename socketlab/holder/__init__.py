"""The holder: a detached process that owns a lab, and the way for commands to talk to it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from socketlab.holder.attached import attach

__all__ = ["attach"]


def __getattr__(name: str) -> Any:
    """`attach` loads what a lab needs; the name of this package alone loads nothing."""
    if name == "attach":
        from socketlab.holder.attached import attach as found  # noqa: PLC0415

        return found
    raise AttributeError(name)
