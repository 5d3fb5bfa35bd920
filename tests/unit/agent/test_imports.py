"""What a program need not wait for it does not import."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_LOADED = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*sorted(name for name in sys.modules if name.startswith(sys.argv[2])))
"""


@pytest.mark.parametrize(
    ("program", "spared"),
    [
        ("services.nursery.__main__", "services.agent"),  # most labs start without an agent
        ("services.agent.command", "services.agent.program"),  # asks one, mostly
        ("services.agent.__main__", "hypothesis"),
        ("services.agent.__main__", "ctypes"),
    ],
)
def test_it_is_not_imported(program: str, spared: str) -> None:
    words = [sys.executable, "-c", _LOADED, program, spared]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60, cwd=_ROOT)
    assert done.stdout.split() == []
