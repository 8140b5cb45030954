"""Reports as JUnit's XML, which every CI shows: what drifted fails, what could not be told errs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from replay.batch.report import Report as BatchReport
from replay.drift.gates import Passage
from replay.drift.report import Report
from replay.reports.batch import lines, said
from replay.visible import in_xml, inline, visible

_TAGS = {1: "failure", 2: "error"}


def batch_junit(report: BatchReport) -> str:
    """Write a test case a run."""
    failed = {result.place: result.exit_code for result in report.failed}
    suite = _suite("replay batch", len(report.results), failed.values())
    suite.set("time", f"{sum(result.seconds for result in report.results):.3f}")
    for result in report.results:
        name, time = inline(str(result.run)), f"{result.seconds:.3f}"
        case = SubElement(suite, "testcase", classname="replay", name=in_xml(name), time=time)
        if code := failed.get(result.place):
            kind, text = result.outcome.kind, "\n".join(lines(result))
            child = SubElement(case, _TAGS[code], message=_clean(said(result)), type=kind)
            child.text = _clean(text)
    return _written(suite)


def drift_junit(report: Report, passed: Sequence[Passage]) -> str:
    """Write a test case a gate, or one for the whole verdict."""
    told = [(f"gate {p.gate}", p.verdict, p.why) for p in passed]
    sentences = "\n".join(judged.finding.sentence for judged in report.findings)
    told = told or [("drift", report.verdict, sentences)]
    suite = _suite("replay drift", len(told), [verdict.exit_code for _, verdict, _ in told])
    for name, verdict, why in told:
        case = SubElement(suite, "testcase", classname="replay.drift", name=_clean(name))
        if tag := _TAGS.get(verdict.exit_code):
            SubElement(case, tag, message=str(verdict)).text = _clean(why)
    return _written(suite)


def _suite(name: str, tests: int, codes: Iterable[int]) -> Element:
    counts = Counter(codes)
    told = {f"{tag}s": str(counts[code]) for code, tag in _TAGS.items()}
    return Element("testsuite", {"name": name, "tests": str(tests)} | told)


def _written(suite: Element) -> str:
    indent(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(suite, "unicode")}\n'


def _clean(text: str) -> str:
    return in_xml(visible(text))
