"""Many episodes at once: outcomes stay apart, nothing is done twice, scheduling does not show."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from xml.etree import ElementTree as Xml

import pytest

from replay.batch.report import Report, Result
from replay.batch.runs import Run, batch_id
from replay.episodes.batches import Batches
from replay.model import Difference, Kind, Outcome
from replay.reports.batch_html import batch_html
from tests.batches import episode, project_of, recording
from tests.test_drift_reports import HOSTILE, Page


def batch(project, *arguments):
    if "--workers" not in arguments:
        arguments += ("--workers", "1")
    done = project.replay("batch", *arguments, "--json", "report.json")
    report = json.loads((project.root / "report.json").read_text())
    return done, report


def untimed(report):
    results = [{k: v for k, v in result.items() if k != "time"} for result in report["results"]]
    return json.dumps(report | {"results": results}, indent=1)


def listed(project, *lines):
    return project.write("runs.txt", "\n".join(lines) + "\n")


def test_everything_that_agrees(tmp_path):
    """Exit 0, and the counts."""

    project = project_of(tmp_path, [episode(n) for n in range(3)])
    done, report = batch(project, "--all")

    assert done.returncode == 0, done.stderr
    assert report["outcomes"] == {"IDENTICAL": 3}
    assert done.stdout.splitlines()[-1] == "3 runs, all as wanted."


def test_trouble_is_one_episodes_own(tmp_path):
    """A crash, a hang, a memory hog and an exit: each its own outcome, the others agree."""

    does = {1: "abort", 3: "hang", 5: "hog", 7: "leave"}
    episodes = [episode(n, **({"does": does[n]} if n in does else {})) for n in range(9)]
    project = project_of(tmp_path, episodes)
    done, report = batch(project, "--all", "--workers", "2", "--timeout", "1.5", "--memory", "8G")
    outcomes = [result["outcome"] for result in report["results"]]

    assert done.returncode == 1
    assert [outcome["kind"] for outcome in outcomes] == ["IDENTICAL", "FAILED"] * 4 + ["IDENTICAL"]
    assert outcomes[1]["detail"].startswith("Its process was killed by SIGABRT.")
    assert outcomes[3]["detail"].startswith("It did not end within 1.5 s.")
    assert outcomes[5]["detail"].startswith("It raised builtins.MemoryError")
    assert outcomes[7]["detail"].startswith("Its process ended with exit code 7")
    assert [outcome["what"] for outcome in outcomes[1::2]] == ["crash", "timeout", "", "crash"]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Some episodes diverge, one fails, one leaves something unplayed."""

    root = tmp_path_factory.mktemp("mixed")
    project = project_of(root, [episode(n) for n in range(1, 15)])
    changed = "    if n % 7 == 0: n = n + 1000\n    if n % 11 == 0: return {}['boo']\n"
    changed += "    if n % 13 == 0: return {}\n"
    return project.edit("program.py", "    if does", f"{changed}    if does", count=1)


@pytest.fixture(scope="module")
def whole(mixed):
    """The report of all of them, by one worker."""
    return batch(mixed, "--all", "--workers", "1")[1]


def test_report_does_not_depend_on_scheduling(mixed, whole):
    """One worker and three write the same bytes, but for the times."""

    three = batch(mixed, "--all", "--workers", "3")[1]

    assert set(whole["outcomes"]) == {"IDENTICAL", "DIVERGED", "UNPLAYED", "FAILED"}
    assert untimed(whole) == untimed(three)


def test_shards_merge_into_the_whole(mixed, whole):
    """Merged, they are the report of the batch that was not cut; a part of them is refused."""

    for part in (2, 1):
        mixed.replay(
            "batch", "--all", "--workers", "1", "--shard", f"{part}/2", "--json", f"{part}.json"
        )
    merged = mixed.replay("batch", "merge", "2.json", "1.json", "--json", "merged.json")
    partly = mixed.replay("batch", "merge", "1.json")

    assert (merged.returncode, partly.returncode) == (1, 2)
    assert untimed(json.loads((mixed.root / "merged.json").read_text())) == untimed(whole)
    assert partly.stderr.splitlines()[0] == "These reports cannot be merged: 2 of 2 is not there."


@pytest.mark.usefixtures("whole")
def test_junit_html_and_github(mixed):
    """A failure for what drifted, with what it was; the job's summary has the counts."""

    done = mixed.where(GITHUB_STEP_SUMMARY=str(mixed.root / "summary.md")).replay(
        "batch", "--all", "--resume", "--junit", "out.xml", "--html", "out.html"
    )
    page = Page((mixed.root / "out.html").read_text())
    suite = Xml.parse(mixed.root / "out.xml").getroot()
    cases = {case.get("name"): case for case in suite}

    assert (done.returncode, suite.get("tests")) == (1, "14")
    assert len(suite.findall("testcase/failure")) == int(suite.get("failures"))
    assert cases["e0007"].find("failure").get("message") == "DIVERGED at step 1 (request)"
    assert "GET http://api.test/1007 is not in" in cases["e0007"].find("failure").text
    assert {"only-all", "only-unwanted", "only-DIVERGED", "only-IDENTICAL", "r7"} <= page.ids
    assert {"r7", "r11"} <= page.targets <= page.ids
    assert "| FAILED | 1 |" in (mixed.root / "summary.md").read_text().splitlines()


def test_html_escapes_what_was_recorded():
    """Names, tags, details and differences are other people's text."""

    found = (Difference(HOSTILE, {HOSTILE: 1}, HOSTILE), Difference("n", "1 two", "1 three"))
    outcome = Outcome(Kind.DIVERGED, 1, HOSTILE, HOSTILE, found)
    results = (Result(1, Run(HOSTILE, HOSTILE, (HOSTILE,)), HOSTILE, outcome),)
    text = batch_html(Report(HOSTILE, 1, results))
    page = Page(text)

    assert {"script", "img", "iframe", "object", "link"}.isdisjoint(page.tags)
    assert (page.outside, page.handlers) == ([], [])
    assert "<pre>1 <del>two</del></pre>" in text
    assert "1 <ins>three</ins>" in text


@pytest.mark.parametrize(
    ("fail_on", "code"), [("FAILED", 1), ("UNHERMETIC", 0), ("never", 0), ("nope", 2)]
)
@pytest.mark.usefixtures("whole")
def test_fail_on_chooses_what_counts(mixed, fail_on, code):
    """Other outcomes are shown, and are not the batch's failure."""

    assert mixed.replay("batch", "--all", "--resume", "--fail-on", fail_on).returncode == code


def test_kill_and_resume_repeats_nothing(tmp_path):
    """After a SIGKILL what was done is not done again; and no process is left behind."""

    project = project_of(tmp_path, [episode(n) for n in range(12)] + [episode(12, does="hang")])
    listed(project, *(f"e{n:04}" for n in [*range(6), 12, *range(6, 12)]))
    command = [sys.executable, "-m", "replay", "batch", "runs.txt", "--workers", "1"]
    first = project.where(RAN=str(tmp_path / "first"))
    runner = subprocess.Popen([*command, "--timeout", "0"], cwd=tmp_path, env=first.env)
    hanging = waited_for(tmp_path / "first", "12 ")
    runner.kill()
    runner.wait()
    runs = [Run(f"e{n:04}") for n in [*range(6), 12, *range(6, 12)]]
    with closing(Batches(tmp_path / "episodes/episodes.db")) as batches:
        done = batches.done(batch_id(runs))
    again = project.where(RAN=str(tmp_path / "second"))
    _, report = batch(again, "runs.txt", "--resume", "--timeout", "3", "--workers", "2")
    repeated = {line.split()[0] for line in (tmp_path / "second").read_text().splitlines()}

    assert done == set(range(1, 7))
    assert repeated == {str(n) for n in range(6, 13)}
    assert report["outcomes"] == {"IDENTICAL": 12, "FAILED": 1}
    gone(hanging)


def waited_for(path, beginning):
    """Wait for a line of a log; the process that wrote it."""
    for _ in range(600):
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines:
            if line.startswith(beginning):
                return int(line.split()[1])
        time.sleep(0.05)
    raise AssertionError(f"{path} has no line {beginning!r}")


def gone(pid):
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")


def _interruptible():
    """Undo what a shell does to what it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupt_says_how_to_go_on(tmp_path):
    """Ctrl-C ends the workers at once and names the option."""

    project = project_of(tmp_path, [episode(0, does="hang")])
    project = project.where(RAN=str(tmp_path / "ran"))
    command = [sys.executable, "-m", "replay", "batch", "--all", "--timeout", "0"]
    runner = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=project.env,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_interruptible,  # noqa: PLW1509 - nothing else runs here
    )
    hanging = waited_for(tmp_path / "ran", "0 ")
    runner.send_signal(signal.SIGINT)
    _, said = runner.communicate(timeout=20)

    assert runner.returncode == 130
    assert "To go on where this ends: the same command with --resume" in said.splitlines()
    gone(hanging)


def test_bad_lines_are_told_before_anything_runs(tmp_path):
    """Each with its number; nothing is run."""

    project = project_of(tmp_path, [episode(0)]).where(RAN=str(tmp_path / "ran"))
    listed(project, "e0000", "# a remark", "a b c", "e0000", '{"episode": "e0000", "expect": "X"}')
    done = project.replay("batch", "runs.txt")
    listed(project, "e0000", "e0001", "e0000 gpt-9")
    missing = project.replay("batch", "runs.txt")

    assert (done.returncode, missing.returncode) == (2, 2)
    assert done.stderr.splitlines()[:3] == [
        "runs.txt: nothing was run, because of",
        "  line 3: 'a b c' is not `id` or `id version`",
        "  line 4: e0000 is there already, on line 1",
    ]
    assert "  line 5: 'expect' has to be one of IDENTICAL" in done.stderr
    assert "  line 2: There is no episode 'e0001'" in missing.stderr
    assert "  line 3: e0000 has no recording 'gpt-9'" in missing.stderr
    assert not (tmp_path / "ran").exists()


def test_expected_outcomes_and_tags(tmp_path):
    """A run that is meant to diverge agrees when it does, and not when it does not."""

    project = project_of(tmp_path, [episode(n) for n in range(3)])
    project.edit("program.py", "    if does", "    if n == 1: n = 5\n    if does", count=1)
    lines = [
        {"episode": "e0000", "tags": ["smoke"]},
        {"episode": "e0001", "tags": ["smoke"], "expect": "DIVERGED"},
        {"episode": "e0002", "expect": "DIVERGED"},
    ]
    listed(project, *map(json.dumps, lines))
    smoke, report = batch(project, "runs.txt", "--tag", "smoke")
    every, _ = batch(project, "runs.txt")

    assert (smoke.returncode, every.returncode) == (0, 1)
    assert [result["expected"] for result in report["results"]] == [True, True]
    assert "e0002  IDENTICAL, expected DIVERGED" in every.stdout.splitlines()


def test_versions_in_a_list(tmp_path):
    """Each line replays the recording it names; --model chooses the episodes that have one."""

    from replay.model import Episode

    both = (recording(1, model="m-1"), recording(1, model="m-2", said="good"))
    project = project_of(
        tmp_path, [Episode("e0001", "program:main", {"n": 1}, both), episode(2, model="m-1")]
    )
    listed(project, "e0001 m-1", "e0001 m-2", "e0001")
    _, named = batch(project, "runs.txt")
    _, chosen = batch(project, "--model", "m-2")
    ids = [result["recording"] for result in named["results"]]

    assert named["outcomes"] == {"IDENTICAL": 3}
    assert ids[0] != ids[1] == ids[2]
    assert [result["episode"] for result in chosen["results"]] == ["e0001"]


def test_module_state_is_fresh_for_every_run(tmp_path):
    """What one replay does to a module of the project is not seen by the next."""

    project = project_of(tmp_path, [episode(n) for n in range(6)])
    project.edit("program.py", "def main", "SEEN = []\n\ndef main")
    fresh = "    SEEN.append(n)\n    assert SEEN == [n]\n    if does"
    project.edit("program.py", "    if does", fresh, count=1)
    done, report = batch(project, "--all", "--workers", "1")

    assert report["outcomes"] == {"IDENTICAL": 6}, done.stdout


def test_library_that_cannot_be_set_up_twice(tmp_path):
    """What fails for what a warm worker has left over is asked again of a cold one."""

    library = tmp_path / "site-packages"
    project = project_of(tmp_path, [episode(n) for n in range(4)])
    project.write("site-packages/registry.py", "names = set()\n")
    once = "import registry\nassert not registry.names\nregistry.names.add('mine')\n"
    project.edit("program.py", "def main", f"{once}\ndef main")
    path = os.pathsep.join([str(library), project.env["PYTHONPATH"]])
    done, report = batch(project.where(PYTHONPATH=path), "--all", "--workers", "1")

    assert report["outcomes"] == {"IDENTICAL": 4}, done.stdout


def test_what_a_program_prints_stays_out(tmp_path):
    """Also where it writes to the file descriptor of standard output."""

    project = project_of(tmp_path, [episode(0), episode(1)])
    noise = "    print('noise'); os.write(1, b'more noise\\n')\n    if does"
    project.edit("program.py", "    if does", noise, count=1)
    done, report = batch(project, "--all")

    assert report["outcomes"] == {"IDENTICAL": 2}
    assert "noise" not in done.stdout
