"""Fault plans: what happens when, what each call is to give then, and what came of it."""

from typing import TYPE_CHECKING

from socketlab.wire.lazily import lazily

if TYPE_CHECKING:
    from socketlab.faults.plans.executor import run
    from socketlab.faults.plans.junit import as_junit
    from socketlab.faults.plans.model import ExpectStep, FaultStep, Plan, Ramp, Repeat, at
    from socketlab.faults.plans.result import Result
    from socketlab.faults.plans.sentences import expectation, probe

__all__ = [
    "ExpectStep",
    "FaultStep",
    "Plan",
    "Ramp",
    "Repeat",
    "Result",
    "as_junit",
    "at",
    "expectation",
    "probe",
    "run",
]
_HOMES = {
    "ExpectStep": "model",
    "FaultStep": "model",
    "Plan": "model",
    "Ramp": "model",
    "Repeat": "model",
    "Result": "result",
    "as_junit": "junit",
    "at": "model",
    "expectation": "sentences",
    "probe": "sentences",
    "run": "executor",
}
__getattr__, __dir__ = lazily(__name__, _HOMES)
