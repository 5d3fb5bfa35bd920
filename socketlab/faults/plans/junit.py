"""A plan's result as JUnit XML, for what shows tests: a case for each fault and for each expectation."""

from typing import Final
from xml.sax.saxutils import escape, quoteattr

from socketlab.faults.plans.result import Checked, FaultRun, Result
from socketlab.messages import say

_ALLOWED: Final = frozenset("\t\n\r")


def as_junit(result: Result) -> str:
    """The XML of a result: one `testsuite`, its cases in the plan's order."""
    cases = sorted(
        [
            *((each.step, each.planned, _of_fault(result, each)) for each in result.faults),
            *((each.step, each.planned, _of_check(result, each)) for each in result.checks),
        ],
        key=lambda case: case[:2],
    )
    failures = sum(bool(each.problem) for each in result.faults) + sum(not each.ok for each in result.checks)
    head = _attributes(
        name=result.plan,
        tests=str(len(cases)),
        failures=str(failures),
        errors="0",
        skipped="0",
        time=f"{result.seconds:.3f}",
        hostname=result.lab,
    )
    body = "".join(case for *_, case in cases)
    suite = f"<testsuite{head}>\n{body}</testsuite>\n"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suite}</testsuites>\n'


def _of_fault(result: Result, run: FaultRun) -> str:
    place = run.on or result.lab
    took = 0.0 if run.began is None or run.ended is None else run.ended - run.began
    name = f"{run.step}. {place}: {run.fault}"
    return _case(result, name, run.planned, took, run.problem or "")


def _of_check(result: Result, checked: Checked) -> str:
    name = f"{checked.step}. {checked.expected}"
    why = "" if checked.ok else checked.why or say("plan.not-made")
    return _case(result, name, checked.planned, checked.seconds or 0.0, why)


def _case(result: Result, name: str, planned: float, took: float, why: str) -> str:
    head = _attributes(classname=result.plan, name=f"{name} @ {planned:g} s", time=f"{took:.3f}")
    if not why:
        return f"<testcase{head}/>\n"
    short = _attributes(message=why.partition("\n")[0])
    return f"<testcase{head}><failure{short}>{escape(_clean(why))}</failure></testcase>\n"


def _attributes(**values: str) -> str:
    return "".join(f" {name}={quoteattr(_clean(value))}" for name, value in values.items())


def _clean(text: str) -> str:
    """Without what XML 1.0 cannot hold, not even escaped (2.2): a plan's sentences are anybody's text."""
    return "".join(
        char if char in _ALLOWED or (char >= " " and _is_char(ord(char))) else "?" for char in text
    )


def _is_char(code: int) -> bool:
    return 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000  # noqa: PLR2004 - XML 1.0, 2.2
