"""Recorded text is a stranger's: it does nothing in a browser, a pull request, a terminal, a CI."""

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from replay.batch.report import Report, Result
from replay.batch.runs import Run
from replay.cli import main
from replay.drift.report import Pair, report
from replay.errors import CassetteMiss, Damaged, shown
from replay.golden.changes import clustered, golden_change
from replay.model import Closest, Difference, Kind, Outcome, Response
from replay.reports.batch import batch_json, summary
from replay.reports.batch_html import batch_html
from replay.reports.drift_html import drift_html
from replay.reports.drift_markdown import drift_markdown
from replay.reports.junit import batch_junit
from replay.reports.review import markdown as changes_markdown
from replay.reports.review import show_clusters
from replay.reports.terminal import console, quoted
from replay.visible import inline, uncommanding, visible
from tests.talking import call, run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCRIPT = "<script>document.body.id='ran'</script>"
MARKUP = (
    f"</pre></code></style></title></textarea>{SCRIPT}"
    "<img src=x onerror=\"document.body.id='ran'\"><svg onload=\"document.body.id='ran'\"></svg>"
    "\" onfocus=\"document.body.id='ran'\" autofocus x=\"' onclick='x"
    "<a href=\"javascript:document.body.id='ran'\">a</a><base href=//evil><meta http-equiv=refresh "
    "content='0;url=//evil'><form action=//evil><iframe srcdoc=x></iframe>{{ 7 * 7 }}{% raw %}<!--"
)
STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\x08\u202egnp.exe\u200b\udc80\x00"
COMMANDS = "\n::error::forged\n  ::set-output name=a::b\n##[error]forged\n"
MARKDOWN = (
    "` @everyone <img src=x> [a](http://evil) | @team \\| @team \\\\| @team http://evil #1 ``` \n"
    "\n# forged\n- [x] https://evil"
)
EVIL = f"{MARKUP} {STEERING} {COMMANDS} {MARKDOWN}"


def hostile(text):
    """A report on two versions of a program, in which *text* stands wherever a stranger's can."""

    def side(number):
        other = f"{text}{number}"
        made = call(
            other,
            other,
            url=f"https://example.com/{number}/chat/completions?q={text}",
            number=number,
            tokens=10 * number,
            model=other,
            answer={"tool_calls": [{"id": other, "function": {"name": other, "arguments": other}}]},
            tools=[{"type": "function", "function": {"name": other, "description": other}}],
            response_format={other: other},
        )
        response = replace(made.response, headers=((f"x-{text}", other), ("server", other)))
        plain = replace(
            made, response=Response(500, other, ((other, other),), other.encode("utf-8", "replace"))
        )
        days = range(1, 4)
        return tuple(
            run(
                *(replace(made, response=response), plain),
                output={other: other, "total": number},
                clock=f"2026-0{number}-0{day}T00:00:00+00:00",
                model=other,
            )
            for day in days
        )

    return report(text, text, [Pair(f"{text}{n}", side(1), side(2)) for n in range(2)])


class Shape(HTMLParser):
    """The elements of a page, each with the names of its attributes."""

    def __init__(self, page):
        super().__init__()
        self.found, self.values = set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        self.found.add((tag, *sorted(names)))
        self.values += [
            (name, value) for name, value in attrs if name in ("href", "src", "id", "xlink:href")
        ]


@pytest.fixture(scope="module")
def pages():
    """A harmless and a hostile report."""
    return drift_html(hostile("harmless")), drift_html(hostile(EVIL))


def in_browser(page, folder):
    """What a real browser makes of *page*, once all has run that would."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    (folder / "page.html").write_text(page, "utf-8")
    flags = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
    quiet = ("--disable-background-networking", "--disable-component-update")
    own = (f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=2000", "--dump-dom")
    command = [CHROMIUM, "--headless", *flags, *quiet, *own, (folder / "page.html").as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_page_is_made_of_the_same_elements_whatever_was_recorded(pages):
    """As a parser of our own sees it, and as a browser does, after it had time to run things."""

    harmless, evil = map(Shape, pages)

    assert evil.found <= harmless.found
    assert {"script", "img", "iframe", "form", "base"}.isdisjoint(tag for tag, *_ in evil.found)
    assert not [value for name, value in evil.values if name != "id" and value[:1] != "#"]


def test_a_browser_runs_nothing(pages, tmp_path):
    seen = in_browser(pages[1], tmp_path)
    harmless, evil = Shape(pages[0]), Shape(seen)

    assert "<h1>" in seen
    assert "{{ 7 * 7 }}" in seen
    assert ("id", "ran") not in evil.values
    assert {tag for tag, *_ in evil.found} - {"tbody"} <= {tag for tag, *_ in harmless.found}
    assert not [name for tag in evil.found for name in tag[1:] if name.startswith("on")]


def test_the_browser_would_have_told(tmp_path):
    """What is planted does run where it is not escaped."""

    assert 'id="ran"' in in_browser(f"<!doctype html><body><p>{SCRIPT}</p></body>", tmp_path)


def test_the_page_shows_what_would_not_be_seen(pages):
    assert not re.search("[\x00\x1b\x9b\u202e\u200b]", pages[1])
    assert "\\u202e" in pages[1]
    pages[1].encode()


def rendered(markdown):
    """What a pull request would show, by tokens: all of what is not in code."""
    parser = MarkdownIt("commonmark").enable("table")
    inner = [token for block in parser.parse(markdown) for token in block.children or ()]
    return [token for token in inner if token.type != "code_inline"]


@settings(max_examples=20)
@given(st.text(st.sampled_from("`|\\@<>[]()!# \n\ta*_~&:/h"), max_size=40))
@example("\\| @team")
@example("\\\\| @team `")
@example("")
@example("`` @team ``")
def test_markdown_calls_nobody_and_links_nowhere(text):
    """Whatever is recorded stands in code, and every row of a table keeps its cells."""

    told = drift_markdown(hostile(text))
    rest = rendered(told)
    cells = [line.count("|") for line in told.splitlines() if line.startswith("| side")]

    assert {token.type for token in rest} <= {"text", "softbreak"}
    assert not re.search("[@<\\[]", "".join(token.content for token in rest))
    assert cells == [3]


def test_markdown_of_everything_hostile():
    rest = rendered(drift_markdown(hostile(EVIL)))

    assert {token.type for token in rest} <= {"text", "softbreak"}
    assert not re.search("evil|@|<", "".join(token.content for token in rest))


STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u200b\ud800-\udfff]")
COMMANDING = re.compile(r"^\s*::|##\[", re.MULTILINE)


def printed(print_it):
    """What reaches the terminal."""
    file = StringIO()
    print_it(console(file))
    return file.getvalue()


def test_drift_in_a_terminal(tmp_path):
    from replay.reports.drift_terminal import show_drift

    text = printed(lambda out: show_drift(hostile(EVIL), (), out))

    assert not STEERS.search(text)
    assert not COMMANDING.search(text)


BATCH = Report(
    EVIL,
    2,
    (
        Result(0, Run(EVIL, EVIL, (EVIL,)), EVIL, Outcome(Kind.FAILED, 0, "crash", EVIL)),
        Result(
            1,
            Run("b"),
            "b2:x",
            Outcome(Kind.DIVERGED, 0, "output", EVIL, (Difference(EVIL, f"{EVIL}a", f"{EVIL}b"),)),
        ),
    ),
)


def test_a_batch_in_xml_is_xml():
    told = [*ElementTree.fromstring(batch_junit(BATCH)).iter()]

    assert [one.tag for one in told] == ["testsuite", *["testcase", "failure"] * 2]
    assert not STEERS.search("".join(f"{one.attrib}{one.text}" for one in told))


def test_a_batch_in_a_browser():
    """Spelled out is what a name is too, which is no text before it is shown."""

    text = batch_html(BATCH)

    assert {"script", "img", "iframe", "form", "base", "svg"}.isdisjoint(
        tag for tag, *_ in Shape(text).found
    )
    assert not STEERS.search(text)


def test_a_batch_on_a_jobs_page():
    html = "".join(
        token.content
        for token in MarkdownIt("commonmark").enable("table").parse(summary(BATCH))
        if token.type == "html_block"
    )

    assert {tag for tag, *_ in Shape(html).found} == {"details", "summary", "code"}
    assert not STEERS.search(summary(BATCH))


def test_a_batch_as_json_can_be_written():
    assert json.loads(batch_json(BATCH).encode())["batch"]


def test_changes_on_a_pull_request():
    """Names of files and keys are a stranger's too; a name in code calls nobody."""

    name = "@team\n\n# forged\n\x1b[2J<img src=x>.json"
    was, now = (json.dumps({EVIL: f"{EVIL}{n}"}).encode() for n in range(2))
    text = changes_markdown(clustered([golden_change(Path(name), was, now)]))
    blocks = MarkdownIt("commonmark").parse(text)
    kinds = [token.type for token in blocks if token.level == 0]

    assert kinds.count("heading_open") == 1
    assert Shape(text.partition("```")[0]).found == {("details",), ("summary",), ("code",)}
    assert re.search("<summary><code>@team", text)
    assert not STEERS.search(text)


def test_a_printed_command_runs_nothing_else():
    change = golden_change(Path("a'; touch owned; '.json"), None, b"1")
    text = printed(lambda out: show_clusters(clustered([change]), out))
    commands = [line.partition(":")[2] for line in text.splitlines() if "review --" in line]

    assert all("touch owned" in shlex.split(command)[3] for command in commands[:2])
    assert not STEERS.search(text)


@pytest.fixture
def cassettes(tmp_path, monkeypatch):
    """A folder of cassettes whose names and contents are hostile."""
    (tmp_path / "pyproject.toml").write_text("[tool.replay]\n")
    monkeypatch.chdir(tmp_path)
    name = "\x1b[2J\n::error::x\u202e"
    bad = {"request": {"method": EVIL.replace("\udc80", ""), "uri": "http://x/"}}
    json_cassette = json.dumps({"interactions": [bad | {"response": {"status": STEERING}}]})
    (tmp_path / f"{name}.json").write_text(json_cassette)
    (tmp_path / "keys.json").write_text(json.dumps({EVIL.replace("\udc80", ""): 1}))
    (tmp_path / "tag.yaml").write_text('a: !<tag:\\e[2J> b\n"\\e]0;x\\a": !!int "\\e[2J"\n')
    secret = {
        "Authorization": ["Bearer abcdefghij0123456789"],
        "x-\x1b[2J": ["sk-proj-" + "a1B2" * 12],
    }
    good = {"request": {"method": "GET", "uri": "http://x/?\x1b[2J\n::error::x", "headers": secret}}
    answer = {"status": {"code": 200, "message": "\x1b[2J"}, "body": {"string": "x"}, "headers": {}}
    whole = {"interactions": [good | {"response": answer}]}
    (tmp_path / "secret.json").write_text(json.dumps(whole))
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("cassettes", "check", "-v"),
        ("cassettes", "check", "--json"),
        ("cassettes", "scan"),
        ("cassettes", "scan", "--json"),
        ("cassettes", "convert", "--force"),
        ("drift",),
        ("drift", "--json"),
        ("import",),
        ("run",),
    ],
    ids=" ".join,
)
def test_the_command_prints_nothing_that_steers(cassettes, arguments):
    """Names of files, reasons of refusal, addresses, places of secrets: all are only shown."""

    files = sorted(path for path in cassettes.iterdir() if path.suffix in (".json", ".yaml"))
    two = [files[:2]] if arguments[0] == "drift" else [[file] for file in files]
    for names in two:
        done = CliRunner().invoke(main, [*arguments, *map(str, names)])
        assert isinstance(done.exception, SystemExit | None), done.exception
        assert not STEERS.search(done.output), (names, done.output)
        assert not COMMANDING.search(done.output), (names, done.output)


def test_a_miss_only_shows_what_was_recorded():
    """Also its line diff, whose lines would begin as a CI's commands do."""

    lines = f"same\n::error::same\n{STEERING}"
    found = (
        Difference(f"messages[0].{EVIL}", f"{lines}\na", f"{lines}\nb"),
        Difference("x", 1, EVIL),
    )
    text = shown(CassetteMiss("POST http://x", "a cassette", Closest(1, found, change=("prompt",))))

    assert "recorded" in text
    assert not STEERS.search(text)
    assert not COMMANDING.search(text)


def test_an_error_of_a_hostile_file_is_one_sentence():
    told = shown(Damaged("a\n::error::.yaml", f"it holds {EVIL}"))

    assert len(told.splitlines()) == 2
    assert not STEERS.search(told)


@given(st.text())
def test_what_is_visible_stays_so(text):
    """Nothing is spelled out twice, and plain text stays as it is."""

    once = visible(text)

    assert visible(once) == once
    assert "\n" not in inline(text)
    assert uncommanding(uncommanding(once)) == uncommanding(once)


def test_a_fold_makes_no_command():
    """A CI reads lines as they are printed, not as they were before they were folded."""

    text = printed(lambda out: out.print(quoted("x" * 110 + "::error::forged")))

    assert "\n::" not in text
    assert "x3a:error::forged" in text


def test_emoji_and_markup_stay_text():
    assert (
        printed(lambda out: out.print(quoted(":warning: [red]x[/red]")))
        == ":warning: [red]x[/red]\n"
    )


def test_json_in_a_log_stays_the_same_json():
    value = {"a": "##[error]x", "b": "::error::"}

    text = printed(lambda out: out.print(json.dumps(value), markup=False))

    assert json.loads(text) == value
    assert "##[" not in text
