"""`replay drift`: where runs come from, what is printed and written, and how it exits."""

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from replay.cassettes.files import write_cassette
from replay.cli import main
from replay.drift.report import Pair, report
from replay.episodes.bundle import recording_id
from replay.episodes.store import Store
from replay.model import Episode
from replay.reports.drift_html import drift_html
from replay.reports.drift_markdown import drift_markdown
from tests.talking import call, run

SCHEMA = json.loads((Path(__file__).parent.parent / "docs" / "drift.schema.json").read_text())
HOSTILE = '</pre><script>alert(1)</script><img src=x onerror="alert(2)">'


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text("[tool.replay]\n")
    monkeypatch.chdir(tmp_path)


def drift(*arguments):
    return CliRunner().invoke(main, ["drift", *map(str, arguments)])


def record(folder, **cases):
    for name, interaction in cases.items():
        write_cassette(Path(folder) / f"{name}.yaml", [interaction], None)


def test_two_folders_pair_by_name():
    record("old", a=call(), b=call(), gone=call())
    record("new", a=call(seed=1), b=call(seed=1), fresh=call())

    done = drift("old", "new")

    assert (done.exit_code, done.stderr) == (1, "")
    assert "DRIFT from old to new" in done.output
    assert "2     2      drift    Parameters changed: seed 1 is new" in done.output
    assert "2 on one side only, such as gone.yaml (only before)." in done.output


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (["old"], "Name the other: replay drift old --from HEAD"),
        (["old", "--to", "HEAD"], "Name the other: replay drift old --from HEAD"),
        (["old", "nwe"], "There is no file or folder nwe."),
        (["old/b.yaml", "--from", "HEAD"], "There is no file or folder old/b.yaml."),
        (["b.yaml"], "There is no file or folder b.yaml."),
        (["episode"], "There is no episode 'episode'"),
    ],
)
def test_a_path_that_is_not_enough_is_no_episode(what, said):
    """What is written like a path is meant as one."""

    record("old", a=call())

    done = drift(*what)

    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_two_files_pair_whatever_their_names():
    record(".", one=call(), two=call(number=2))

    done = drift("one.yaml", "two.yaml")

    assert (done.exit_code, "NO DRIFT" in done.output) == (0, True)


def test_what_the_project_calls_noise_is_no_drift(tmp_path):
    """Its rules of normalization hold here as they do in its goldens."""

    record(".", one=call(answered="Ticket T-1 is open."), two=call(answered="Ticket T-2 is open."))
    before = drift("one.yaml", "two.yaml")
    rule = "[tool.replay.normalize.rules.ticket]\npattern = 'T-[0-9]+'\n"
    (tmp_path / "pyproject.toml").write_text(rule)
    after = drift("one.yaml", "two.yaml")

    assert (before.exit_code, after.exit_code) == (2, 0), after.output


def test_further_recordings_make_a_noise_floor():
    """What differs between recordings of the old version is no drift of the new one."""

    for folder, texts in {"o1": "ab", "o2": "ba", "n1": "ba", "n2": "ab"}.items():
        cases = {f"case{n}": call(answered=texts[n % 2] * 3) for n in range(12)}
        record(folder, **cases)

    assert drift("o1", "n1").exit_code == 2
    assert drift("o1", "n1", "--also-before", "o2", "--also-after", "n2").exit_code == 0


def test_two_git_revisions_of_a_folder():
    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)

    record("cassettes/deep", a=call())
    git("init", "-b", "main")
    git("add", ".")
    git("commit", "-m", "first")
    record("cassettes/deep", a=call(seed=1))

    now, same = (
        drift("cassettes", "--from", "main"),
        drift("cassettes", "--from", "main", "--to", "HEAD"),
    )
    unknown = drift("cassettes", "--from", "nowhere")

    assert (now.exit_code, "Parameters changed" in now.output) == (1, True)
    assert same.exit_code == 0
    assert (unknown.exit_code, "Give --from and --to revisions" in unknown.output) == (2, True)


def test_episodes_compare_the_newest_version_with_the_one_before():
    recordings = [
        run(call(), output={"total": n}, clock=f"2026-01-0{n}T00:00:00+00:00", model=model)
        for n, model in enumerate(("a-1", "a-2", "a-3"), 1)
    ]
    with Store(Path("episodes/episodes.db")) as store:
        store.add(Episode("case", "program:main", {}, tuple(recordings)))
        store.add(Episode("single", "program:main", {}, tuple(recordings[:1])))

    newest = json.loads(drift("case", "--json").output)
    named = json.loads(drift("case", "--from", "a-1", "--to", "a-2", "--json").output)
    every = json.loads(drift("--all", "--json").output)
    missing = drift("case", "--from", "b", "--to", "a-1")

    outputs = [[m["before"], m["after"]] for r in (newest, named) for m in r["measures"][-1:]]
    assert outputs == [[2, 3], [1, 2]]
    assert [(c["name"], c["broken"]) for c in every["left_out"]] == [("single", False)]
    assert (missing.exit_code, "has no recording 'b'. There is:" in missing.output) == (2, True)


def test_nothing_to_compare_is_no_agreement():
    """Episodes that were recorded once, or none at all."""

    none = drift("--all")
    with Store(Path("episodes/episodes.db")) as store:
        store.add(
            Episode("single", "program:main", {}, (run(call(), clock="2026-01-01T00:00:00+00:00"),))
        )
    single = drift("--all", "--fail-on", "output")

    assert (none.exit_code, none.output.splitlines()[0]) == (
        2,
        "None of 0 episodes has recordings of two versions to be compared.",
    )
    assert (single.exit_code, single.output.splitlines()) == (
        2,
        [
            "None of 1 episodes has recordings of two versions to be compared.",
            "Record one again: replay record --from EPISODE",
        ],
    )


def test_two_recordings_of_one_model_are_compared():
    """What did recording again change? The last against those before, or any two by id."""

    recordings = [
        run(call(), output={"total": n}, clock=f"2026-01-0{n}T00:00:00+00:00", model="a-1")
        for n in (1, 2, 3)
    ]
    with Store(Path("episodes/episodes.db")) as store:
        store.add(Episode("case", "program:main", {}, tuple(recordings)))
    first, second, _ = (recording_id(recording)[:12] for recording in recordings)

    newest = json.loads(drift("case", "--json").output)
    by_id = json.loads(drift("case", "--from", first, "--to", second, "--json").output)
    since = json.loads(drift("case", "--from", second, "--json").output)
    same = drift("case", "--from", "a-1", "--to", "a-1")
    half = drift("case", "--from", "@2026-01-03")

    outputs = [[m["before"], m["after"]] for r in (newest, by_id) for m in r["measures"][-1:]]
    assert outputs == [[1.5, 3], [1, 2]]
    assert [m["before"] for m in since["measures"][-1:]] == [2]
    assert (same.exit_code, "Both sides mean one recording" in same.output) == (2, True)
    assert first in same.output
    assert half.exit_code == 2


def test_json_keeps_to_its_published_schema():
    """Of a report with findings, estimates, gates and what was left out."""

    cases = {f"case{n}": call(answered=f"answer {n}") for n in range(8)}
    record("o1", **cases, gone=call())
    record("o2", **cases)
    record("new", **{name: call(answered="other", seed=1) for name in cases})

    done = drift("o1", "new", "--also-before", "o2", "--json", "--fail-on", "response,calls>0%")
    found = json.loads(done.output)

    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(found)
    assert [f["verdict"] for f in found["findings"]] == ["drift", "drift"]
    assert found["findings"][1]["estimate"]["chance"] < 0.03


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ("output", 2),
        ("request", 1),
        ("request.parameters,output", 1),
        ("request.model", 0),
        ("response.text", 2),
        ("tokens sent>50%", 0),
        ("latency>1%", 2),
        ("coffee", 2),
    ],
)
def test_gates_decide_the_exit(gate, code):
    """1 drifted, 2 could not tell: no output, no noise floor, not measured, no such gate."""

    record("old", a=call(answered="hi"))
    record("new", a=call(answered="hey", seed=1))

    assert code == drift("old", "new", "--fail-on", gate).exit_code


def test_a_measure_that_grew_fails_its_gate():
    names = [f"case{n}" for n in range(12)]
    record("old", **{name: call(tokens=100) for name in names})
    record("new", **{name: call(tokens=130) for name in names})

    done = drift("old", "new", "--fail-on", "tokens sent>10%", "--junit", "out.xml")
    suite = ElementTree.parse("out.xml").getroot()

    assert (done.exit_code, suite.get("failures"), suite.get("errors")) == (1, "1", "0")
    assert suite.find("testcase/failure").text == "1,200 → 1,560 (+30.0%), drift"


def test_junit_takes_what_xml_does_not():
    record("old", a=call("hello"))
    record("new", a=call("bell \x07 rings hello"))

    drift("old", "new", "--junit", "out.xml")

    assert "rings" in ElementTree.parse("out.xml").getroot().find("testcase/failure").text


def test_a_damaged_cassette_is_told_and_leaves_doubt():
    record("old", a=call(), b=call())
    record("new", a=call(), b=call())
    Path("new/b.yaml").write_text("interactions: [")

    done = drift("old", "new")

    assert (done.exit_code, "Not compared: new/b.yaml" in done.output) == (2, True)


@pytest.mark.parametrize(
    "arguments", [(), ("nowhere.yaml", "--all"), ("old", "new", "--from", "main")]
)
def test_what_cannot_be_meant_is_refused(arguments):
    record("old", a=call())
    record("new", a=call())

    assert ((done := drift(*arguments)).exit_code, "Error:" in done.output) == (2, True)


def test_the_text_distance_is_ones_own():
    """An embedding, say, that knows `hi` and `hello` for the same."""

    Path("near.py").write_text("def distance(one, two):\n    return 0.25\n")
    record("old", a=call(answered="hi"))
    record("new", a=call(answered="hello"))

    done = drift("old", "new", "--json", "--text-distance", "near:distance")

    assert json.loads(done.output)["runs"][0]["changes"][0]["distance"] == 0.25


def test_markdown_stays_under_its_size_and_takes_no_markup_from_recordings():
    pairs = [
        Pair(str(n), (run(call()),), (run(call(**{f"f{n}": f"{HOSTILE}|{n}"})),)) for n in range(90)
    ]
    found = report("old", "new", pairs)

    text = drift_markdown(found, limit=5_000)

    assert len(text) <= 5_000
    assert "more lines did not fit" in text
    assert "<script>" not in re.sub(r"`[^`]*`", "", text)


class Page(HTMLParser):
    """What stands in a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.targets = [], set(), set()
        self.outside, self.handlers = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.add(value)
            elif name == "popovertarget" or (name == "href" and value.startswith("#")):
                self.targets.add(value.removeprefix("#"))
            elif name in ("src", "href"):
                self.outside.append(value)
            elif name.startswith("on"):
                self.handlers.append(name)


def test_html_is_one_file_without_script_and_escapes_what_was_recorded():
    """Names, prompts, answers and places are other people's text."""

    before = run(call(HOSTILE, answered="x"), clock="2026-01-01T00:00:00+00:00")
    after = run(
        call("y", answered=HOSTILE, model=HOSTILE, **{HOSTILE: 1}),
        clock="2026-02-01T00:00:00+00:00",
        output={HOSTILE: HOSTILE},
    )
    page = Page(drift_html(report(HOSTILE, "new", [Pair(HOSTILE, (before,), (after,))])))

    assert {"script", "img", "iframe", "object", "link"}.isdisjoint(page.tags)
    assert (page.outside, page.handlers) == ([], [])
    assert "svg" in page.tags


def test_every_number_in_the_html_opens_its_changes():
    """Buttons and links lead to what there is; the page says its language and scales."""

    pairs = [Pair(f"case {n}", (run(call()),), (run(call(seed=n)),)) for n in range(1, 40)]
    text = drift_html(report("old", "new", pairs))
    page = Page(text)

    assert {"d1-request", "run-1", "run-39"} <= page.targets <= page.ids
    assert '<html lang="en">' in text
    assert "prefers-color-scheme: dark" in text
