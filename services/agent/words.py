"""A fault in the words of the command line: what `list` shows can be typed after `add`."""

from socketlab.wire.fault import Fault, Match, Reject, Route


def words(fault: Fault) -> str:
    """The words that ask for a fault: `drop --peer client --port 7000 --proto tcp`."""
    if isinstance(fault, Route):
        return f"route {fault.type} {fault.to}"
    what = ("reject", fault.answer) if isinstance(fault, Reject) else ("drop",)
    return " ".join((*what, *_options(fault.match)))


def _options(match: Match) -> list[str]:
    options = {
        "--peer": match.peer,
        "--port": match.port,
        "--proto": match.proto,
        "--direction": None if match.direction == "in" else match.direction,
    }
    return [word for name, value in options.items() if value is not None for word in (name, str(value))]
