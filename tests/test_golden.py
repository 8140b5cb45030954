"""Golden tests through a real inner pytest: record, replay, change, and what pytest says."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from replay.cassettes.files import read_cassette

TESTS = """
import pytest
from examples.support_agent.agent import answer, answer_async

CASE = {"question": "Where is my order 1042?", "customer": "Ada"}

@pytest.mark.golden("named")
def test_sync(golden):
    assert answer(**CASE) == golden

@pytest.mark.golden
async def test_async(golden):
    assert await answer_async(**CASE) == golden

@pytest.mark.golden
@pytest.mark.parametrize("customer", ["Ada", "Bob/../x"])
def test_parametrised(customer, golden):
    assert answer(CASE["question"], customer) == golden

@pytest.mark.golden
class TestClass:
    def test_method(self, golden):
        resolution = answer(**CASE)
        assert resolution.reply == golden(name="reply")
        assert resolution.tools_used == golden(name="tools")
"""
RECORD = ("--record-mode=rewrite", "--snapshot-update")
PROMPTS = "examples/support_agent/prompts.py"


@pytest.fixture
def recorded(project):
    """A project whose golden tests have been recorded."""

    def make():
        done = project.pytest("-q", *RECORD)
        assert done.returncode == 0, done.stdout

    project.write("test_agent.py", TESTS).once(TESTS, ["cassettes", "golden"], make)
    return project


@pytest.fixture
def playing(recorded, offline):
    """The same project in GOLDEN mode, offline."""
    return offline.where(TEST_MODE="GOLDEN")


def one_test(project, body: str):
    """A project with the one golden test `test_it`, which may use httpx and BASE."""
    head = "import os, socket, time, httpx, pytest\nBASE = os.environ.get('ORDERS_URL', '{}')\n"
    text = head.format(project.env["ORDERS_URL"]) + "@pytest.mark.golden('it')\n"
    return project.write("test_it.py", text + textwrap.dedent(body))


GET = "def test_it(golden):\n    assert httpx.get(f'{BASE}/1042').json()['status'] == golden\n"


def test_recorded_tests_pass_offline(playing):
    """Sync, async, parametrised, class-based; one stem for cassette and golden."""

    done = playing.pytest("-q")

    assert (done.returncode, "5 passed" in done.stdout) == (0, True), done.stdout
    assert sorted(p.name for p in (playing.root / "cassettes").iterdir()) == [
        "named.yaml",
        "test_agent.TestClass.test_method.yaml",
        "test_agent.test_async.yaml",
        "test_agent.test_parametrised[Ada].yaml",
        "test_agent.test_parametrised[Bob-..-x].yaml",
    ]
    assert sorted(p.name for p in (playing.root / "golden").iterdir()) == [
        "named.json",
        "test_agent.TestClass.test_method@reply.json",
        "test_agent.TestClass.test_method@tools.json",
        "test_agent.test_async.json",
        "test_agent.test_parametrised[Ada].json",
        "test_agent.test_parametrised[Bob-..-x].json",
    ]


def test_mock_mode_skips_with_the_command(recorded):
    """The default mode plays no cassettes, and says what does."""

    done = recorded.pytest("-rs", "test_agent.py::test_sync")

    assert "1 skipped" in done.stdout
    assert "TEST_MODE=GOLDEN pytest test_agent.py::test_sync" in done.stdout


@pytest.mark.parametrize("selection", [("-k", "sync"), ("-n", "2"), ("-p", "no:randomly")])
def test_partial_and_parallel_runs_agree(playing, selection):
    """No golden is called unused because its test was not selected, or ran elsewhere."""

    done = playing.pytest("-q", *selection)

    assert done.returncode == 0, done.stdout


def test_other_seeds_zones_and_languages_change_nothing(playing):
    """What the host has of its own does not show."""

    done = playing.where(PYTHONHASHSEED="77", TZ="Asia/Tokyo", LANG="tr_TR.UTF-8").pytest("-q")

    assert done.returncode == 0, done.stdout


def test_changed_prompt_reads_in_ten_seconds(playing):
    """The whole message, line by line, and nothing of the SDK's inside."""

    playing.edit(PROMPTS, "Be brief, kind and exact.", "Be brief.")
    done = playing.pytest("test_agent.py::test_sync")

    lines = done.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if "test_sync ___" in line)
    url = f"{_recorded_base(playing)}/chat/completions"
    assert lines[at + 1 : at + 8] == [
        f"POST {url} is not in cassettes/named.yaml.",
        "Closest is #2; it differs in its prompt:",
        "  messages[0].content",
        "    recorded: 'You are a support agent of Acme Outfitters. Be brief, kind and exact.'",
        "    sent:     'You are a support agent of Acme Outfitters. Be brief.'",
        "If the change is intended: pytest 'test_agent.py::test_sync' --record-mode=rewrite",
        "  or, to keep the recorded answers: pytest 'test_agent.py::test_sync' --adopt",
    ]


def _recorded_base(project):
    line = next(
        line
        for line in (project.root / "cassettes/named.yaml").read_text().splitlines()
        if "uri:" in line
    )
    return line.split("uri: ")[1].removesuffix("/responses")


@pytest.fixture
def offline(project):
    """Offline, but with the addresses of the recording: a cassette does not hold them."""
    return project.where(OPENAI_API_KEY="")


def test_recording_again_makes_it_pass(recorded, playing):
    """Record → change → drift → record again → pass."""

    recorded.edit(PROMPTS, "Be brief, kind and exact.", "Be brief.")
    drifted = playing.pytest("-q", "test_agent.py::test_sync")
    again = recorded.pytest("-q", "test_agent.py::test_sync", *RECORD)
    passed = playing.pytest("-q", "test_agent.py::test_sync")

    assert [drifted.returncode, again.returncode, passed.returncode] == [1, 0, 0]


def test_adopting_keeps_the_answers(playing):
    """Change → propose → adopt → pass, and nobody was asked anything again."""

    playing.edit(PROMPTS, "Be brief, kind and exact.", "Be brief.")
    cassette = playing.root / "cassettes/named.yaml"
    before = read_cassette(cassette).interactions
    proposed = playing.pytest("-q", "test_agent.py::test_sync", "--adopt")
    kept = read_cassette(cassette).interactions
    adopted = playing.replay("cassettes", "adopt", "cassettes/named.yaml")
    passed = playing.pytest("-q", "test_agent.py::test_sync")
    after = read_cassette(cassette).interactions

    assert [proposed.returncode, adopted.returncode, passed.returncode] == [0, 0, 0], passed.stdout
    assert kept == before
    assert "\ncassettes/named.yaml.new\n" in proposed.stdout
    assert [i.response for i in after] == [i.response for i in before]
    assert "cassettes/named.yaml #2: took over" in adopted.stdout
    assert not cassette.with_name("named.yaml.new").exists()


def test_nothing_to_adopt_is_told(playing):
    """With the command that proposes."""

    done = playing.replay("cassettes", "adopt", "cassettes/named.yaml")

    assert (done.returncode, "pytest TEST --adopt" in done.stderr) == (2, True)


def test_a_new_recording_is_not_adopted(playing):
    """What a failing rewrite left beside holds other answers: that is not a request change."""

    cassette = playing.root / "cassettes/named.yaml"
    before = cassette.read_bytes()
    cassette.with_name("named.yaml.new").write_bytes(before.replace(b"Northwind", b"Southwind"))
    done = playing.replay("cassettes", "adopt", "cassettes/named.yaml")

    assert (done.returncode, "new answers" in done.stderr) == (2, True)
    assert cassette.read_bytes() == before


def test_changed_output_shows_the_diff(playing):
    """The field, what was approved, and what is there now."""

    playing.edit("examples/support_agent/conversation.py", "tools_used=", "tools_used=['x'] + ")
    done = playing.pytest("test_agent.py::test_sync")

    assert done.returncode == 1
    assert "golden/named.json: 1 field differs" in done.stdout
    assert "tools_used[0]" in done.stdout
    assert "now:      'x'" in done.stdout


def test_failing_test_leaves_the_old_cassette(project):
    """What a failing run recorded waits beside the cassette, which stays byte for byte."""

    assert one_test(project, GET).pytest("-q", *RECORD).returncode == 0
    cassette = project.root / "cassettes/it.yaml"
    before = cassette.read_bytes()
    project.edit("test_it.py", "['status']", "['nope']")
    done = project.pytest("-q", *RECORD)

    assert done.returncode == 1
    assert cassette.read_bytes() == before
    assert (project.root / "cassettes/it.yaml.new").exists()
    told = "\ncassettes/it.yaml.new\nLook at them, take them or throw them away: replay review\n"
    assert told in done.stdout


def test_provider_that_is_down_leaves_the_old_cassette(project):
    """pytest-recording's own rewrite deletes the cassette before the run; ours does not."""

    assert one_test(project, GET).pytest("-q", *RECORD).returncode == 0
    cassette = project.root / "cassettes/it.yaml"
    before = cassette.read_bytes()
    done = project.where(ORDERS_URL="http://127.0.0.1:9/orders").pytest("-q", *RECORD)

    assert done.returncode == 1
    assert cassette.read_bytes() == before


def test_killed_while_recording_leaves_the_old_cassette(project):
    """SIGKILL in the middle of a rewrite."""

    assert one_test(project, GET).pytest("-q", *RECORD).returncode == 0
    cassette = project.root / "cassettes/it.yaml"
    before = cassette.read_bytes()
    project.edit("test_it.py", "    assert", "    open('begun', 'w'); time.sleep(60)\n    assert")
    command = [sys.executable, "-m", "pytest", "-q", *RECORD]
    with subprocess.Popen(command, cwd=project.root, env=project.env) as process:
        while not (project.root / "begun").exists():
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)

    assert cassette.read_bytes() == before


def test_passing_removes_its_own_leftovers(project):
    """A proposal that was overtaken by a good recording is gone."""

    one_test(project, GET).write("cassettes/it.yaml.new", "left over").pytest("-q", *RECORD)

    assert not (project.root / "cassettes/it.yaml.new").exists()


@pytest.mark.parametrize("mode", ["none", "once", "new_episodes"])
def test_damaged_cassette_is_refused_and_left_alone(project, mode):
    """Not taken for missing, not recorded over."""

    damaged = "version: 1\ninteractions:\n- request: {method: 'GET\n"
    one_test(project, GET).write("cassettes/it.yaml", damaged)
    done = project.where(TEST_MODE="GOLDEN").pytest("-q", f"--record-mode={mode}")

    assert done.returncode == 1
    assert "\ncassettes/it.yaml, line 4: not YAML" in done.stdout
    assert "\nTo have it back: git checkout -- cassettes/it.yaml\n" in done.stdout
    assert "\nOr record it again: pytest 'test_it.py::test_it' --record-mode=rewrite" in done.stdout
    assert (project.root / "cassettes/it.yaml").read_text() == damaged


def test_missing_cassette_names_the_command(project):
    """What to run to record it."""

    done = one_test(project, GET).where(TEST_MODE="GOLDEN").pytest("-q")

    assert "Record it: pytest 'test_it.py::test_it' --record-mode=rewrite" in done.stdout


def test_once_records_what_is_missing_and_plays_what_is_there(project):
    """A second run does not reach the provider."""

    one_test(project, GET)
    first = project.pytest("-q", "--record-mode=once", "--snapshot-update")
    second = project.where(PATH_ONLY="1").pytest("-q", "--record-mode=once")
    cassette = (project.root / "cassettes/it.yaml").read_bytes()
    third = project.pytest("-q", "--record-mode=once")

    assert [first.returncode, second.returncode, third.returncode] == [0, 0, 0], second.stdout
    assert (project.root / "cassettes/it.yaml").read_bytes() == cassette


def test_new_episodes_adds_and_keeps(project):
    """A further call is recorded, the recorded one is played."""

    one_test(project, GET).pytest("-q", *RECORD)
    project.edit("test_it.py", "    assert", "    httpx.get(f'{BASE}/1038')\n    assert")
    done = project.pytest("-q", "--record-mode=new_episodes")
    text = (project.root / "cassettes/it.yaml").read_text()

    assert done.returncode == 0, done.stdout
    assert (text.count("/1042"), text.count("/1038")) == (1, 1)


def test_unplayed_interaction_fails_the_test(project):
    """A cassette that holds more than the test sends is a test that checks less than it says."""

    one_test(project, GET).pytest("-q", *RECORD)
    body = "def test_it():\n    pass\n"
    done = one_test(project, body).where(TEST_MODE="GOLDEN").pytest("-q")

    assert done.returncode == 1
    assert "#1 answered nothing in this test." in done.stdout


def test_socket_is_refused_and_named(project):
    """The network is blocked, even for those who swallow the error."""

    body = """
    def test_it():
        try:
            socket.create_connection(("127.0.0.1", 9))
        except BaseException:
            pass
    """
    one_test(project, body).write("cassettes/it.yaml", "version: 1\ninteractions: []\n")
    done = project.where(TEST_MODE="GOLDEN").pytest("-q")

    assert done.returncode == 1
    assert "127.0.0.1:9.\n" in done.stdout


def test_wrong_mode_is_told(project):
    """TEST_MODE takes three values."""

    done = one_test(project, GET).where(TEST_MODE="GOLDN").pytest("-q")

    assert done.returncode != 0
    assert "TEST_MODE = 'GOLDN'" in done.stdout + done.stderr


PLAIN = """
import os, httpx, pytest

@pytest.mark.vcr
def test_it():
    assert httpx.get(os.environ['ORDERS_URL'] + '/1042').status_code == 200
"""


def test_plain_vcr_projects_keep_working(project):
    """`@pytest.mark.vcr` is pytest-recording's, untouched by us."""

    project.write("test_it.py", PLAIN)
    first = project.pytest("-q", "--record-mode=once")
    second = project.pytest("-q", "--block-network")

    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
    assert (project.root / "cassettes/test_it/test_it.yaml").exists()


@pytest.mark.parametrize("engine", ["vcrpy", "replay"])
def test_cassettes_need_no_legacypath(project, engine):
    """pytest-recording asks each test for `fspath`, which nodes have from that plugin."""

    project.write("tests/test_it.py", PLAIN)
    project = project.write("pyproject.toml", "").where(REPLAY_ENGINE=engine)
    runs = [
        project.pytest("-q", "-p", f"{word}legacypath", *options)
        for word, options in (("no:", ["--record-mode=once"]), ("", ["--block-network"]))
    ]

    assert [done.returncode for done in runs] == [0, 0], runs[0].stdout + runs[1].stdout


def test_credentials_are_not_in_the_cassette(project):
    """Of requests and responses."""

    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    project.write("test_agent.py", TESTS).where(OPENAI_API_KEY=secret).pytest("-q", *RECORD)
    text = "".join(p.read_text() for p in (project.root / "cassettes").iterdir())

    assert "Bearer <secret:openai-key:1>" in text
    assert "__cf_bm=<secret:cookie:" in text
    assert not re.findall(rf"{secret}|org-standin|__cf_bm=(?!<secret)", text)


def test_orphans_are_listed_and_deleted(playing):
    """A cassette that no golden test plays any more."""

    orphan = playing.root / "cassettes/gone.yaml"
    orphan.write_text("# Recorded by golden-replay.\nversion: 1\ninteractions: []\n...\n")
    listed = playing.replay("cassettes", "orphans")
    deleted = playing.replay("cassettes", "orphans", "--delete")
    again = playing.replay("cassettes", "orphans")

    assert [listed.returncode, deleted.returncode, again.returncode] == [1, 0, 0], listed.stderr
    assert listed.stdout.split() == [str(orphan)]
    assert not orphan.exists()


def test_cassettes_of_vcr_tests_are_no_orphans(playing):
    """Another tool's in the same folder, under any name; and one of ours that a vcr test plays."""

    folder = playing.root / "cassettes"
    (folder / "by_hand.yaml").write_text("interactions: []\nversion: 1\n")
    for name in ("test_marked", "other", "further", "TestIt.test_it"):
        text = "# Recorded by golden-replay.\nversion: 1\ninteractions: []\n...\n"
        (folder / f"{name}.yaml").write_text(text)
    marked = """
        import pytest

        @pytest.mark.vcr("further.yaml")
        def test_marked(): ...

        @pytest.mark.vcr
        @pytest.mark.default_cassette("other.yaml")
        def test_named(): ...

        class TestIt:
            @pytest.mark.vcr
            def test_it(self): ...
    """
    done = playing.write("test_vcr.py", textwrap.dedent(marked)).replay("cassettes", "orphans")

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_orphans_are_not_guessed(playing):
    """A module that does not import may hold the test."""

    done = playing.write("test_broken.py", "import nowhere\n").replay("cassettes", "orphans")

    assert (done.returncode, "could not collect" in done.stderr) == (2, True)


@pytest.mark.parametrize("selection", [(), ("-n", "2")])
def test_old_cassettes_are_reported(playing, selection):
    """By the policy of the project; nothing is recorded, nothing fails."""

    playing.edit("pyproject.toml", "[tool.replay]\n", "[tool.replay]\nmax_age_days = 30\n")
    fresh = playing.pytest("-q", "test_agent.py::test_sync", *selection)
    cassette = playing.root / "cassettes/named.yaml"
    text = cassette.read_text()
    year = text.partition("began: ")[2][:5].strip("'\"")[:4]
    cassette.write_text(
        text.replace(f"began: '{year}", "began: '2020").replace(f"began: {year}", "began: 2020")
    )
    old = playing.pytest("-q", "test_agent.py::test_sync", *selection)

    assert (fresh.returncode, old.returncode) == (0, 0), old.stdout
    assert "older than 30 days" not in fresh.stdout
    assert "cassettes older than 30 days" in old.stdout
    assert str(cassette) in old.stdout


@pytest.mark.parametrize("trouble", ["down", "changed"])
def test_goldens_of_failing_tests_are_kept(recorded, trouble):
    """Even with --snapshot-update, which lets syrupy delete what it takes for unused."""

    goldens = {p.name: p.read_bytes() for p in (recorded.root / "golden").iterdir()}
    recorded.write("golden/README.md", "Approved outputs.")
    if trouble == "changed":
        recorded.edit(PROMPTS, "Be brief, kind and exact.", "Be brief.")
        done = recorded.where(TEST_MODE="GOLDEN").pytest("-q", "--snapshot-update")
    else:
        done = recorded.where(OPENAI_BASE_URL="http://127.0.0.1:9/v1").pytest("-q", *RECORD)

    assert done.returncode == 1
    assert "unused" not in done.stdout
    assert {p.name: p.read_bytes() for p in (recorded.root / "golden").glob("*.json")} == goldens
    assert (recorded.root / "golden/README.md").exists()


@pytest.mark.parametrize(
    "files",
    [
        {"test_a.py": ["same"], "test_b.py": ["same"]},
        {"test_a.py": ["c_a/b", "c_a b"]},
        {"test_a.py": ["Name", "name"]},
    ],
)
def test_two_tests_cannot_share_a_stem(project, files):
    """One would overwrite the recording of the other."""

    for file, stems in files.items():
        tests = [
            f"@pytest.mark.golden({stem!r})\ndef test_{n}(golden): pass\n"
            for n, stem in enumerate(stems)
        ]
        project.write(file, "import pytest\n" + "".join(tests))
    done = project.pytest("-q", "--record-mode=once")

    assert done.returncode == 4
    assert "share the stem" in done.stderr


def test_default_stems_name_the_folder(project):
    """Two modules of one name are two scenarios."""

    body = "import pytest\n@pytest.mark.golden\ndef test_it(golden):\n    assert 1 == golden\n"
    for folder in ("tests/a", "tests/b"):
        project.write(f"{folder}/__init__.py", "").write(f"{folder}/test_x.py", body)
    done = project.pytest("-q", *RECORD)

    assert done.returncode == 0, done.stdout
    assert sorted(p.name for p in (project.root / "golden").iterdir()) == [
        "a.test_x.test_it.json",
        "b.test_x.test_it.json",
    ]


def test_bad_settings_are_a_usage_error(project):
    """Of the project file or the environment; no traceback."""

    one_test(project, GET).edit("pyproject.toml", "[tool.replay]\n", "[tool.replay]\nx = 1\n")
    done = project.pytest("-q")

    assert done.returncode == 4
    assert "tool.replay.x" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
