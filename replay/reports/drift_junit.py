"""A drift report as JUnit XML, which every CI shows."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from replay.drift.gates import Passage
from replay.drift.report import Report
from replay.visible import in_xml


def drift_junit(report: Report, passed: Sequence[Passage]) -> str:
    """Write a test case a gate, or one for the whole verdict; drift fails, doubt is an error."""
    told = [(f"gate {p.gate}", p.verdict, p.why) for p in passed]
    sentences = "\n".join(judged.finding.sentence for judged in report.findings)
    told = told or [("drift", report.verdict, sentences)]
    codes = [verdict.exit_code for _, verdict, _ in told]
    suite = Element("testsuite", name="replay drift", tests=str(len(told)))
    suite.attrib |= {"failures": str(codes.count(1)), "errors": str(codes.count(2))}
    for name, verdict, why in told:
        case = SubElement(suite, "testcase", classname="replay.drift", name=in_xml(name))
        if verdict.exit_code:
            tag = "failure" if verdict.exit_code == 1 else "error"
            SubElement(case, tag, message=str(verdict)).text = in_xml(why)
    return tostring(suite, encoding="unicode", xml_declaration=True)
