"""The engine by its command line."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from scripts.machine.process import ask, run

Labelled = Literal["container", "network", "volume"]
"""What a lab is made of, and what therefore carries its labels."""
Kind = Labelled | Literal["image"]


def docker(*arguments: str) -> str:
    """Run `docker ARGUMENTS` and return what it wrote on stdout.

    Raises:
        CommandError: it failed.
    """
    return run(["docker", *arguments])


def has_image(name: str) -> bool:
    """Whether the engine holds this image."""
    return ask(["docker", "image", "inspect", name]).status == 0


def labelled(kind: Labelled, label: str) -> list[str]:
    """The ids (names, for volumes) of everything of a kind that carries a label, with a value or with any."""
    listing = ["ps", "--all"] if kind == "container" else [kind, "ls"]
    return docker(*listing, "--quiet", "--filter", f"label={label}").split()


def inspect(kind: Kind, ids: Sequence[str]) -> list[dict[str, Any]]:
    """What the engine tells about some of its things.

    What has gone since it was listed is left out: the engine says so by its status, which is not asked.
    """
    if not ids:
        return []
    return read_objects(ask(["docker", kind, "inspect", "--format", "{{json .}}", *ids]).out.splitlines())


def read_objects(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Read the JSON objects of an answer, one a line."""
    return [json.loads(line) for line in lines if line.strip()]
