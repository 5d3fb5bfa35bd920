"""Plans as YAML files: `plan.schema.json` says what may be in one, this what it means."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeVar

from socketlab.errors import SpecError
from socketlab.faults.plans import sentences
from socketlab.faults.plans.model import ExpectStep, FaultStep, Plan, Ramp, Repeat, Step
from socketlab.faults.words import fault_of_lab
from socketlab.hosts import file as lab_file
from socketlab.hosts import located
from socketlab.hosts.file import LabFile
from socketlab.wire.errors import FaultError
from socketlab.wire.forms import RATE, SHARE, SIZE, TIME, Form

T = TypeVar("T")
SCHEMA: Final = Path(__file__).with_name("plan.schema.json")
RESULT_SCHEMA: Final = Path(__file__).with_name("result.schema.json")
_OF_A_LAB: Final = frozenset({"file.empty", "file.large", "file.deep", "file.documents"})
"""Errors of the reader whose sentences speak of labs; those of plans are `plan.<the same>`."""
_FORMS: Final[dict[str, Form]] = {
    "probability": SHARE,
    "rate": RATE,
    "bytes": SIZE,
    "burst": SIZE,
}
"""How a ramp's ends are written where they are texts; all others are times."""


@cache
def schema() -> Mapping[str, Any]:
    """What may be in a file, as JSON Schema."""
    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return found


def read(path: Path) -> Plan:
    """Read a file.

    Raises:
        SpecError: it cannot be read, or makes no sense: line, column and key are told.
    """
    if path.suffix == ".py":
        raise SpecError("plan.python", file=path)
    try:
        with path.open("rb") as file:
            data = file.read(located.LARGEST + 1)
    except OSError as error:
        raise SpecError("file.open", at=path, why=error.strerror) from error
    return parse(str(path), data)


def parse(name: str, data: bytes) -> Plan:
    """The plan that a file's bytes describe.

    Args:
        name: of the file, for errors; a lab's file is looked for beside it.
        data: what it holds.

    Raises:
        SpecError: as of `read`.
    """
    try:
        found = located.read(name, data, schema())
    except SpecError as error:
        if error.code in _OF_A_LAB:
            raise SpecError(error.code.replace("file.", "plan."), **error.details) from None
        raise
    return _File(name, found).plan()


class _File:
    """One file's values, and where each stands."""

    def __init__(self, name: str, found: located.Located) -> None:
        self._name = name
        self._found = found

    def plan(self) -> Plan:
        """What they mean."""
        value = self._found.value
        steps: list[Step] = []
        for number, each in enumerate(value.get("steps", ())):
            where = f"steps[{number}]"
            steps.append(self._at(where, partial(self._step, each, where)))
        probes = [
            self._at(f"probes[{number}]", partial(sentences.probe, text))
            for number, text in enumerate(value.get("probes", ()))
        ]
        return self._at(
            "",
            lambda: Plan(
                name=value.get("name", Path(self._name).stem),
                title=value.get("title", ""),
                steps=tuple(steps),
                probes=tuple(probes),
                lab=self._lab(value.get("lab")),
                seconds=self._time(value.get("for", 0), "for"),
            ),
        )

    def _lab(self, value: str | Mapping[str, Any] | None) -> LabFile | None:
        if isinstance(value, str):
            return lab_file.read(Path(self._name).parent / value)
        return None if value is None else lab_file.meaning(self._name, value, self._found, "lab")

    def _step(self, value: Mapping[str, Any], where: str) -> Step:
        start = self._time(value["at"], f"{where}.at")
        repeat = self._repeat(value.get("repeat"), f"{where}.repeat")
        if ("fault" in value) == ("expect" in value):
            raise SpecError("plan.one-of")
        if "expect" in value:
            for name in ("on", "for", "ramp", "verify"):
                if name in value:
                    raise self._wrong(f"{where}.{name}", SpecError("plan.of-fault", name=name))
            return ExpectStep(
                at=start, expectations=tuple(self._expectations(value["expect"], where)), repeat=repeat
            )
        fault = self._at(f"{where}.fault", lambda: fault_of_lab(value["fault"]))
        lasts = value.get("for")
        return FaultStep(
            at=start,
            fault=fault,
            on=value.get("on"),
            seconds=None if lasts is None else self._time(lasts, f"{where}.for"),
            repeat=repeat,
            ramp=self._ramp(value.get("ramp"), f"{where}.ramp"),
            verify=value.get("verify"),
        )

    def _expectations(self, value: str | Sequence[str], where: str) -> list[sentences.Expectation]:
        if isinstance(value, str):
            return [self._at(f"{where}.expect", lambda: sentences.expectation(value))]
        return [
            self._at(f"{where}.expect[{number}]", partial(sentences.expectation, text))
            for number, text in enumerate(value)
        ]

    def _repeat(self, value: Mapping[str, Any] | None, where: str) -> Repeat | None:
        if value is None:
            return None
        every = self._time(value["every"], f"{where}.every")
        return self._at(where, lambda: Repeat(value["count"], every))

    def _ramp(self, value: Mapping[str, Any] | None, where: str) -> Ramp | None:
        if value is None:
            return None
        member = value["member"].replace("-", "_")
        form = _FORMS.get(member, TIME)
        ends = [self._at(f"{where}.{end}", partial(form.taken, value[end], end)) for end in ("from", "to")]
        return self._at(where, lambda: Ramp(member, ends[0], ends[1], value.get("steps", 5)))

    def _time(self, value: str | float, where: str) -> float:
        return self._at(where, lambda: float(TIME.taken(value, where.rpartition(".")[2])))

    def _at(self, where: str, make: Callable[[], T]) -> T:
        """What `make` makes; its errors with the place that they are about."""
        try:
            return make()
        except (SpecError, FaultError) as error:
            raise self._wrong(where, error) from error

    def _wrong(self, where: str, error: Exception) -> SpecError:
        if isinstance(error, SpecError) and error.code.startswith("file."):  # it knows its place already
            return error
        place = self._found.at(where)
        at = f"{self._name}:{place.line}:{place.column}"
        return SpecError("file.meaning", at=at, why=f"{where}: {error}" if where else error)
