"""`python3 -m scripts.machine.effects`: measure, compare with what is documented, and write on demand."""

import argparse
import json
import os
import platform
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from scripts.machine.effects import pages
from scripts.machine.effects.cases import CASES, Case
from scripts.machine.effects.measuring import SYSCTLS, TIMERS, measure, serve
from socketlab.faults.effects import FILE, Effects, Row, effects, to_plain
from socketlab.hosts.lab import lab
from socketlab.hosts.spec import HostSpec

BACKENDS: Final = ("namespace", "docker")
_LABS: Final = {"namespace": 6, "docker": 3}
_DIFFERS: Final = 1


def measured(backend: str, cases: Sequence[Case] = CASES) -> tuple[Row, ...]:
    """All cases on one backend, some labs at a time."""
    waiting = deque(cases)
    found: dict[tuple[str, str, str], Row] = {}
    errors: list[BaseException] = []

    def work() -> None:
        hosts = [HostSpec(name=name, sysctls=SYSCTLS) for name in ("client", "server")]
        labels = {"org.socketlab.run": run} if (run := os.environ.get("SOCKETLAB_RUN")) else {}
        with lab(hosts=hosts, backend=backend, labels=labels) as made:
            serve(made["server"])
            while waiting and not errors:
                try:
                    case = waiting.popleft()
                except IndexError:
                    return
                for family, seen in measure(made, case).items():
                    key = case.fault, case.on, family
                    found[key] = Row(fault=case.fault, on=case.on, family=family, effects=seen)
                sys.stderr.write(f"\r{backend:<10} {len(cases) - len(waiting)} of {len(cases)}")
                sys.stderr.flush()

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(_LABS[backend])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stderr.write("\n")
    if errors:
        raise errors[0]
    return tuple(found[case.fault, case.on, family] for case in cases for family in case.families)


def different(one: Sequence[Row], other: Sequence[Row]) -> list[str]:
    """A line for each call that gave something else."""
    known = {(row.fault, row.on, row.family): row for row in other}
    lines = []
    for row in one:
        there = known.get((row.fault, row.on, row.family))
        for column, effect in row.effects.items():
            seen = None if there is None else there.effects.get(column)
            if seen != effect:
                lines.append(f"{row.fault}, on {row.on}, {row.family}, {column}: {effect} | {seen}")
    return lines


def main(argv: Sequence[str]) -> int:
    """Measure; the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/effects",
        description="Measures what each fault does to each kind of socket call, beside what is documented.",
    )
    parser.add_argument("--backend", choices=BACKENDS, action="append", help="only this one; default: both")
    parser.add_argument("--write", action="store_true", help="write the data and the pages of the docs")
    parser.add_argument("--pages", action="store_true", help="write the pages only, from the data as it is")
    options = parser.parse_args(argv)
    if options.pages:
        pages.write(effects())
        return 0
    backends = options.backend or list(BACKENDS)
    found = {backend: measured(backend) for backend in backends}
    first = found[backends[0]]
    lines = [line for backend in backends[1:] for line in different(first, found[backend])]
    for line in lines:
        sys.stdout.write(f"{backends[0]} | {backends[1]}: {line}\n")
    if options.write:
        about = {
            "kernel": platform.release().partition("-")[0],
            "python": platform.python_version(),
            "backends": ", ".join(backends),
        }
        result = Effects(measured=about, sysctls=SYSCTLS, timers=TIMERS, rows=first)
        FILE.write_text(json.dumps(to_plain(result), indent=1) + "\n", encoding="utf-8")
        pages.write(result)
    else:
        for backend, rows in found.items():
            documented = different(rows, effects().rows)
            lines += documented
            for line in documented:
                sys.stdout.write(f"{backend} | documented: {line}\n")
    sys.stdout.write(f"{len(first)} rows on {', '.join(backends)}; {len(lines)} differ\n")
    return _DIFFERS if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
