"""Labs as YAML files: `lab.schema.json` says what may be in one, this what it means."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from socketlab.errors import SpecError
from socketlab.hosts import located
from socketlab.hosts.plan import Record
from socketlab.hosts.resolve import DEFAULT_NETWORK, check
from socketlab.hosts.spec import HostSpec, LabSpec, NetworkSpec, Plug

SCHEMA: Final = Path(__file__).with_name("lab.schema.json")
_LARGEST: Final = located.LARGEST + 1
_OF_A_PLUG: Final = re.compile(r"^(hosts\.[^.]+)\.networks\..+(?=\.address6?$)")
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class LabFile:
    """What a file asks for.

    Args:
        spec: the lab.
        backend: by which it is to be made.
        services: servers that are started with it: options of `Host.serve`, by host.
    """

    spec: LabSpec
    backend: str
    services: Mapping[str, Sequence[Mapping[str, Any]]]


@cache
def schema() -> Mapping[str, Any]:
    """What may be in a file, as JSON Schema."""
    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return found


def read(path: str | os.PathLike[str]) -> LabFile:
    """Read a file.

    Args:
        path: of the file.

    Raises:
        SpecError: it cannot be read, or makes no sense: line, column and key are told.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(_LARGEST)
    except OSError as error:
        raise SpecError("file.open", at=os.fspath(path), why=error.strerror) from error
    return parse(os.fspath(path), data)


def parse(name: str, data: bytes) -> LabFile:
    """The lab that a file's bytes describe.

    Args:
        name: of the file, for errors, and for the lab where it says none; programs are looked for beside it.
        data: what it holds.

    Raises:
        SpecError: as of `read`.
    """
    found = located.read(name, data, schema())
    return meaning(name, found.value, found)


def meaning(name: str, value: Mapping[str, Any], found: located.Located, within: str = "") -> LabFile:
    """The lab that values mean which the schema has passed.

    Args:
        name: of the file, as of `parse`.
        value: the lab.
        found: the file that it stands in.
        within: the key in that file that it stands under; empty: it is all of it.

    Raises:
        SpecError: as of `read`.
    """
    hosts = list(_named(value["hosts"]))
    networks = list(_named(value.get("networks", ())))
    known = [network for network, _ in networks] or [DEFAULT_NETWORK]
    spec = LabSpec(
        name=value.get("name", _name_of(name)),
        hosts=tuple(_host(host, options, known) for host, options in hosts),
        networks=tuple(NetworkSpec(name=network, **options) for network, options in networks),
        ipv6=value.get("ipv6", True),
        offload=value.get("offload", False),
    )
    services = {host: list(_services(options, Path(name).parent)) for host, options in hosts}
    try:
        check(spec)
    except SpecError as error:
        place = found.at(_written(error.details.get("where", ""), found, within))
        at = f"{name}:{place.line}:{place.column}"
        raise SpecError("file.meaning", at=at, why=error) from error
    return LabFile(
        spec, value.get("backend", "auto"), {name: each for name, each in services.items() if each}
    )


def _name_of(file: str) -> str:
    """A lab's name from that of its file."""
    return _NOT_IN_A_NAME.sub("-", Path(file).stem).strip("-_.")[:40] or "lab"


def _named(value: Mapping[str, Any] | Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names with their options, which may be left out; of a list there are none."""
    if isinstance(value, Mapping):
        yield from ((name, options or {}) for name, options in value.items())
    else:
        yield from ((name, {}) for name in value)


def _written(where: str, found: located.Located, within: str) -> str:
    """The key that was written for a value: an address may stand at the host itself."""
    above = f"{within}." if within else ""
    short = above + _OF_A_PLUG.sub(r"\1", where)
    where = above + where
    return short if where not in found.places and short in found.places else where


def _host(name: str, options: Mapping[str, Any], known: Sequence[str]) -> HostSpec:
    return HostSpec(
        name=name,
        role=options.get("role", "host"),
        plugs=tuple(_plugs(options, known)),
        sysctls=options.get("sysctls", {}),
        records=tuple(_records(options.get("records", {}))),
    )


def _plugs(options: Mapping[str, Any], known: Sequence[str]) -> Iterator[Plug]:
    own = {key: options[key] for key in ("address", "address6") if key in options}
    networks = list(_named(options.get("networks", ())))
    if own and not networks:
        networks = [(each, {}) for each in (known if options.get("role") == "router" else known[:1])]
    for number, (network, place) in enumerate(networks):
        yield Plug(network=network, **(own | place if number == 0 else place))


def _records(records: Mapping[str, Any]) -> Iterator[Record]:
    for name, answers in records.items():
        if isinstance(answers, str):
            yield Record(name=name, kind=answers)  # type: ignore[arg-type]  # the schema has looked
            continue
        for kind, values in answers.items():
            for value in [values] if isinstance(values, str) else values:
                yield Record(name=name, kind=kind, value=value)


def _services(options: Mapping[str, Any], folder: Path) -> Iterator[Mapping[str, Any]]:
    asked = options.get("serve", [])
    for each in [asked] if isinstance(asked, Mapping) else asked:
        yield {**each, "program": folder / each["program"]} if "program" in each else each
