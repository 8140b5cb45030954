"""Recording again what is old or failed, through a real inner pytest, and what that would cost."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from replay.cassettes.files import write_cassette
from replay.config import Config
from replay.golden.rerecording import Failures, Plan, is_stale, planned
from replay.llm.estimate import Estimate, estimate
from replay.model import Interaction, Request, Response
from replay.reports.rerecording import plan_lines
from tests.conftest import Project, surroundings
from tests.server import plain, scripted
from tests.talking import call

OPENAI = "https://api.openai.com/v1/chat/completions"
TESTS = """
import os, httpx, pytest
BASE = os.environ["BASE"]

@pytest.mark.golden
@pytest.mark.parametrize("name", ["old", "moved", "fine"])
def test_it(name, golden):
    assert httpx.get(f"{BASE}/{name}").raise_for_status().text == golden

def test_plain():
    assert os.environ.get("ALSO_PLAIN")
"""
OLD, MOVED, FINE = (f"cassettes/test_it.test_it[{name}].yaml" for name in ("old", "moved", "fine"))


@dataclass
class Provider:
    """What answers, and what it was asked."""

    address: str = ""
    up: bool = True
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """A server on loopback that may be down."""
    own = Provider()

    def script(connection, data):
        own.asked.append(data.split()[1].decode())
        if own.up:
            plain(b"hello")(connection, data)
        else:
            connection.sendall(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")

    with scripted(script) as own.address:
        yield own


@pytest.fixture(scope="module")
def template(tmp_path_factory, provider) -> Project:
    """A project of which the golden tests were recorded."""
    env = surroundings() | {"BASE": provider.address, "ALSO_PLAIN": "1"}
    project = Project(tmp_path_factory.mktemp("template"), env)
    project.write("pyproject.toml", "[tool.replay]\n").write("test_it.py", TESTS)
    done = project.pytest("-q", "--record-mode=rewrite", "--snapshot-update")
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture
def recorded(template, tmp_path, provider) -> Project:
    """Such a project of the test's own."""
    shutil.copytree(template.root, tmp_path, dirs_exist_ok=True)
    provider.asked.clear()
    return replace(template, root=tmp_path)


def cassettes(project: Project) -> dict[str, str]:
    """What lies in the folder of cassettes."""
    there = (project.root / "cassettes").iterdir()
    return {f"cassettes/{path.name}": path.read_text() for path in there}


def aged(project: Project, path: str, days: int) -> Project:
    """Let a cassette have been recorded so long ago."""
    then = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    text = (project.root / path).read_text()
    return project.write(path, re.sub(r"began: '.*?'", f"began: '{then}'", text))


def test_what_failed_is_recorded_again_and_nothing_else(recorded, provider):
    """Failed in some worker; said first what it would call, then called, then there is no more."""

    recorded.edit("test_it.py", "{BASE}/{name}", "{BASE}/{name.replace('moved', 'new')}")
    failed = recorded.where(TEST_MODE="GOLDEN", ALSO_PLAIN="").pytest("-q", "-n2")
    before = cassettes(recorded)
    dry = recorded.pytest("--record-failed", "--record-dry-run", "-n2", "--snapshot-update")
    unsent = (list(provider.asked), cassettes(recorded) == before)
    again = recorded.pytest("-q", "--record-failed")
    more = recorded.pytest("-q", "--record-failed")

    assert "2 failed, 2 passed" in failed.stdout
    assert [dry.returncode, *unsent] == [0, [], True], dry.stdout
    told = dry.stdout.partition("what recording again would call ")[2].splitlines()
    assert told[1:5] == [
        "test_it.py::test_it[moved]",
        f"  1 x GET {provider.address}/moved",
        "1 test, 1 request",
        "As they were recorded, at the prices of today. Nothing was run, and nothing was sent.",
    ]
    assert (again.returncode, "1 passed" in again.stdout) == (0, True), again.stdout
    assert provider.asked == ["/new"]
    assert [path for path, text in cassettes(recorded).items() if text != before[path]] == [MOVED]
    assert (more.returncode, "4 deselected" in more.stdout) == (0, True), more.stdout


def test_what_is_old_is_recorded_again_when_it_passes(recorded, provider):
    """A provider that is down changes nothing; a cassette that waits says what it said."""

    aged(recorded, OLD, 40)
    before = cassettes(recorded)
    provider.up = False
    failed = recorded.pytest("-q", "--record-stale", "30")
    left = {path: text for path, text in cassettes(recorded).items() if path in before}
    provider.up = True
    again = recorded.pytest("-q", "--record-stale", "30", "-k", "it", "--record-mode=rewrite")

    assert (failed.returncode, left == before) == (1, True), failed.stdout
    assert (again.returncode, provider.asked) == (0, ["/old", "/old"]), again.stdout
    assert [path for path, text in cassettes(recorded).items() if text != before[path]] == [OLD]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--record-dry-run"], "add --record-mode=rewrite, --record-stale DAYS or --record-failed"),
        (["--record-failed", "--record-mode=once"], "leave --record-mode=once out"),
        (["--record-stale=soon"], "'soon' is no whole number of days, such as 30"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, options, said):
    """With what to do about it, and before anything is collected."""

    done = Project(tmp_path, dict(os.environ)).pytest("-q", *options)

    assert (done.returncode, said in done.stderr) == (4, True), done.stderr


def test_a_dry_run_tells_calls_tokens_and_dollars(tmp_path):
    """By address and model, what is not priced by name, what nobody can tell as such; the sum."""

    failed = Interaction(Request("POST", OPENAI, (), b'{"model": "gpt-4o"}'), Response(429, "Slow"))
    shop = Interaction(Request("GET", "https://shop.example/1?key=x"), Response(200, "OK"))
    calls = [failed, *(call(url=OPENAI, number=n, tokens=1000) for n in (1, 2)), shop]
    write_cassette(tmp_path / "a.yaml", calls, None)
    write_cassette(tmp_path / "b.yaml", [call(url=OPENAI, model="acme-1", tokens=5)], None)
    (tmp_path / "c.yaml").write_text("version: 9\ninteractions: []\n")
    plans = [planned(f"test_{name}", tmp_path / f"{name}.yaml") for name in "abcd"]

    other = "acme-1-2024-08-06"
    assert plans[3] == Plan("test_d", unknown="not recorded yet")
    lines = list(plan_lines(plans))
    assert [line for line in lines if not line.startswith(("test_c", "If "))] == [
        "test_a",
        f"  1 x POST {OPENAI}: gpt-4o, 0 tokens, $0.000000",
        f"  2 x POST {OPENAI}: gpt-4o-2024-08-06, 4,000 tokens, $0.025000",
        "  1 x GET https://shop.example/1",
        "test_b",
        f"  1 x POST {OPENAI}: {other}, 10 tokens, price not known (not priced: {other})",
        "test_d: unknown, not recorded yet",
        "4 tests, 5 requests",
        f"  of models: 4 calls, 4,010 tokens, $0.025000 (not priced: {other})",
        "  and what 2 of the tests would call, which is unknown",
        "As they were recorded, at the prices of today. Nothing was run, and nothing was sent.",
    ]
    assert "its format is version 9" in next(line for line in lines if line.startswith("test_c"))


def test_an_estimate_is_for_the_model_that_is_asked():
    """As many tokens, at its price."""

    cheap, dear = (estimate([call(url=OPENAI, tokens=1_000)], m) for m in ("gpt-4o-mini", "gpt-4o"))

    assert (cheap.tokens, dear.tokens, cheap.dollars < dear.dollars) == (2_000, 2_000, True)
    assert cheap + Estimate() == cheap
    assert dear.dollars == Decimal("0.0125")


@pytest.mark.parametrize(("age", "days", "stale"), [(40, 30, True), (29, 30, False), (0, 0, True)])
def test_age_counts_from_the_last_recording(tmp_path, age, days, stale):
    """What was never recorded is not old."""

    config = Config(root=tmp_path)
    began = datetime.now(UTC) - timedelta(days=age)
    write_cassette(tmp_path / "cassettes/it.yaml", [call()], began)

    assert (is_stale(config, "it", days), is_stale(config, "other", days)) == (stale, False)


def test_failures_are_those_of_each_tests_last_run(tmp_path):
    """A partial run forgets nothing; what passes and fails in its teardown has failed."""

    failures = Failures(Config(root=tmp_path))
    failures.note(passed=set(), failed={"a", "b[x y]"})
    failures.note(passed={"a", "c"}, failed={"c"})

    assert Failures(Config(root=tmp_path)).read() == {"b[x y]", "c"}
    assert [path.name for path in Path(tmp_path).rglob("*") if path.is_file()] == ["failed"]
