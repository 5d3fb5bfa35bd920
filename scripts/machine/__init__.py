"""What the commands set up on this machine, one module a thing.

Standard library only: these modules run before there is a `.venv`. They speak with the engine by its
command line, never by a shell, and read its answers as JSON.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project's root."""
