"""The main job through the command: record a run once, live, and replay it anywhere."""

import json
import shutil
import textwrap

import pytest

import replay
from replay.episodes.store import Store
from replay.errors import BadEntrypoint

AGENT = "examples.support_agent.agent:answer"
INPUT = "examples/support_agent/scenarios/episode_12345.json"
PROMPTS = "examples/support_agent/prompts.py"


def record(project, *arguments, entrypoint=AGENT, episode="case"):
    command = ("record", entrypoint, "--input", INPUT, "--id", episode, *arguments)

    def make():
        done = project.replay(*command)
        assert done.returncode == 0, done.stderr

    project.once(" ".join(command), ["episodes"], make)
    return project


def program(project, body: str, inputs: str = "{}"):
    """A one-function program `program:main`, and its inputs."""
    source = (
        "import asyncio, os, socket, uuid, httpx, requests\nBASE = os.environ.get('ORDERS_URL')\n"
    )
    project.write("program.py", source + textwrap.dedent(body))
    return project.write("in.json", inputs)


def record_program(project):
    done = project.replay("record", "program:main", "--input", "in.json", "--id", "case")
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("function", ["answer", "answer_async"])
def test_recorded_run_is_identical_offline(project, offline, function):
    """Recorded live, replayed without key, address or network; ids and times come out the same."""

    record(project, entrypoint=f"examples.support_agent.agent:{function}")
    done = offline.replay("run", "case")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "IDENTICAL" in done.stdout.splitlines()
    assert "  calls      6 of 6 played" in done.stdout.splitlines()
    assert "  fidelity   100% of the recorded bytes served verbatim" in done.stdout.splitlines()


def test_bundle_alone_is_enough(project, offline):
    """A colleague who has only the committed bundle replays it; no store is made for that."""

    record(project)
    for file in (project.root / "episodes").glob("episodes.db*"):
        file.unlink()
    done = offline.replay("run", "case")

    assert done.returncode == 0, done.stderr
    assert not (project.root / "episodes/episodes.db").exists()


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare(1) of util-linux")
def test_replay_needs_no_network_at_all(project, offline):
    """In a network namespace without even a loopback device."""

    record(project)
    probe = offline.run("unshare", "-rn", "true")
    if probe.returncode:
        pytest.skip(f"this machine allows no network namespace: {probe.stderr.strip()}")
    done = offline.run("unshare", "-rn", *_python("-m", "replay", "run", "case"))

    assert "IDENTICAL" in done.stdout.splitlines(), done.stdout + done.stderr


def _python(*arguments):
    import sys

    return sys.executable, *arguments


def test_two_replays_are_byte_equal(project, offline):
    """But for the time figures, which stand apart."""

    record(project)
    results = []
    for zone in ("UTC", "Asia/Tokyo"):
        done = offline.where(TZ=zone, PYTHONHASHSEED=str(len(zone))).replay("run", "case", "--json")
        result = json.loads(done.stdout)
        del result["time"]
        results.append(json.dumps(result))

    assert results[0] == results[1]


def test_changed_prompt_diverges_at_the_step(project, offline):
    """With the field, both values side by side, and the command to record again."""

    record(project)
    offline.edit(PROMPTS, "Be brief, kind and exact.", "Be brief.")
    done = offline.replay("run", "case")

    assert done.returncode == 1
    lines = done.stdout.splitlines()
    at = lines.index("DIVERGED at step 2 (request)")
    assert lines[at + 2 : at + 7] == [
        "Closest is #2; it differs in its prompt:",
        "  messages[0].content",
        "    recorded: 'You are a support agent of Acme Outfitters. Be brief, kind and exact.'",
        "    sent:     'You are a support agent of Acme Outfitters. Be brief.'",
        "If the change is intended: replay record --from case",
    ]


def test_recording_again_makes_it_agree_and_keeps_the_old(project, offline):
    """The command that the miss names, run as it stands."""

    record(project)
    project.edit(PROMPTS, "Be brief, kind and exact.", "Be brief.")
    again = project.replay("record", "--from", "case")
    done = offline.replay("run", "case")

    assert (again.returncode, done.returncode) == (0, 0), again.stderr + done.stdout
    with Store(project.root / "episodes/episodes.db") as store:
        assert len(store.get("case").recordings) == 2


def test_changed_output_shows_its_difference(project, offline):
    """Same traffic, other result: the diff of the output, exit 1."""

    record(project)
    offline.edit("examples/support_agent/conversation.py", "tools_used=", "tools_used=['x'] + ")
    done = offline.replay("run", "case")

    assert done.returncode == 1
    assert "DIVERGED (output)" in done.stdout.splitlines()
    assert "  tools_used[0]" in done.stdout.splitlines()


def test_call_that_is_gone_is_unplayed(project, offline):
    """A program that no longer sends something does not agree with its recording."""

    program(
        project, "def main():\n    httpx.get(BASE + '/1042')\n    requests.get(BASE + '/1038')\n"
    )
    record_program(project)
    offline.edit("program.py", "    requests.get(BASE + '/1038')\n", "")
    done = offline.replay("run", "case")

    assert done.returncode == 1
    assert "The program did not send #2 of 2 recorded calls." in done.stdout


def test_program_that_raises_has_failed(project, offline):
    """What it raised is the outcome."""

    program(project, "def main():\n    return httpx.get(BASE + '/1042').json()['id']\n")
    record_program(project)
    offline.edit("program.py", "['id']", "['nope']")
    done = offline.replay("run", "case")

    assert (done.returncode, "FAILED" in done.stdout) == (1, True)
    assert "It raised builtins.KeyError: 'nope'" in done.stdout


@pytest.mark.parametrize(
    "sneak",
    [
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "asyncio.run(asyncio.open_connection('127.0.0.1', 9))",
    ],
)
def test_socket_under_replay_is_unhermetic(project, offline, sneak):
    """Even where the program swallows everything: the outcome names the address."""

    program(project, "def main():\n    return httpx.get(BASE + '/1042').json()['id']\n")
    record_program(project)
    hidden = f"    try:\n        {sneak}\n    except BaseException:\n        pass\n"
    offline.edit("program.py", "def main():\n", f"def main():\n{hidden}")
    done = offline.replay("run", "case")

    assert done.returncode == 2
    assert "UNHERMETIC" in done.stdout.splitlines()
    assert "127.0.0.1:9" in done.stdout


def test_swallowed_miss_still_diverges(project, offline):
    """A fallback that catches everything does not hide that the request changed."""

    program(project, "def main():\n    return httpx.get(BASE + '/1042').json()['id']\n")
    record_program(project)
    body = "def main():\n    try:\n        httpx.get(BASE + '/1')\n    except BaseException: pass\n"
    offline.edit("program.py", "def main():\n", body)

    assert "DIVERGED" in offline.replay("run", "case").stdout


def test_rate_limit_is_recorded_and_replayed_without_waiting(project, offline, standin):
    """A 429 and the retry after it are two recorded calls; the replay does not sleep."""

    import httpx

    httpx.post(f"{standin}/control/rate-limit", json={"times": 1, "retry_after": 1})
    record(project, episode="limited")
    result = json.loads(offline.replay("run", "limited", "--json").stdout)

    assert result["outcome"]["kind"] == "IDENTICAL"
    assert [step["status"] for step in result["steps"]][:2] == [429, 200]
    assert result["time"]["recorded"] > 1


def test_unknown_episode_names_the_closest(project):
    """Exit 2, the closest name, the command that lists them."""

    record(project, episode="episode_12345")
    done = project.replay("run", "episode_12399")

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "There is no episode 'episode_12399', neither in the store nor as a bundle.",
        "Closest: episode_12345.",
        "What there is: replay list",
    ]


def test_damaged_bundle_is_told_and_left_alone(project):
    """Exit 2, what and where, nothing overwritten."""

    record(project)
    bundle = project.root / "episodes/case.jsonl"
    lines = bundle.read_text().splitlines()
    bundle.write_text("\n".join([*lines[:20], lines[20][:-5], *lines[21:]]) + "\n")
    before = bundle.read_bytes()
    done = project.replay("run", "case")

    assert done.returncode == 2
    assert "case.jsonl, line 21: not JSON" in done.stderr
    assert bundle.read_bytes() == before


def test_damaged_store_is_told_and_left_alone(project):
    """Exit 2, and the command that makes it anew from the bundles."""

    record(project)
    store = project.root / "episodes/episodes.db"
    store.write_bytes(b"garbage" * 1000)
    done = project.replay("run", "case")

    assert done.returncode == 2
    assert f"mv {store} {store}.damaged" in done.stderr
    assert store.read_bytes() == b"garbage" * 1000


def test_failed_run_adds_no_recording(project, offline):
    """The provider is down while recording again: the good recording stays the current one."""

    record(project)
    before = (project.root / "episodes/case.jsonl").read_bytes()
    down = project.where(OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    done = down.replay("record", "--from", "case")

    assert done.returncode == 2
    assert "No recording was added to 'case'" in done.stderr
    assert (project.root / "episodes/case.jsonl").read_bytes() == before
    assert offline.replay("run", "case").returncode == 0
    assert "Incomplete: case" in project.replay("list").stdout


def test_run_that_is_meant_to_raise(project, offline):
    """With --allow-error the exception is the recorded result, and replays as the same."""

    program(project, "def main():\n    httpx.get(BASE + '/9999').raise_for_status()\n")
    arguments = ("record", "program:main", "--input", "in.json", "--id", "case", "--allow-error")
    recorded = project.replay(*arguments)

    assert recorded.returncode == 0, recorded.stderr
    assert "IDENTICAL" in offline.replay("run", "case").stdout.splitlines()


def test_another_case_under_the_same_name_is_refused_before_anything_is_sent(project):
    """Two cases under one name cannot be compared."""

    record(project)
    other = "examples/support_agent/scenarios/episode_12346.json"
    done = project.replay("record", AGENT, "--input", other, "--id", "case")

    assert done.returncode == 2
    assert "a name of its own" in done.stderr


@pytest.mark.parametrize(
    ("entrypoint", "what"),
    [
        ("program", "not written package.module:function"),
        ("nowhere:main", "ModuleNotFoundError"),
        ("program:nothing", "program has no nothing"),
        ("program:BASE", "not callable"),
        ("program:main", "missing a required argument: 'wanted'"),
    ],
)
def test_bad_entrypoint_is_told(project, entrypoint, what):
    """What is wrong with it, and how one is written."""

    program(project, "def main(wanted):\n    pass\n")
    done = project.replay("record", entrypoint, "--input", "in.json", "--id", "case")

    assert (done.returncode, what in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("inputs", ["[1]", "{", ""])
def test_bad_inputs_are_told(project, inputs):
    """They are an object of keyword arguments."""

    program(project, "def main():\n    pass\n", inputs)
    done = project.replay("record", "program:main", "--input", "in.json", "--id", "case")

    assert (done.returncode, "The input file in.json has to be JSON" in done.stderr) == (2, True)


def test_no_secret_reaches_store_or_bundle(project):
    """The key of the recording machine is in neither."""

    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    record(project.where(OPENAI_API_KEY=secret))
    files = [p for p in (project.root / "episodes").iterdir() if p.is_file()]

    assert files
    assert not [p for p in files if secret.encode() in p.read_bytes()]


def test_no_secret_in_output_or_error(project, offline):
    """A program that returns or raises its key does not put it into the recording."""

    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    program(project, "def main():\n    return {'used': os.environ['OPENAI_API_KEY']}\n")
    project = project.where(OPENAI_API_KEY=secret)
    record_program(project)
    project.edit("program.py", "return {'used': ", "raise ValueError(").edit(
        "program.py", "]}", "])"
    )
    raised = project.replay("record", "--from", "case", "--allow-error")
    files = [p for p in (project.root / "episodes").iterdir() if p.is_file()]

    assert raised.returncode == 0, raised.stderr
    assert not [p for p in files if secret.encode() in p.read_bytes()]
    assert "IDENTICAL" in project.replay("run", "case").stdout.splitlines()


def test_ordinary_words_are_no_keys(project, offline):
    """Kebab case that holds `sk-` is prose."""

    program(project, "def main():\n    return 'task-management-and-planning-for-teams'\n")
    record_program(project)

    assert "task-management-and-planning" in (project.root / "episodes/case.jsonl").read_text()


def test_export_and_import_are_lossless(project, tmp_path_factory):
    """A bundle that was imported into a new store is exported byte for byte."""

    record(project)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    bundle = project.root / "episodes/case.jsonl"
    fresh = project.where(REPLAY_STORE=str(elsewhere / "new.db"))
    imported = fresh.replay("import", str(bundle))
    exported = fresh.replay("export", "case", "--to", str(elsewhere))

    assert (imported.returncode, exported.returncode) == (0, 0), imported.stderr + exported.stderr
    assert (elsewhere / "case.jsonl").read_bytes() == bundle.read_bytes()


def test_list_shows_what_there_is(project):
    """As a table, and for machines."""

    record(project)
    listed = json.loads(project.replay("list", "--json").stdout)

    (row,) = listed["episodes"]
    assert (row["id"], row["entrypoint"], row["outcome"]) == ("case", AGENT, "returned")
    assert (row["recordings"], row["interactions"]) == (1, 6)
    assert row["models"] == ["gpt-4o-2024-08-06"]
    assert row["tokens"] > 0 < row["dollars"]
    assert AGENT in project.replay("list").stdout


IN_CODE = """
import asyncio
import replay
from examples.support_agent.agent import answer, answer_async

CASE = {"question": "Where is my order 1042?", "customer": "Ada"}

@replay.episode
def handle(question, customer):
    return answer(question, customer)

@replay.episode(name="async_case")
async def handle_async(question, customer):
    return await answer_async(question, customer)

if __name__ == "__main__":
    with replay.record("block") as run:
        run.call(answer, **CASE)
    import service
    service.handle(**CASE)
    asyncio.run(service.handle_async(**CASE))
"""


def test_recording_in_code(project, offline):
    """A block and a decorator, sync and async; today's ids are others, so EQUIVALENT."""

    project.write("service.py", IN_CODE)
    done = project.run(*_python("service.py"))
    assert done.returncode == 0, done.stderr
    names = [e["id"] for e in json.loads(project.replay("list", "--json").stdout)["episodes"]]

    outcomes = [json.loads(offline.replay("run", n, "--json").stdout)["outcome"] for n in names]

    assert [name.rpartition("_")[0] or name for name in names] == ["async_case", "block", "handle"]
    assert [outcome["kind"] for outcome in outcomes] == ["EQUIVALENT"] * 3, outcomes


DECORATED = """
import replay

@replay.episode
def mixed(q, k=1, **more):
    return [q, k, more]

@replay.episode
def odd(q):
    return object() if q else iter([1, 2])

assert mixed("a", 2, z=4) == ["a", 2, {"z": 4}]
assert list(odd(False)) == [1, 2]
assert type(odd(True)) is object
try:
    odd()
except TypeError as error:
    print("TypeError:", error)
"""


def test_decorator_never_changes_the_program(project, offline):
    """What comes back is what the function returned, whether it can be written down or not."""

    done = project.write("service.py", DECORATED).run(*_python("service.py"))
    names = [e["id"] for e in json.loads(project.replay("list", "--json").stdout)["episodes"]]
    replayed = offline.replay("run", names[0])

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("TypeError: odd() missing")
    assert [name.rpartition("_")[0] for name in names] == ["mixed"]
    assert done.stderr.count("not recorded:") == 2  # the second when the process ends
    assert "IDENTICAL" in replayed.stdout, replayed.stdout + replayed.stderr


def test_unusable_store_costs_a_service_nothing_but_the_recording(project):
    """It is logged, and the function is called."""

    project.write("service.py", DECORATED)
    done = project.where(REPLAY_STORE="/proc/nowhere/x.db").run(*_python("service.py"))

    assert (done.returncode, "not recorded:" in done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("def f(*args): pass", r"\\*args cannot be given by name"),
        ("def f(a, /): pass", "a cannot be given by name"),
        ("def f(self): pass", "it is a method"),
        ("def f(): yield", "it is a generator"),
        ("async def f(): yield", "it is a generator"),
    ],
)
def test_decorator_refuses_what_could_not_be_replayed(function, why):
    """Where it is written, not where it is replayed."""

    scope = {"replay": replay, "__name__": "here"}

    with pytest.raises(BadEntrypoint, match=why):
        exec(f"@replay.episode\n{function}", scope)


def test_decorator_can_be_switched_off(project):
    """REPLAY_RECORD=off: the functions are just called."""

    project.write("service.py", IN_CODE)
    project.where(REPLAY_RECORD="off").run(*_python("service.py"))
    listed = json.loads(project.replay("list", "--json").stdout)["episodes"]

    assert [episode["id"] for episode in listed] == ["block"]


@pytest.mark.parametrize(
    "name", ["../evil", "a/b", ".hidden", "x" * 200, "a b", "a\x00"[:1] + "\n"]
)
def test_names_cannot_leave_the_folder(project, name):
    """An episode's name is a file name too, on every system."""

    done = project.replay("record", AGENT, "--input", INPUT, "--id", name)
    looked = project.replay("run", name)

    assert (done.returncode, looked.returncode) == (2, 2)
    assert "cannot be the name of an episode" in done.stderr
    assert not list(project.root.parent.glob("evil*"))


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("def main():\n    raise SystemExit(3)\n", "The run raised SystemExit: 3"),
        ("def main():\n    return object()\n", "The output has to be JSON"),
        ("1/0\ndef main(): pass\n", "cannot be run: ZeroDivisionError"),
        ("def main(:\n", "cannot be run: SyntaxError"),
    ],
)
def test_programs_that_cannot_be_recorded_are_told(project, body, what):
    """No traceback reaches a user."""

    program(project, body)
    done = project.replay("record", "program:main", "--input", "in.json", "--id", "case")

    assert (done.returncode, what in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_what_the_program_prints_does_not_mix_with_the_result(project, offline):
    """It goes to standard error; the JSON stays JSON."""

    program(project, "def main():\n    print('hello from the program')\n    return 1\n")
    record_program(project)
    done = offline.replay("run", "case", "--json")

    assert json.loads(done.stdout)["output"] == 1
    assert "hello from the program" in done.stderr


def test_chance_replays_whatever_was_imported_on_the_way(project, offline):
    """At module level and in the call; what the machinery draws itself does not show."""

    body = """
    import random, uuid
    AT_IMPORT = [random.random(), str(uuid.uuid4())]
    def main():
        return [AT_IMPORT, [random.random() for _ in range(3)], str(uuid.uuid4())]
    """
    program(project, body)
    record_program(project)

    assert "IDENTICAL" in offline.replay("run", "case").stdout.splitlines()


def test_from_brings_its_own_case(project):
    """Other arguments beside it would be ignored, so they are refused."""

    record(project)
    done = project.replay("record", "--from", "case", "--id", "other")

    assert (done.returncode, "brings its own" in done.stderr) == (2, True)


def test_failed_replay_names_the_line(project, offline):
    """Of the program, not of ours."""

    program(project, "def main():\n    return {}\n")
    record_program(project)
    offline.edit("program.py", "return {}", "return {}['boo']")
    done = offline.replay("run", "case")

    assert f"  at {project.root}/program.py:4" in done.stdout.splitlines()
    assert "If that is intended" not in done.stdout


def test_one_damaged_bundle_does_not_hide_the_others(project):
    """They are listed; the damaged one is told; exit 2."""

    record(project)
    project.write("episodes/bad.jsonl", "{")
    done = project.replay("list")

    assert (done.returncode, "case" in done.stdout, "bad.jsonl, line 1" in done.stderr) == (
        2,
        True,
        True,
    )


def test_help_shows_every_verb(project):
    """And an example for each."""

    done = project.replay("--help")

    assert done.returncode == 0
    for verb in ("record", "run", "list", "import", "export", "cassettes"):
        assert f"\n  {verb} " in done.stdout


def test_cassettes_check_reports_every_file(project):
    """A good one, a damaged one, and one that is not there: exit 2, and the reasons."""

    good = "version: 1\ninteractions: []\n"
    project.write("c/good.yaml", good).write("c/bad.yaml", "version: 1\ninteractions:\n- x: [\n")
    done = project.replay("cassettes", "check", "c", "missing.yaml")
    data = project.replay("cassettes", "check", "--json", "c")

    assert (done.returncode, data.returncode) == (2, 2)
    assert "c/bad.yaml: not read: not YAML" in done.stdout
    assert "missing.yaml: not read: " in done.stdout
    assert [bool(json.loads(line)["unread"]) for line in data.stdout.splitlines()] == [True, False]
    assert "1 of 3 files whole; interactions: 0 played, 0 missed." in done.stdout
