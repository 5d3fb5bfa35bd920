"""Every sentence that the code says stands in the catalogue, and every error has one."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from socketlab.wire.text import Catalogue

ROOT = Path(__file__).parents[3]
SOURCES = sorted(
    file for folder in ("services", "socketlab", "scripts") for file in (ROOT / folder).rglob("*.py")
)
CATALOGUES = sorted(
    {file.parent for folder in ("services", "socketlab") for file in (ROOT / folder).rglob("en.toml")}
)
SENTENCES = {key for folder in CATALOGUES for key in Catalogue(folder).sentences("en")}


@functools.cache
def nodes() -> list[tuple[Path, ast.Call | ast.ClassDef]]:
    """Each call and each class of our sources, with its file."""
    return [
        (file, node)
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call | ast.ClassDef)
    ]


def calls(name_ends_with: str) -> Iterator[tuple[str, str]]:
    """Place and first argument of each call, in our sources, of a function whose name ends like that."""
    for file, node in nodes():
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name.endswith(name_ends_with) and isinstance(node.args[0].value, str):
            yield f"{file.relative_to(ROOT)}:{node.lineno}", node.args[0].value


def own_errors() -> set[str]:
    """Names of the classes that descend from SocketlabError."""
    bases: dict[str, set[str]] = {}
    for _, node in nodes():
        if isinstance(node, ast.ClassDef):
            bases[node.name] = {base.id for base in node.bases if isinstance(base, ast.Name)}
    found = {"SocketlabError"}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return found


def test_what_is_said_stands_in_the_catalogue() -> None:
    said = list(calls("say"))
    assert said
    assert [(place, key) for place, key in said if key not in SENTENCES] == []


def test_every_error_has_its_sentence() -> None:
    raised = [(place, code) for name in own_errors() for place, code in calls(name)]
    assert raised
    assert [(place, code) for place, code in raised if f"error.{code}" not in SENTENCES] == []


def test_every_line_of_the_servers_log_has_its_sentence() -> None:
    events = {
        event.value
        for _, node in nodes()
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "log"
        for event in node.args[1:2]
        if isinstance(event, ast.Constant) and isinstance(event.value, str)
    }
    assert "serving" in events
    assert sorted(event for event in events if f"server.log.{event}" not in SENTENCES) == []
