"""What a first hour with it stumbled over, and is told now."""

import io
import json
from dataclasses import replace
from pathlib import Path

import click
import pytest

from replay.cassettes.tape import Tape
from replay.cli import main
from replay.engine.manifest import code_version
from replay.engine.wire import stopped
from replay.errors import CassetteMiss
from replay.model import Episode, Interaction, Kind, Outcome, Request, Response
from replay.reports.result import show_replay
from replay.reports.terminal import console
from tests.batches import episode, project_of, recording
from tests.talking import call

TEST = """
import pytest


@pytest.mark.golden
@pytest.mark.parametrize("n", [1, 2])
def test_it(golden, n):
    assert n == golden
"""


def test_golden_tests_are_not_skipped_in_silence(project):
    """A plain `pytest` says how many golden tests it left out, and the command that runs them."""

    done = project.write("test_it.py", TEST).pytest("test_it.py")

    assert "= golden tests skipped: 2 =" in done.stdout
    assert "\nPlay their cassettes: TEST_MODE=GOLDEN pytest\n" in done.stdout


def test_recorded_against_another_host():
    """A base URL that is not set as it was is told as such, not as a new call."""

    asked = Request("POST", "http://127.0.0.1:8377/v1/responses", (), b"{}")
    tape = Tape([Interaction(asked, Response(200, "OK", ()))])

    with pytest.raises(CassetteMiss) as miss:
        tape.answer(Request("POST", "https://api.openai.com/v1/responses", (), b"{}"))

    assert str(miss.value).splitlines()[1:5] == [
        "Closest is #1; it differs in its address:",
        "  url",
        "    recorded: 'http://127.0.0.1:8377/v1/responses'",
        "    sent:     'https://api.openai.com/v1/responses'",
    ]
    assert "is a variable that names it, such as OPENAI_BASE_URL" in str(miss.value)


@pytest.mark.parametrize(
    ("sent", "hints"),
    [
        (
            "/orders/1?key=a",
            ["If that never matters: ignore_query = ['key'] in [tool.replay.match]."],
        ),
        ("/orders/2", []),
    ],
)
def test_another_parameter_or_path_is_no_other_host(sent, hints):
    """What differs on the same host is no variable's doing."""

    asked = Request("GET", "http://127.0.0.1:8377/orders/1", (), b"")
    tape = Tape([Interaction(asked, Response(200, "OK", ()))])

    with pytest.raises(CassetteMiss) as miss:
        tape.answer(Request("GET", f"http://127.0.0.1:8377{sent}", (), b""))

    assert hints == str(miss.value).splitlines()[5:]


REPLAY = replace(stopped("e", Outcome(Kind.IDENTICAL)), recorded_seconds=0.2)


@pytest.mark.parametrize(
    ("now", "said"),
    [(0.1, "(2.0 times faster)"), (0.2, "(1.0 times as long)"), (0.3, "(1.5 times as long)")],
)
def test_a_replay_that_takes_longer_is_not_faster(now, said):
    """As it does with the gaps of its streams."""

    out = io.StringIO()
    show_replay(replace(REPLAY, seconds=now), console(out))

    assert f"200 ms recorded {said}\n" in out.getvalue()


def test_a_recording_changes_no_code(tmp_path):
    """Files of recordings come and go; a module that git does not know is code."""

    folders = (Path("episodes"), Path("golden"))
    project = project_of(tmp_path, []).write("episodes/kept.jsonl", "1")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "one")):
        assert project.run(*git, *command).returncode == 0
    project.write("episodes/new.jsonl", "").write("episodes/kept.jsonl", "2")
    dirty = [code_version(project.root, folders)[1]]
    code_version.cache_clear()
    project.write("new.py", "")
    dirty.append(code_version(project.root, folders)[1])

    assert dirty == [False, True]


def test_an_imported_episode_says_what_can_be_done_with_it(tmp_path):
    """There is no program to run, or to record again."""

    project = project_of(tmp_path, [Episode("imported", "", {}, (recording(1),))])
    for verb in (("run",), ("record", "--from")):
        done = project.replay(*verb, "imported")
        assert done.returncode == 2
        assert "What it holds: replay show imported" in done.stderr.splitlines()
        assert done.stderr.endswith("replay export imported --format cassette\n")


def test_a_misspelt_verb_is_told(tmp_path):
    """Verbs are imported when they are used, so that click knows none."""

    project = project_of(tmp_path, [])
    done = [project.replay(word).stderr for word in ("casettes", "rn", "nonsense")]

    assert "Did you mean: replay cassettes" in done[0]
    assert "Did you mean: replay run" in done[1]
    assert "No such command 'nonsense'" in done[2]


def options(group, path=()):
    """Every option of every verb, with the words before it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from options(command, (*path, name))
        yield from ((*path, name, option) for option in command.params)


def test_options_say_what_they_take():
    """FILE, NAME or DOLLARS; not PATH, TEXT or FLOAT."""

    unsaid = [
        " ".join([*path, option.name])
        for *path, option in options(main)
        if isinstance(option, click.Option)
        and not (option.is_flag or option.metavar or isinstance(option.type, click.Choice))
    ]

    assert unsaid == []


def test_an_empty_list_says_what_comes_next(tmp_path):
    """Where nothing is, how to record; where nothing is so, what there is."""

    project = project_of(tmp_path, [])
    empty = project.replay("list").stdout
    filled = project_of(tmp_path, [episode(1)]).replay("list", "--tag", "none").stdout

    assert empty.startswith("No episodes yet: replay record ")
    assert filled == "No episode is so. All: replay list\n"


def test_what_several_recordings_say_is_found_once(tmp_path):
    """For people; a machine gets each with its recording."""

    said = [replace(talk, elapsed=n) for n, talk in enumerate([TALK, TALK])]
    project = project_of(tmp_path, [Episode("e", "m:f", {}, tuple(said))])
    shown, given = project.replay("search", "hello"), project.replay("search", "hello", "--json")

    assert shown.stdout.splitlines() == ["e", "  #1 user: [hello]", "1 message in 1 episode."]
    assert len({json.loads(line)["recording"] for line in given.stdout.splitlines()}) == 2


TALK = replace(recording(1), interactions=(call(),))


PROGRAM = """
import os

def main(n, does=""):
    return os.environ.get("WHERE", "")
"""


def test_recording_again_says_what_is_set_otherwise(tmp_path):
    """A live run obeys what is set now; an address of a stranger's episode is not put back."""

    project = project_of(tmp_path, []).write("program.py", PROGRAM)
    project.write("pyproject.toml", '[tool.replay]\nenvironment = ["WHERE"]\n')
    project.write("in.json", '{"n": 1}')
    case = ("program:main", "--input", "in.json", "--id", "e", "--seed", "7")
    first = project.where(WHERE="there").replay("record", *case)
    same = project.where(WHERE="there").replay("record", "--from", "e")
    other = project.replay("record", "--from", "e")
    seeds = json.loads(project.replay("show", "e", "--json").stdout)["recording"]["manifest"]

    assert [done.returncode for done in (first, same, other)] == [0, 0, 0], first.stderr
    assert (first.stderr, same.stderr) == ("", "")
    told = "WHERE was there when it was recorded, and is (not set) in this run.\n"
    assert (other.stderr, seeds["seed"]) == (told, 7)
