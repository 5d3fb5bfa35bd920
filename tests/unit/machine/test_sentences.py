"""Keys that the steps put together: each has its sentence, and no sentence has lost its step."""

import ast
from collections.abc import Iterator

from scripts.machine import ROOT
from socketlab.messages import SENTENCES

TABLES = {"step": "step", "doing": "doing", "done": "done", "run_command": "help"}


def keys_put_together() -> Iterator[str]:
    for file in (ROOT / "scripts/machine").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in TABLES:
                for word in ast.walk(node.args[0]):
                    if isinstance(word, ast.Constant) and isinstance(word.value, str):
                        yield f"scripts.{TABLES[name]}.{word.value}"


def test_every_key_that_is_put_together_stands_in_the_catalogue() -> None:
    used = set(keys_put_together())
    said = {
        key
        for key in SENTENCES.sentences("en")
        if key.startswith(tuple(f"scripts.{table}." for table in TABLES.values()))
    }
    assert used
    assert used | {"scripts.done.failed"} == said
