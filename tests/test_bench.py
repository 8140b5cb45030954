"""The page of a run of benchmarks says what was measured, and where it fell short."""

import json
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from bench.peers import differing, ended
from bench.report import machine, write
from bench.tables import Figure, Goal, Table, medians


def table(**seconds: float) -> Table:
    """One row; we are to take at most half of what the peer takes, and twice the floor."""
    row = {name: Figure(value, 0.001) for name, value in seconds.items()}
    goals = Goal("replay", 0.5, "vcrpy"), Goal("replay", 2, "floor")
    return Table("open a file", "floor", {"small": row}, goals=goals)


@pytest.mark.parametrize(("taken", "held"), [(0.002, [True, True]), (0.004, [True, False])])
def test_a_goal_is_held_or_not(taken, held):
    results = list(table(floor=0.001, replay=taken, vcrpy=0.01).results())

    assert [result.held for result in results] == held
    assert ("FALLS SHORT" in str(results[1])) is not held[1]


def test_who_did_not_take_part_is_held_to_nothing():
    assert [r.goal.than for r in table(floor=0.001, replay=0.01).results()] == ["floor"]


def test_the_page_tells_figures_goals_and_the_machine(tmp_path):
    """As Markdown, as JSON and as a chart in which nothing runs."""

    write(tmp_path, [table(floor=0.001, replay=0.004, vcrpy=0.01)], machine())
    page = (tmp_path / "benchmarks.md").read_text()
    told = json.loads((tmp_path / "benchmarks.json").read_text())
    drawn = ElementTree.parse(tmp_path / "benchmarks.svg").getroot()

    assert "| small | 1.00 × (1.000 ± 0.5 ms) | 4.00 × (4.000 ± 0.5 ms) |" in page
    assert "these were not reached" in page
    assert "small: replay ≤ 2 × floor: FALLS SHORT (4 ×)" in page
    assert [result["held"] for result in told["tables"][0]["results"]] == [True, False]
    assert told["machine"]["date"] <= datetime.now(UTC).date().isoformat()
    assert not [node for node in drawn.iter() if node.tag.endswith("script")]
    assert {"replay", "vcrpy"} <= {"".join(node.itertext()) for node in drawn.iter()}


def test_contenders_take_turns():
    order = []
    work = {name: lambda n=name: order.append(n) or float(len(order)) for name in "ab"}

    assert medians(2, work) == {"a": Figure(2.0), "b": Figure(3.0)}
    assert order == ["a", "b", "a", "b"]


SUITE = """
import pytest

def test_it():
    assert {it}

@pytest.mark.skip
def test_skipped(): ...

@pytest.mark.xfail(strict=False)
def test_that_may_fail():
    assert {it}
"""


def test_suites_are_compared_test_by_test(project):
    """A test that may fail may also pass; one that is gone has not passed."""

    before, after = (project.root / name for name in ("before.xml", "after.xml"))
    suite = SUITE.format(it="1") + "\ndef test_gone(): ...\n"
    project.write("test_x.py", suite).pytest("-q", f"--junit-xml={before}")
    project.write("test_x.py", SUITE.format(it="0")).pytest("-q", f"--junit-xml={after}")

    assert sorted(ended(after).values()) == ["failed", "skipped", "xfailed"]
    assert list(differing(ended(before), ended(after))) == [
        ("test_x::test_gone", "passed", "missing"),
        ("test_x::test_it", "passed", "failed"),
    ]
