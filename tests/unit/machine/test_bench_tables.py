"""Tables, figure and report: what is told of the figures."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scripts.machine.bench import figure, options, report, tables
from scripts.machine.bench.accounting import Memory
from scripts.machine.bench.cases import CASES
from scripts.machine.bench.cores import Cores
from scripts.machine.bench.figure import Panel
from scripts.machine.bench.rounds import CaseResult, Round
from scripts.machine.bench.samples import Footprint, FramedSample
from scripts.machine.bench.targets import judge
from scripts.machine.command import Options
from tests.unit.machine.bench_samples import result, sample

RATES: Round = {"C": sample(20_000, 10), "uvloop": sample(15_000, 12.5), "epoll": sample(18_000, 12.5)}
MEMORY: Round = {"epoll": Footprint(Memory(12_000, 9_000), Memory(12_016, 9_500), 1000)}
FIGURES: dict[str, Round] = {
    "framed": {"epoll": FramedSample(sample(cpu=4), sample(cpu=9))},
    "idle": MEMORY,
    "growth": MEMORY,
    "load": {"C": sample(2000), "load": sample(1500)},
}
SVG = "{http://www.w3.org/2000/svg}"


def figures_of(name: str) -> CaseResult:
    return result(name, FIGURES.get(name, RATES))


def cells(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_every_case_has_its_table_with_as_many_cells_as_heads(name: str) -> None:
    table = tables.case_table(figures_of(name))
    assert table.startswith("### ")
    heads, _rule, *lines = cells(table)
    assert lines
    assert {len(line) for line in lines} == {len(heads)}
    assert len({len(line) for line in table.splitlines() if line.startswith("|")}) == 1


def test_a_row_has_its_rates_latencies_and_ratios() -> None:
    row = next(row for row in cells(tables.case_table(figures_of("pingpong-50"))) if row[0] == "epoll")
    assert row[1:] == ["18 000", "0.90", "1.20", "18 000", "18 000", "55.6", "111.1", "12.50", "0.80", "1.00"]


def test_bulk_is_in_megabytes_a_second() -> None:
    row = next(row for row in cells(tables.case_table(figures_of("bulk"))) if row[0] == "C")
    assert row[1] == "1 311"  # 20,000 writes of 64 KiB


def test_who_is_missing_is_said_below_the_table_and_why() -> None:
    made = figures_of("udp-50")
    made.failures["select"] = "it fell over"
    made.absent["threaded"] = made.absent["pool"] = "transport"
    made.rounds.append({"epoll": sample(lost=3)})
    table = tables.case_table(made)
    assert "select: it fell over" in table
    assert "threaded, pool" in table
    assert re.search(r"epoll: 3 ", table)


def test_a_case_without_any_figure_has_no_table_but_the_reasons() -> None:
    made = result("bulk", {})
    made.failures["C"] = "no room"
    table = tables.case_table(made)
    assert "|" not in table
    assert "C: no room" in table


def test_every_target_is_listed_with_its_verdict() -> None:
    results = {case.name: figures_of(case.name) for case in CASES}
    verdicts = judge(results)
    _heads, _rule, *lines = cells(tables.target_table(verdicts))
    assert len(lines) == len(verdicts)
    assert {verdict.case for verdict in verdicts} == {case.name for case in CASES} - {
        *("pingpong-1", "in-flight", "udp-1")
    }
    assert [line[1:3] for line in lines if line[0].startswith("bulk")] == [[">= 0.90", "1.00"]]
    assert [line[1:3] for line in lines if line[0].startswith("framed")] == [["<= 2.50", "2.25"]]


def test_the_report_has_every_run_and_the_verdicts(tmp_path: Path) -> None:
    results = {case.name: figures_of(case.name) for case in CASES}
    plan = options.read(Options(frozenset(), ("servers",)))
    where = report.machine(Cores(1, 1), {"python": "Python 3.11.7", "compiler": "cc", "uvloop": None})
    report.write(tmp_path / "out.json", plan, where, results, judge(results))
    read = json.loads((tmp_path / "out.json").read_text())
    assert read["cases"]["bulk"]["rounds"][0]["epoll"]["cpu"] == 12.5
    assert read["cases"]["bulk"]["summary"][0]["name"] == "C"
    assert read["cases"]["framed"]["framed"][0]["cost"] == 2.25
    assert read["cases"]["idle"]["memory"] == {"epoll": {"bytes_per_connection": 512.0, "growth_kib": 16}}
    assert {target["met"] for target in read["targets"]} == {True, False, None}
    assert read["machine"]["uvloop"] is None
    assert read["machine"]["kernel"].startswith("Linux ")


def drawn(*panels: Panel) -> ET.Element:
    return ET.fromstring(figure.draw(panels))  # noqa: S314 - our own text


def widths(svg: ET.Element, kind: str) -> list[float]:
    bars = [bar for bar in svg.iter(f"{SVG}rect") if bar.get("class") == kind]
    return [float(bar.get("width", "")) for bar in bars][1:]  # the first is the legend's


def test_a_bar_is_as_long_as_its_share_and_says_it() -> None:
    svg = drawn(Panel("a case", [("epoll", 1.25), ("C", 1.0), ("select", 0.5)]))
    ours, [others] = widths(svg, "ours"), widths(svg, "other")
    assert [bar / others for bar in ours] == pytest.approx([1.25, 0.5], abs=0.01)
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert {"a case", "epoll", "1.25", "C", "1.00", "select", "0.50"} <= set(words)


def test_nothing_is_drawn_beyond_the_edges_whatever_leads() -> None:
    names = [name for name, _ in zip(("epoll", "asyncio-streams", "C"), range(3), strict=True)]
    svg = drawn(*(Panel(f"case {n}", [(name, 3.4 / (n + 1)) for name in names]) for n in range(3)))
    width, height = float(svg.get("width", "")), float(svg.get("height", ""))
    for bar in svg.iter(f"{SVG}rect"):
        assert float(bar.get("x", "0")) + float(bar.get("width", "")) <= width
        assert float(bar.get("y", "0")) + float(bar.get("height", "")) <= height
    for text in svg.iter(f"{SVG}text"):
        assert 0 <= float(text.get("y", "")) <= height


def test_the_figure_is_for_light_and_dark_pages_and_escapes_what_it_says() -> None:
    text = figure.draw([Panel("64 B < 64 KiB & more", [("C", 1.0)])])
    assert "prefers-color-scheme: dark" in text
    assert "64 B < 64 KiB & more" in [node.text for node in ET.fromstring(text).iter(f"{SVG}text")]  # noqa: S314
    light, dark = text.split("@media")
    for kind in (".ours", ".other", ".page", ".reference"):
        assert kind in light
        assert kind in dark


def test_the_figure_shows_the_cases_of_speed_that_c_took_part_in() -> None:
    results = {case.name: figures_of(case.name) for case in CASES}
    results["bulk"] = result("bulk", {"epoll": sample()})
    found = figure.panels(results)
    assert len(found) == 7
    assert found[0].shares == [("C", 1.0), ("uvloop", 0.8), ("epoll", 0.8)]
