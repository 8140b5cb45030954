"""
Run the peers' own suites without ours and with it, and compare test by test: `make peers`.

The tests are those of their source distributions, in the versions of requirements.lock, downloaded
each time; nothing of them is kept. What differs has to be named in docs/peers.md, with its reason.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from platform import python_version, system
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import click

from tests.conftest import ROOT, surroundings

PAGE = ROOT / "docs/peers.md"
MARKS = "<!-- table: written by make peers -->\n", "<!-- end of the table -->"

Outcomes = dict[str, str]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to run a suite: what is *installed* beside it, more *options*, more *variables*."""

    name: str
    installed: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of a *peer*, and the *ways* to run them; the first is without ours."""

    peer: str
    tests: tuple[str, ...]
    ways: tuple[Way, ...]


_PEER, _OURS = "pytest-recording", "golden-replay"
_CLIENTS = ("httpx", "httpx2", "requests", "aiohttp", "urllib3")
_ENGINE = (("REPLAY_ENGINE", "replay"),)

SUITES = (
    Suite(
        _PEER,
        ("tests",),
        (
            Way("without ours", (_PEER,)),
            Way("with ours installed", (_PEER, _OURS)),
            Way("on our engine", (_PEER, _OURS), variables=_ENGINE),
        ),
    ),
    Suite(
        "syrupy",
        ("tests",),
        (
            Way("without ours"),
            Way("with pytest-recording", (_PEER,), ("-plegacypath",)),
            Way("with ours installed", (_PEER, _OURS)),
        ),
    ),
    Suite(
        "vcrpy",
        ("-mnot online", *(f"tests/integration/test_{name}.py" for name in _CLIENTS)),
        (Way("without ours"), Way("on our engine", options=("-pbench.vcr_on_ours",))),
    ),
)


def pinned(peer: str) -> str:
    """Say which version of *peer* we are tested with, as `name==version`."""
    found = re.search(rf"(?m)^{peer}==\S+", (ROOT / "requirements.lock").read_text("utf-8"))
    assert found, f"{peer} is not in requirements.lock"
    return found[0]


def fetched(peer: str, folder: Path) -> Path:
    """Download the source distribution of *peer*; gives the folder that it unpacks to."""
    _pip("download", "--no-deps", "--no-binary", peer, "--dest", folder, pinned(peer))
    [archive] = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def beside(folder: Path) -> dict[str, Path]:
    """Install what runs differ by, each into a folder of its own."""
    wanted = {_PEER: pinned(_PEER), _OURS: str(ROOT)}
    for name, what in wanted.items():
        _pip("install", "--no-deps", "--no-build-isolation", "--target", folder / name, what)
    return {name: folder / name for name in wanted}


def _pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True)


def outcomes(suite: Suite, way: Way, source: Path, installed: Mapping[str, Path]) -> Outcomes:
    """Run *suite* in a copy of its *source*; gives what became of each test."""
    from pytest_httpbin import certs  # of httpbin, which the tests talk to

    folder = source.parent / way.name / source.name
    shutil.copytree(source, folder)
    report = folder.parent / "report.xml"
    paths = [*(installed[name] for name in way.installed), *([] if way.installed else [ROOT])]
    env = {key: value for key, value in surroundings().items() if key != "CI"}
    env |= {"PYTHONPATH": os.pathsep.join(map(str, paths)), "REQUESTS_CA_BUNDLE": certs.where()}
    env |= dict(way.variables)
    command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *way.options]
    with (folder.parent / "output.txt").open("w") as output:
        subprocess.run(
            [*command, *suite.tests], cwd=folder, env=env, stdout=output, stderr=output, check=False
        )
    if not report.exists():
        raise click.ClickException((folder.parent / "output.txt").read_text("utf-8"))
    return ended(report)


def ended(report: Path) -> Outcomes:
    """Read from JUnit's XML how each test ended."""
    cases = ElementTree.parse(report).iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}": _outcome(case) for case in cases}


def _outcome(case: ElementTree.Element) -> str:
    for found in case:
        if found.tag in ("failure", "error"):
            return "failed"
        if found.tag == "skipped":
            return "xfailed" if found.get("type") == "pytest.xfail" else "skipped"
    return "passed"


def differing(before: Outcomes, after: Outcomes) -> Iterator[tuple[str, str, str]]:
    """List the tests that end otherwise; one that may fail may also pass."""
    for test in sorted(before | after):
        ends = before.get(test, "missing"), after.get(test, "missing")
        if len(set(ends)) > 1 and set(ends) != {"passed", "xfailed"}:
            yield test, *ends


def _counted(found: Outcomes) -> str:
    counts = Counter(found.values())
    order = ("passed", "failed", "xfailed", "skipped")
    return ", ".join(f"{counts[end]} {end}" for end in order if counts[end])


def table(results: Mapping[tuple[Suite, Way], Outcomes]) -> str:
    """Write the table of the page."""
    today = datetime.now(UTC).date().isoformat()
    lines = [f"Run on {today} with Python {python_version()} and {pinned('pytest')}, {system()}.\n"]
    lines += ["| suite | run | tests | that end otherwise |", "| --- | --- | --- | --- |"]
    for (suite, way), found in results.items():
        before = results[suite, suite.ways[0]]
        differs = "" if found is before else str(len(list(differing(before, found))))
        peer = pinned(suite.peer).replace("==", " ")
        lines.append(f"| {peer} | {way.name} | {_counted(found)} | {differs} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("peers", nargs=-1, type=click.Choice([suite.peer for suite in SUITES]))
@click.option("--workers", default=os.cpu_count() or 1, show_default="the cores", help="At once.")
@click.option("--keep", type=Path, help="Work here, and leave what the runs said: --keep /tmp/x.")
def main(peers: tuple[str, ...], workers: int, keep: Path | None) -> None:
    """Run the suites of PEERS, by default all; exit 1 if a difference is not in docs/peers.md."""
    chosen = [suite for suite in SUITES if suite.peer in (peers or (suite.peer,))]
    jobs = [(suite, way) for suite in chosen for way in suite.ways]
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(TemporaryDirectory(prefix="peers-")))
        installed = beside(folder / "beside")
        sources = {suite: fetched(suite.peer, folder / suite.peer) for suite in chosen}
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        found = pool.map(lambda job: outcomes(job[0], job[1], sources[job[0]], installed), jobs)
        results = dict(zip(jobs, found, strict=True))
    text = table(results)
    click.echo(text)
    page = PAGE.read_text("utf-8")
    unexplained = 0
    for suite, way in jobs:
        for test, before, after in differing(results[suite, suite.ways[0]], results[suite, way]):
            known = re.split(r"::|\[", test)[1] in page
            unexplained += not known
            click.echo(f"{test} {way.name}: {before} -> {after}{'' if known else ', unexplained'}")
    if not peers:
        head, _, rest = page.partition(MARKS[0])
        PAGE.write_text(f"{head}{MARKS[0]}{text}{MARKS[1]}{rest.partition(MARKS[1])[2]}", "utf-8")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
