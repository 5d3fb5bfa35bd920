"""The figures for programs: one JSON object."""

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts.machine.bench.contenders import REFERENCES
from scripts.machine.bench.cores import Cores
from scripts.machine.bench.options import Plan
from scripts.machine.bench.rounds import CaseResult
from scripts.machine.bench.summary import footprints, framed_rows, rows, under_load
from scripts.machine.bench.targets import Verdict
from scripts.machine.steps import tell
from socketlab.messages import say

BUSY = 0.5
"""A load average from which on the machine is said to be busy."""
_MODEL = re.compile(r"^model name\s*:\s*(.*)$", re.MULTILINE)


def machine(cores: Cores, versions: Mapping[str, str | None]) -> dict[str, Any]:
    """Where this was measured.

    Args:
        cores: of the measured processes.
        versions: of Python, the C compiler and uvloop (None: not there).
    """
    return {
        **place(),
        "server_core": cores.server,
        "generator_core": cores.generator,
        **versions,
    }


def place() -> dict[str, Any]:
    """The machine, and how busy it is."""
    model = _MODEL.search(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return {
        "cpu": model[1] if model else platform.machine(),
        "cpus": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "load_average": os.getloadavg()[0],
    }


def warn_if_busy(where: Mapping[str, Any]) -> None:
    """Say so where figures will vary more than they should."""
    if where["load_average"] >= BUSY:
        tell(say("scripts.bench.busy", load=f"{where['load_average']:.1f}"))


def write(
    file: Path,
    plan: Plan,
    where: Mapping[str, Any],
    results: Mapping[str, CaseResult],
    verdicts: Sequence[Verdict],
) -> None:
    """Write everything: each run of each round, what they say together, and the targets."""
    report = {
        "machine": where,
        "plan": {"rounds": plan.rounds, "seconds": plan.seconds},
        "cases": {name: _case(result) for name, result in results.items()},
        "targets": [{**asdict(verdict), "met": verdict.met} for verdict in verdicts],
    }
    file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _case(result: CaseResult) -> dict[str, Any]:
    return {
        "connections": result.case.connections,
        "summary": [asdict(row) for row in rows(under_load(result), REFERENCES)],
        "framed": [asdict(row) for row in framed_rows(result)],
        "memory": {
            name: {"bytes_per_connection": found.per_connection, "growth_kib": found.growth}
            for name, found in footprints(result).items()
        },
        "rounds": [{name: asdict(measured) for name, measured in r.items()} for r in result.rounds],
        "failures": result.failures,
        "absent": result.absent,
    }
