"""Goldens through a real inner pytest: written when they may be, reviewed, reported, removed."""

import json

import pytest

from replay.golden.writing import Update, Write, is_ci, may_write

RECORD = ("--record-mode=rewrite", "--snapshot-update")
FLOW = """
import os
import httpx, openai, pytest

PROMPT = "Be brief, kind and exact."

def asked(**more):
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": "Order 1042?"}]
    return {"model": "gpt-4o", "messages": messages, **more}

def base():
    return os.environ.get("OPENAI_BASE_URL", "BASE")

@pytest.mark.golden
def test_sync(golden):
    with openai.OpenAI(base_url=base()) as client:
        answer = client.chat.completions.create(**asked())
    assert {"prompt": PROMPT, "model": answer.model} == golden
    assert golden.transcript == golden(name="transcript")

@pytest.mark.golden
async def test_async(golden):
    async with openai.AsyncOpenAI(base_url=base()) as client:
        answer = await client.chat.completions.create(**asked())
    assert {"prompt": PROMPT, "model": answer.model} == golden

@pytest.mark.golden
def test_streamed(golden):
    with openai.OpenAI(base_url=base()) as client:
        stream = client.chat.completions.create(**asked(stream=True))
        assert {"prompt": PROMPT, "answer": stream} == golden

@pytest.mark.golden
@pytest.mark.parametrize("tone", ["warm", "cool"])
def test_parametrised(tone, golden):
    with openai.OpenAI(base_url=base()) as client:
        answer = client.chat.completions.create(**asked(user=tone))
    assert {"prompt": PROMPT, "tone": tone} == golden(normalize=["whitespace"])

@pytest.mark.golden
class TestClass:
    def test_method(self, golden):
        with openai.OpenAI(base_url=base()) as client:
            answer = client.chat.completions.create(**asked())
        assert PROMPT == golden(name="prompt")
"""
PLAIN = """
def test_it(golden):
    assert {"reply": "Hi,\\nall is well.", "n": 1} == golden
    assert [1, 2] == golden(name="numbers")
"""


def names(project, folder="golden"):
    """What lies in a folder."""
    return sorted(p.name for p in (project.root / folder).glob("*"))


def test_record_change_drift_review_accept_pass(project, offline):
    """For sync, async, streamed, parametrised and class-based tests, beside plain snapshots."""

    project.write("test_flow.py", FLOW.replace("BASE", project.env["OPENAI_BASE_URL"]))
    recorded = project.pytest("-q", *RECORD)
    playing = offline.where(TEST_MODE="GOLDEN")
    played = playing.pytest("-q", "-n", "2")
    transcript = (project.root / "golden/test_flow.test_sync@transcript.md").read_text()
    project.edit("test_flow.py", "Be brief, kind and exact.", "Be brief and exact.")
    drifted = playing.pytest("-q")
    rerecorded = project.pytest("-q", "--record-mode=rewrite")
    review = project.replay("review")
    accepted = project.replay("review", "--accept", "all")
    passed = playing.pytest("-q")

    assert (recorded.returncode, played.returncode) == (0, 0), recorded.stdout + played.stdout
    assert "Be brief, kind and exact." in transcript
    assert (drifted.returncode, "6 failed" in drifted.stdout) == (1, True)
    assert (rerecorded.returncode, "6 failed" in rerecorded.stdout) == (1, True)
    assert "request drift · step 1, prompt: messages[0].content" in review.stdout
    assert "Be brief[-, kind-] and exact." in review.stdout
    assert accepted.returncode == 0, accepted.stderr
    assert passed.returncode == 1, "the transcript was not reached before"
    assert "1 failed, 5 passed" in passed.stdout
    assert project.replay("review", "--accept", "all").returncode == 0
    assert playing.pytest("-q").returncode == 0
    assert not [
        name for f in ("golden", "cassettes") for name in names(project, f) if "new" in name
    ]


def test_a_golden_with_an_open_merge_is_told(project):
    """Not as an output that differs: where it is broken, and how to have it back."""

    project.write("test_it.py", PLAIN).pytest("-q", "--snapshot-update")
    project.edit("golden/test_it.test_it.json", '  "n": 1,', '  "n": 1,\n<<<<<<< HEAD')
    failed = project.pytest("-q")
    accepted = project.replay("review", "--accept", "test_i")

    lines = [line[2:].strip() for line in failed.stdout.splitlines() if line.startswith("E ")]
    path = "golden/test_it.test_it.json"
    assert lines[1].startswith(f"{path}, line 3: not JSON: ")
    assert lines[2] == f"To have it back: git checkout -- {path}"
    assert (accepted.returncode, project.pytest("-q").returncode) == (0, 0)


def test_a_mismatch_waits_and_passing_removes_it(project):
    """Readable in ten seconds: the field, both values, and the commands."""

    project.write("test_it.py", PLAIN)
    first = project.pytest("-q", "--snapshot-update")
    written = (project.root / "golden/test_it.test_it.json").read_text()
    project.edit("test_it.py", "all is well", "all is lost")
    failed = project.pytest("-q")
    waiting = names(project)
    project.edit("test_it.py", "all is lost", "all is well")
    passed = project.pytest("-q")

    assert first.returncode == 0, first.stdout
    assert written == (
        '{\n  "n": 1,\n  "reply": {\n    "<lines>": [\n      "Hi,",\n      "all is well."\n'
        "    ]\n  }\n}\n"
    )
    lines = [line[2:].strip() for line in failed.stdout.splitlines() if line.startswith("E ")]
    assert lines[1:] == [
        "golden/test_it.test_it.json: 1 field differs",
        "reply",
        "Hi,",
        "-all is well.",
        "+all is lost.",
        "Accept:    replay review --accept 'test_it.test_it.json'",
    ]
    assert "test_it.test_it.json.new" in waiting
    assert passed.returncode == 0
    assert names(project) == ["test_it.test_it.json", "test_it.test_it@numbers.json"]


def test_a_golden_is_not_replaced_by_a_failing_test(project):
    """Even with --snapshot-update: it waits, as its cassette does."""

    project.write("test_it.py", PLAIN).pytest("-q", "--snapshot-update")
    before = (project.root / "golden/test_it.test_it.json").read_bytes()
    project.edit("test_it.py", '"n": 1}', '"n": 2}').edit("test_it.py", "[1, 2]", "1 / 0")
    done = project.pytest("-q", "--snapshot-update")

    assert done.returncode == 1
    assert (project.root / "golden/test_it.test_it.json").read_bytes() == before
    assert '"n": 2' in (project.root / "golden/test_it.test_it.json.new").read_text()


def test_nothing_is_written_in_ci(project):
    """Whatever it is asked for."""

    project.write("test_it.py", PLAIN)
    done = project.where(CI="true").pytest("-q", "--snapshot-update")

    assert done.returncode == 1
    assert "golden/test_it.test_it.json is not there yet." in done.stdout
    assert not (project.root / "golden").exists()


@pytest.mark.parametrize(
    ("update", "ci", "is_new", "where"),
    [
        (Update.NONE, False, False, Write.PENDING),
        (Update.NONE, False, True, Write.PENDING),
        (Update.NEW, False, False, Write.PENDING),
        (Update.NEW, False, True, Write.IN_PLACE),
        (Update.ALL, False, False, Write.IN_PLACE),
        *((update, True, is_new, Write.NEVER) for update in Update for is_new in (True, False)),
    ],
)
def test_may_i_write(update, ci, is_new, where):
    """One pure function of what was asked for and where this runs."""

    assert may_write(update, ci=ci, is_new=is_new) is where


@pytest.mark.parametrize(
    ("environ", "ci"),
    [
        ({}, False),
        ({"CI": "true"}, True),
        ({"CI": ""}, False),
        ({"GITLAB_CI": "1"}, True),
        ({"CI": "0", "GITHUB_ACTIONS": "true"}, False),
        ({"JENKINS_URL": "https://ci.example.com"}, True),
    ],
)
def test_ci_is_known_by_its_variables(environ, ci):
    """`CI=false` has the last word."""

    assert is_ci(environ) is ci


TWO = (
    PLAIN
    + """

def test_other(golden):
    assert 1 == golden
"""
)


def test_unused_goldens_are_reported_and_removed(project):
    """Only those of a test that ran and passed; a removed test's are orphans."""

    project.write("test_it.py", TWO).pytest("-q", "--snapshot-update")
    everything = names(project)
    project.edit("test_it.py", '    assert [1, 2] == golden(name="numbers")\n', "")
    partial = project.pytest("-q", "-k", "other", "--snapshot-update")
    kept = names(project)
    reported = project.pytest("-q", "-n", "2")
    none_yet = project.replay("goldens", "orphans")
    removed = project.pytest("-q", "--snapshot-update")
    project.edit("test_it.py", "def test_other", "def test_renamed")
    listed = project.replay("goldens", "orphans", "--delete")

    assert kept == everything
    assert partial.returncode == reported.returncode == removed.returncode == 0
    assert "goldens that their test no longer looks at" in reported.stdout
    assert "test_it.test_it@numbers.json" in reported.stdout
    assert none_yet.returncode == 0, none_yet.stdout
    assert "no longer looks at" not in removed.stdout
    assert listed.stdout.split(":")[0] == str(project.root / "golden/test_it.test_other.json")
    assert names(project) == ["test_it.test_it.json"]


def test_goldens_of_tests_that_failed_or_were_skipped_are_left_alone(project):
    """They did not get to look at them."""

    project.write("test_it.py", TWO).pytest("-q", "--snapshot-update")
    before = names(project)
    project.edit("test_it.py", "def test_it(golden):\n", "def test_it(golden):\n    assert 0\n")
    project.edit(
        "test_it.py",
        "def test_other(golden):\n",
        "def test_other(golden):\n    import pytest; pytest.skip()\n",
    )
    done = project.pytest("-q", "--snapshot-update")

    assert "1 failed, 1 skipped" in done.stdout
    assert "no longer looks at" not in done.stdout
    assert names(project) == before


def test_plain_snapshots_and_cassettes_beside_ours(project):
    """syrupy's and pytest-recording's own options and fixtures keep their meaning."""

    body = (
        "import os, httpx, pytest\n"
        "def test_snapshot(snapshot):\n    assert [1] == snapshot\n"
        "@pytest.mark.vcr\n"
        "def test_vcr(golden):\n"
        "    assert httpx.get(os.environ['ORDERS_URL'] + '/1042').json()['status'] == golden\n"
    )
    project.write("test_it.py", body)
    first = project.pytest("-q", "--record-mode=once", "--snapshot-update")
    second = project.pytest("-q", "--block-network", "--snapshot-details")
    project.edit("test_it.py", "assert [1] == snapshot", "pass")
    third = project.pytest("-q", "--block-network", "--snapshot-warn-unused")

    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
    assert (project.root / "cassettes/test_it/test_vcr.yaml").exists()
    assert (project.root / "__snapshots__/test_it.ambr").exists()
    assert names(project) == ["test_it.test_vcr.json"]
    assert (third.returncode, "unused" in third.stdout) == (0, True), third.stdout


def test_equal_outputs_are_one_golden(project):
    """Whatever the order of keys, and however a formatter has laid out the file."""

    project.write("test_it.py", PLAIN).pytest("-q", "--snapshot-update")
    path = project.root / "golden/test_it.test_it.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    project.edit(
        "test_it.py",
        '"reply": "Hi,\\nall is well.", "n": 1',
        '"n": 1, "reply": "Hi,\\nall is well."',
    )

    assert project.pytest("-q").returncode == 0


def test_a_silent_test_keeps_its_clock(project):
    """A date in the output is the day of the recording, though nothing was sent."""

    project.write(
        "test_it.py",
        "import datetime, pytest\n@pytest.mark.golden\n"
        "def test_it(golden):\n    assert str(datetime.date.today()) == golden\n",
    )
    recorded = project.pytest("-q", *RECORD)
    played = project.where(TEST_MODE="GOLDEN").pytest("-q")

    assert (recorded.returncode, played.returncode) == (0, 0), recorded.stdout + played.stdout
    assert "began: '" in (project.root / "cassettes/test_it.test_it.yaml").read_text()


def test_what_cannot_be_a_golden_is_told(project):
    """In a sentence, without a traceback."""

    project.write("test_it.py", "def test_it(golden):\n    assert object() == golden\n")
    done = project.pytest("-q")

    assert "A golden output has to be JSON" in done.stdout
    assert "Traceback" not in done.stdout


def test_long_names_are_cut_and_stay_apart(project):
    """A parameter may be a prompt of a page."""

    project.write(
        "test_it.py",
        "import pytest\n@pytest.mark.parametrize('prompt', ['x' * 400 + 'a', 'x' * 400 + 'b'])\n"
        "def test_it(prompt, golden):\n    assert prompt[-1] == golden\n",
    )
    done = project.pytest("-q", "--snapshot-update")

    assert done.returncode == 0, done.stdout
    assert len(names(project)) == 2
