"""A drift report as JUnit XML, which every CI shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from replay.drift.gates import Passage
from replay.drift.report import Report

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def drift_junit(report: Report, passed: Sequence[Passage]) -> str:
    """Write a test case a gate, or one for the whole verdict; drift fails, doubt is an error."""
    told = [(f"gate {p.gate}", p.verdict, p.why) for p in passed]
    sentences = "\n".join(judged.finding.sentence for judged in report.findings)
    told = told or [("drift", report.verdict, sentences)]
    codes = [verdict.exit_code for _, verdict, _ in told]
    suite = Element("testsuite", name="replay drift", tests=str(len(told)))
    suite.attrib |= {"failures": str(codes.count(1)), "errors": str(codes.count(2))}
    for name, verdict, why in told:
        case = SubElement(suite, "testcase", classname="replay.drift", name=_clean(name))
        if verdict.exit_code:
            tag = "failure" if verdict.exit_code == 1 else "error"
            SubElement(case, tag, message=str(verdict)).text = _clean(why)
    return tostring(suite, encoding="unicode", xml_declaration=True)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
