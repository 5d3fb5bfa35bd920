"""What a call raised over there, made again here.

A closed table of names says which classes: nothing that the wire brings is looked up by name elsewhere.
"""

import builtins
import errno
import socket
from typing import Any, Final

from socketlab.messages import say
from socketlab.wire import outcome
from socketlab.wire.call import Raised, Refused

_BUILTIN: Final = (
    "ArithmeticError AttributeError BlockingIOError BrokenPipeError BufferError ChildProcessError "
    "ConnectionAbortedError ConnectionError ConnectionRefusedError ConnectionResetError EOFError "
    "FileExistsError FileNotFoundError IndexError InterruptedError IsADirectoryError KeyError LookupError "
    "MemoryError NotADirectoryError NotImplementedError OSError OverflowError PermissionError "
    "ProcessLookupError RuntimeError TimeoutError TypeError UnicodeDecodeError UnicodeEncodeError "
    "UnicodeError ValueError"
)
CLASSES: Final[dict[str, type[Exception]]] = {
    **{name: getattr(builtins, name) for name in _BUILTIN.split()},
    "gaierror": socket.gaierror,
    "herror": socket.herror,
    "UnsupportedOperation": OSError,
}
_RESOLVER: Final = {
    value: name for name, value in vars(socket).items() if name.startswith("EAI_") and isinstance(value, int)
}


def rebuild(raised: Raised) -> Exception:
    """The exception that a call raised over there: its class and its arguments."""
    kind = CLASSES.get(raised.exception)
    if kind is None:
        text = say("sockets.unknown-exception", name=raised.exception[:60], seen=_text(raised.args)[:200])
        return OSError(*raised.args) if _has_errno(raised.args) else RuntimeError(text)
    try:
        return kind(*raised.args)
    except (TypeError, ValueError):
        # UnicodeEncodeError and its like want five arguments of their own, which may not have crossed whole.
        base = UnicodeError if issubclass(kind, UnicodeError) else RuntimeError
        return base(_text(raised.args))


def why_refused(refused: Refused) -> str:
    """Why an actor did not make a call: our own sentence where we know its reason."""
    name = refused.code.removeprefix("actor.")
    try:
        return say(f"sockets.refused.{name}", **refused.details)
    except KeyError:
        details = ", ".join(f"{name} {seen}" for name, seen in refused.details.items())
        return say("sockets.refused-otherwise", code=refused.code, details=details)


def symbol(error: BaseException) -> str | None:
    """The symbolic name of an exception's errno: `ECONNREFUSED`; `EAI_NONAME` of the resolver's."""
    number = getattr(error, "errno", None)
    if not isinstance(number, int):
        return None
    if isinstance(error, socket.gaierror):
        return _RESOLVER.get(number, str(number))
    if isinstance(error, socket.herror):
        return str(number)
    return errno.errorcode.get(number, str(number))


def as_outcome(error: BaseException) -> outcome.Raised:
    """The same as `wire.outcome` has it."""
    return outcome.Raised(type(error).__name__, symbol(error), str(error))


def _has_errno(args: tuple[Any, ...]) -> bool:
    return len(args) >= 2 and isinstance(args[0], int) and isinstance(args[1], str)  # noqa: PLR2004 - errno and text


def _text(args: tuple[Any, ...]) -> str:
    return ", ".join(str(each) for each in args)
