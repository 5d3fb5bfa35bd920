"""Where the programs are that run inside hosts: beside `socketlab/`, or in the package's own data."""

import sys
from importlib.util import find_spec
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
CARRIED = _PACKAGE / "data"
"""Where an installed package has `services/`: nothing of that name lands in anybody's site-packages."""

_OF_SERVERS = ("loguru", "dns")
"""What programs on hosts import that is not ours."""


def code() -> tuple[Path, ...]:
    """Folders that hold `services` and `socketlab`, in the order for an import path."""
    beside = _PACKAGE.parent
    if (beside / "services" / "__init__.py").is_file():
        return (beside,)
    return (CARRIED, beside)


def packages() -> tuple[Path, ...]:
    """Folders with the packages that servers on hosts import; what is not installed is left out."""
    found: dict[Path, None] = {}
    for name in _OF_SERVERS:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            found[Path(spec.origin).parents[1]] = None
    return tuple(found)


def interpreter() -> Path:
    """The Python installation that this program runs on, whatever environment lies over it."""
    return Path(sys.base_prefix)
