"""The documentation: what it says to run runs, and what it names is there."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from importlib.util import find_spec

import click
import pytest

from replay.cli import main
from tests.conftest import WITHOUT
from tests.documented import PAGES, ROOT, blocks, commands, words
from tests.shell import Shell

NOT_RUN = {
    "make ": "sets up an environment of its own; what it calls is run",
    "pip install": "needs a registry",
    "export ": "an example of variables",
    "pytest": "the tutorial runs it",
    "TEST_MODE=GOLDEN pytest": "the tutorial runs it",
    "replay init": "the tutorial runs it",
    "replay export request_": "a request of some service: tests/test_service.py",
    "replay run request_": "of the same",
    "replay run episode_12345 --pace": "slow: tests/test_interception.py",
    "replay cassettes adopt": "needs a proposal: tests/test_golden.py",
    "replay cassettes orphans": "slow: tests/test_golden.py",
    "replay goldens orphans": "slow: tests/test_goldens.py",
    "replay review --accept 'test": "needs a proposal; the tutorial runs --accept all",
    "replay review --reject": "needs a proposal: tests/test_review.py",
    "replay review --undo": "needs a decision: tests/test_review.py",
    "replay batch episodes.txt": "slow: tests/test_batch.py",
    "replay batch --all": "slow: tests/test_batch.py",
    "replay batch --model": "slow: tests/test_batch.py",
    "dask ": "a cluster: tests/test_batch_dask.py",
    "replay batch merge": "needs the shards: tests/test_batch.py",
    "replay frozen": "slow: tests/test_frozen.py",
    "replay bisect": "slow: tests/test_frozen.py",
    "replay record --from episode_12346 --model": "asks: tests/test_further.py",
    "cp ": "of the same",
    ".venv-fuzz": "needs make fuzz",
    "python -m bench": "a measurement",
    "python -m faults": "slow: tests/test_faults.py",
    "sqlite3 ": "another program; tests/test_store_queries.py reads the views",
}
"""What begins so is not run, and why; all of it is looked at."""

EXITS = {
    "replay review --base": 1,  # cassettes that another page converts are new since origin/main
    "replay drift episode_12346": 2,  # each version was recorded once: noise floor unknown
}
"""What ends otherwise than with 0."""

TUTORIAL = ROOT / "docs/tutorial.md"


def on(page):
    """Every command on *page*."""
    return [c for language, _, text in blocks(page) if language == "bash" for c in commands(text)]


def known(command):
    """Tell what in *command* is not there: a verb, an option, a target, a module."""
    program, *arguments = words(command.removesuffix(" &"))
    if program == "make":
        targets = {word for word in arguments if "=" not in word}
        there = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return sorted(targets - set(there))
    if program == "replay":
        return not_parsed(arguments)
    if program.endswith(("python", "python3")) and arguments[0] == "-m":
        return [] if find_spec(arguments[1]) else [arguments[1]]
    return [] if program in OTHERS else [program]


OTHERS = (
    "pytest",
    "pip",
    "git",
    "dask",
    "export",
    "printf",
    "sqlite3",
    "mkdir",
    "cp",
    ".venv/bin/activate",
)


def not_parsed(arguments):
    """Parse *arguments* all the way down, and run nothing; say what click says to it."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            main([*arguments, "--help"], standalone_mode=False)
    except click.ClickException as error:
        return [error.format_message()]
    return []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_known(page):
    """Every verb, option, target and module that a page names in a command is there."""

    assert [(c, wrong) for c in on(page) if (wrong := known(c))] == []


def test_what_is_not_run_is_on_a_page():
    """No reason to leave a command out outlives the command."""

    every = [command for page in PAGES for command in on(page)]

    assert [start for start in NOT_RUN if not any(c.startswith(start) for c in every)] == []


@pytest.fixture
def checkout(project):
    """A copy of what the pages speak of: recordings, two revisions, files by the names they use."""
    root = project.root
    for folder in ("cassettes", "episodes", "golden"):
        shutil.copytree(ROOT / folder, root / folder)
    for folder in ("old", "new", "tests/cassettes"):
        shutil.copytree(ROOT / "cassettes", root / folder)
    shutil.copy(ROOT / "tests/test_scenarios.py", root / "tests")
    for name, text in FILES.items():
        project.write(name, text)
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com")
    for words_ in (
        ("init", "-q"),
        ("add", "-A"),
        ("commit", "-qm", "one"),
        ("commit", "-qm", "two", "--allow-empty"),
        ("update-ref", "refs/remotes/origin/main", "HEAD"),
    ):
        assert project.run(*git, *words_).returncode == 0
    return project


WARM = (
    "pytest",
    "openai.resources.chat",
    "openai.resources.responses",
    "requests",
    "vcr",
    "syrupy",
    "sqlite_utils",
    "rich.table",
    "scipy.stats",
    "replay.engine.live",
    "replay.engine.replayer",
    "replay.episodes.layers",
    "replay.reports.episodes",
    "replay.reports.terminal",
    "replay.cassettes.cleaning",
    "replay.golden.pending",
)
"""What most commands import."""

SAID = {"messages": [{"role": "user", "content": "hi"}], "model": "gpt-4o"}
ANSWERED = {
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"message": {"role": "assistant", "content": "hello"}}],
}
CASSETTE = {
    "version": 1,
    "interactions": [
        {
            "request": {"method": "GET", "uri": "https://a.example/", "body": None, "headers": {}},
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": {},
                "body": {"string": "hi"},
            },
        }
    ],
}
HAR = {
    "startedDateTime": "2026-01-01T00:00:00Z",
    "time": 5,
    "request": {"method": "GET", "url": "https://a.example/", "headers": []},
    "response": {"status": 200, "statusText": "OK", "headers": [], "content": {"text": "hi"}},
}
SPAN = {
    "startTimeUnixNano": "1767225600000000000",
    "attributes": [
        {"key": f"gen_ai.{key}", "value": {"stringValue": value}}
        for key, value in {
            "request.model": "gpt-4o",
            "prompt.0.role": "user",
            "prompt.0.content": "hi",
            "completion.0.content": "hello",
        }.items()
    ],
}
FILES = {
    "episodes.txt": "episode_12345\nepisode_12346 gpt-4o-2024-08-06\n",
    "out.json": '{"id": "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "created": 1795248870}',
    "x.json": json.dumps(CASSETTE),
    "fixtures/refund.json": json.dumps(CASSETTE),
    "fixtures/invoice.json": json.dumps(CASSETTE),
    "tests/cassettes/test_refund/test_it.yaml": json.dumps(CASSETTE),
    "session.har": json.dumps({"log": {"version": "1.2", "entries": [HAR]}}),
    "requests.jsonl": json.dumps({"request": SAID, "response": ANSWERED}),
    "traces.jsonl": json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}),
}


def test_commands_run(checkout):
    """Every other command of every page, page by page, ends as the page says."""

    lines = [c for page in PAGES if page != TUTORIAL for c in on(page)]
    lines = [c for c in dict.fromkeys(lines) if not c.startswith(tuple(NOT_RUN))]
    here = str(checkout.root / "elsewhere")
    wrong = []
    with Shell(checkout.root, checkout.env, *WARM) as shell:
        for line in ("replay import episodes/*.jsonl", "replay backup /mnt/ci/episodes.db", *lines):
            code, said, *_ = shell.run(re.sub(r"/tmp\b|/mnt/ci\b", here, line))
            if code != next((e for start, e in EXITS.items() if line.startswith(start)), 0):
                wrong.append((line, code, said))

    assert wrong == []


def test_readme_shows_what_is_printed(project):
    """The run, and the miss after a prompt has changed; but for how long it took, and versions."""

    for folder in ("cassettes", "episodes"):
        shutil.copytree(ROOT / folder, project.root / folder)
    run, miss = (text for language, _, text in blocks(ROOT / "README.md") if language in SAMPLES)
    command, *shown = run.splitlines()
    printed = project.replay(*words(command)[2:]).stdout
    project.edit(
        "examples/support_agent/prompts.py", "Be brief, kind and exact.", "Be brief and exact."
    )
    diverged = project.replay("run", "episode_12345").stdout

    assert fixed(shown) == fixed(printed.splitlines())
    assert miss in diverged


SAMPLES = ("console", "text")


def fixed(lines):
    """What is printed on every day and machine."""
    return [line.rstrip() for line in lines if not line.startswith(("  time ", "  since then "))]


def test_tutorial(project, tmp_path_factory):
    """The tutorial, from an empty folder on: its files, its commands, and what it says of them."""

    git = {
        f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    env = {**project.env, **git, "PYTEST_ADDOPTS": " ".join([*WITHOUT, "-pno:xdist"])}
    new = type(project)(tmp_path_factory.mktemp("helpdesk"), env, project.memory)
    new.run("git", "init", "-q")
    address = env["OPENAI_BASE_URL"].removesuffix("/v1")
    with Shell(new.root, env, *WARM, "fastapi.testclient") as shell:
        codes, said, missing = [], "", []
        for language, title, text in blocks(TUTORIAL):
            if title:
                new.write(title, text)
            elif language == "bash" and not text.startswith(("mkdir", "export")):
                if len(codes) == BEFORE_THE_CHANGE:
                    new.edit("app.py", "Be brief, kind and exact.", "Be brief and exact.")
                for command in commands(text):
                    code, output, *_ = shell.run(command)
                    codes.append(code)
                said = plain(output.replace(address, "http://127.0.0.1:8377"))
            elif language == "text":
                lines = map(plain, text.splitlines())
                missing += [line for line in lines if line != "…" and line not in said]
            elif language == "json":
                golden = new.root / "golden/test_ask.test_ask.json"
                assert json.loads(golden.read_text()) == json.loads(text)

    assert missing == []
    assert codes == [0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1]


BEFORE_THE_CHANGE = 5
"""How many commands come before the prompt is changed."""


def plain(text):
    """The words of *text*, however a terminal lays them out."""
    return " ".join(text.split())
