"""YAML and JSON Schema, together: a file's values checked, and where in it each of them stands.

Theory of operation
    PyYAML composes a file to a tree of nodes that know their line and column; nothing of it is made into
    objects but plain scalars. The tree is held against the schema and turned into values in one walk, and the
    place of every value is kept under its path, `hosts.server.networks`, so that whoever finds a mistake in
    its meaning later can say where it stands, too. Of JSON Schema as much is understood as our schema uses;
    a keyword that is not understood is an error, so that no rule of it is ever passed over.

    Refused before anything is walked: aliases (a few lines of them are gigabytes), tags, nesting too deep,
    more than one document, files that are large.
"""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import yaml

from socketlab.errors import SpecError
from socketlab.messages import say

LARGEST: Final = 256 * 1024
"""Bytes of a file."""
_DEEPEST: Final = 16
_TAGS: Final = {
    "tag:yaml.org,2002:null": "null",
    "tag:yaml.org,2002:bool": "boolean",
    "tag:yaml.org,2002:int": "integer",
    "tag:yaml.org,2002:float": "number",
    "tag:yaml.org,2002:str": "string",
    "tag:yaml.org,2002:seq": "array",
    "tag:yaml.org,2002:map": "object",
}
_ANNOTATIONS: Final = frozenset({"$schema", "$id", "title", "description", "$defs"})
_RULES: Final = frozenset(
    {
        "$ref",
        "oneOf",
        "type",
        "enum",
        "required",
        "properties",
        "additionalProperties",
        "minProperties",
        "items",
        "minItems",
        "minimum",
        "maximum",
    }
)


class Place(NamedTuple):
    """Where something stands: line and column, from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Located:
    """A file's values.

    Args:
        file: its name.
        value: all of it.
        places: of each value, by its path.
    """

    file: str
    value: Any
    places: Mapping[str, Place]

    def at(self, path: str) -> Place:
        """Where the value of a path stands, or the nearest one around it."""
        while path and path not in self.places:
            path = path.rpartition(".")[0]
        return self.places.get(path, Place(1, 1))


def read(file: str, data: bytes, schema: Mapping[str, Any]) -> Located:
    """Read a file's bytes.

    Args:
        file: its name, for errors.
        data: what it holds.
        schema: what may be in it.

    Raises:
        SpecError: it is not what the schema asks for, or no YAML; the line, the column and the key are told.
    """
    text = _text(file, data)
    try:
        _scan(file, text)
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _broken(file, error) from None
    except (yaml.YAMLError, RecursionError) as error:  # a character that YAML does not allow
        raise SpecError("file.yaml", at=f"{file}:1", why=str(error).splitlines()[0]) from None
    if root is None:
        raise SpecError("file.empty", at=file)
    walk = _Walk(file, schema)
    return Located(file, walk.read(root, schema, ""), walk.places)


def _text(file: str, data: bytes) -> str:
    if len(data) > LARGEST:
        raise SpecError("file.large", at=file, most=LARGEST, seen=len(data))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SpecError("file.not-utf8", at=f"{file}:{line}", seen=f"0x{data[error.start]:02x}") from None


def _scan(file: str, text: str) -> None:
    """Refuse what would be dangerous or useless to compose."""
    depth = documents = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        at = _spelled(file, event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SpecError("file.alias", at=at)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise SpecError("file.documents", at=at)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise SpecError("file.deep", at=at, most=_DEEPEST)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _broken(file: str, error: yaml.MarkedYAMLError) -> SpecError:
    mark = error.problem_mark or error.context_mark
    at = _spelled(file, mark) if mark else file
    if "'\\t'" in str(error.problem):
        return SpecError("file.tab", at=at)
    return SpecError("file.yaml", at=at, why=error.problem or error.context)


def _spelled(file: str, mark: Any) -> str:
    return f"{file}:{mark.line + 1}:{mark.column + 1}"


class _Walk:
    """One walk over a tree of nodes."""

    def __init__(self, file: str, schema: Mapping[str, Any]) -> None:
        self._file = file
        self._schema = schema
        self._scalars = yaml.constructor.SafeConstructor()
        self.places: dict[str, Place] = {}

    def read(self, node: yaml.Node, schema: Mapping[str, Any], path: str) -> Any:
        """The value of a node that is as the schema asks."""
        self.places.setdefault(path, _place(node))
        schema = self._chosen(node, self._followed(schema), path)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, schema, path)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, schema, path)
        return self._scalar(node, schema, path)

    def _followed(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema that a reference means."""
        while "$ref" in schema:
            found: Any = self._schema
            for name in schema["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            schema = found
        if unknown := schema.keys() - _RULES - _ANNOTATIONS:
            raise NotImplementedError(sorted(unknown))
        return schema

    def _chosen(self, node: yaml.Node, schema: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """The one schema that is for values of the node's type: our alternatives differ in that."""
        options = [self._followed(each) for each in schema.get("oneOf", [schema])]
        kind = _TAGS.get(node.tag)
        for option in options:
            if option["type"] == kind or (option["type"], kind) == ("number", "integer"):
                return option
        where = self._where(node, path)
        if kind is None:
            raise SpecError("file.tag", **where, seen=ascii(node.tag)[:60])
        expected = ", ".join(say(f"file.type.{option['type']}") for option in options)
        seen = ascii(node.value)[:60] if isinstance(node, yaml.ScalarNode) else say(f"file.type.{kind}")
        if kind in {"integer", "number", "boolean"} and "string" in {option["type"] for option in options}:
            raise SpecError("file.quotes", **where, seen=seen)
        raise SpecError("file.type", **where, expected=expected, seen=seen)

    def _mapping(self, node: yaml.MappingNode, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        properties = schema.get("properties", {})
        rest = schema.get("additionalProperties", {})
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path, properties)
            below = f"{path}.{key}" if path else key
            if key in found:
                first = self.places[below]
                raise SpecError("file.twice", **self._where(key_node, below), first=first.line)
            if key not in properties and rest is False:
                raise self._unknown(key_node, key, below, list(properties))
            self.places[below] = _place(key_node)
            found[key] = self.read(value_node, properties.get(key, rest), below)
        for key in schema.get("required", ()):
            if key not in found:
                raise SpecError("file.missing", **self._where(node, path), missing=key)
        if len(found) < schema.get("minProperties", 0):
            raise SpecError("file.nothing", **self._where(node, path))
        return found

    def _key(self, node: yaml.Node, path: str, known: Collection[str]) -> str:
        is_name = isinstance(node, yaml.ScalarNode) and _TAGS.get(node.tag) == "string"
        # YAML 1.1 takes a bare `on` for true. Where the schema has a key of that spelling, it is that key.
        if not is_name and not (isinstance(node, yaml.ScalarNode) and node.value in known):
            seen = node.value if isinstance(node, yaml.ScalarNode) else node.tag
            raise SpecError("file.key", **self._where(node, path), seen=ascii(seen)[:60])
        return str(node.value)

    def _unknown(self, node: yaml.Node, key: str, path: str, known: Sequence[str]) -> SpecError:
        alike = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
        if alike:
            return SpecError("file.unknown-alike", **self._where(node, path), alike=alike[0])
        return SpecError("file.unknown", **self._where(node, path), known=", ".join(known))

    def _sequence(self, node: yaml.SequenceNode, schema: Mapping[str, Any], path: str) -> list[Any]:
        if len(node.value) < schema.get("minItems", 0):
            raise SpecError("file.nothing", **self._where(node, path))
        items = schema.get("items", {})
        return [self.read(each, items, f"{path}[{number}]") for number, each in enumerate(node.value)]

    def _scalar(self, node: yaml.Node, schema: Mapping[str, Any], path: str) -> Any:
        try:
            value = self._scalars.construct_object(node)
        except (ValueError, OverflowError, yaml.YAMLError):
            raise SpecError("file.number", **self._where(node, path), seen=ascii(node.value)[:60]) from None
        if "enum" in schema and value not in schema["enum"]:
            expected = ", ".join(schema["enum"])
            raise SpecError(
                "file.choice", **self._where(node, path), expected=expected, seen=ascii(value)[:60]
            )
        least, most = schema.get("minimum"), schema.get("maximum")
        if (least is not None and value < least) or (most is not None and value > most):
            raise SpecError(
                "file.range", **self._where(node, path), least=least, most=most, seen=str(value)[:40]
            )
        return value

    def _where(self, node: yaml.Node, path: str) -> dict[str, str]:
        return {"at": _spelled(self._file, node.start_mark), "path": path or "-"}


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
