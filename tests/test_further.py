"""Recording a further version: another model, live; tools answer from the recording."""

import json

import pytest

from replay.config import load_config
from replay.engine.replayer import replay_episode
from replay.episodes.bundle import recording_id
from replay.episodes.store import Store
from replay.episodes.versions import resolve
from replay.errors import TeacherForced
from tests.conftest import ROOT, InProcess
from tests.test_record_replay import record

NEW = "gpt-4.1-2025-04-14"
CONFIG = load_config(ROOT)


@pytest.fixture
def project(project):
    """Nothing here is about processes."""
    return InProcess(project.root, project.env)


def further(project, *arguments):
    return project.replay("record", "--from", "case", "--model", NEW, "--yes", *arguments)


def episode(project):
    with Store(project.root / "episodes/episodes.db") as store:
        return store.get("case")


def recordings(project):
    return episode(project).recordings


@pytest.mark.parametrize("function", ["answer", "answer_async"])
def test_further_version(project, offline, function):
    """The new model is asked, the shop is not; both versions replay against their own output."""

    record(project, entrypoint=f"examples.support_agent.agent:{function}")
    done = further(project)
    assert done.returncode == 0, done.stdout + done.stderr
    old, new = recordings(project)
    replays = [replay_episode(episode(project), CONFIG, recording=run) for run in (old, new)]

    assert done.stdout.startswith(f"This will ask {NEW}: about 4 calls, 1,137 tokens, $0.00")
    assert new.manifest.models_answered == (NEW,)
    assert new.manifest.models_requested == (NEW,)
    assert old.output["reply"] != new.output["reply"]
    assert [run.outcome.kind for run in replays] == ["IDENTICAL", "IDENTICAL"]
    again = "replay record --from case"
    assert [run.again for run in replays] == [again, f"{again} --model {NEW}"]


def test_tools_are_not_called(project):
    """Their answers in the new recording are those of the old one, to the request id."""

    record(project)
    old = recordings(project)[0]
    further(project)
    new = recordings(project)[1]

    assert shop_answers(old) == shop_answers(new) != []


def shop_answers(run):
    return [i.response for i in run.interactions if "/orders/" in i.request.url]


def test_unmatched_write_is_never_sent(project):
    """The new model wants to refund: drift, exit 1, and no recording."""

    record(project)
    project.edit("examples/support_agent/tools.py", '"GET", url, None', '"POST", url + "/x", {}')
    done = further(project, "--live-reads")

    assert done.returncode == 1
    assert "/orders/1042/x is not in the recording of case" in done.stderr
    assert done.stderr.splitlines()[-1] == "No recording was added to case."
    assert len(recordings(project)) == 1


def test_unmatched_read_needs_the_flag(project):
    """Without it, it is drift as well."""

    record(project)
    project.edit("examples/support_agent/tools.py", '"GET", url, None', '"GET", url + "?v=2", None')

    assert (further(project).returncode, further(project, "--live-reads").returncode) == (1, 0)


def test_budget_stops(project):
    """Before the call that would come after it is spent."""

    record(project)
    done = further(project, "--budget", "0.000001")

    assert (done.returncode, "After 1 call, $0.0" in done.stderr) == (1, True), done.stderr
    assert len(recordings(project)) == 1


def test_without_a_person_it_asks_for_yes(project):
    """Money is not spent by a script that did not say so."""

    record(project)
    done = project.replay("record", "--from", "case", "--model", "gpt-4.1")

    assert (done.returncode, "--yes" in done.stderr) == (2, True)
    assert len(recordings(project)) == 1


def test_sampling_goes_out_and_is_noted(project):
    """In the outgoing request, and in the manifest."""

    record(project)
    further(project, "--sampling", "temperature=0.5")

    assert recordings(project)[1].manifest.sampling["temperature"] == [0.5]


def test_program_of_today_replays_its_own_recording(project, offline):
    """A further version is newer, and is used where it is named; tomorrow's own run is current."""

    record(project)
    own = recordings(project)[0]
    further(project)
    further(project, "--teacher-forced")
    by_default = json.loads(
        InProcess(project.root, offline.env).replay("run", "case", "--json").stdout
    )
    dated = resolve(episode(project), f"@{own.manifest.clock[:10]}")
    project.replay("record", "--from", "case")

    assert by_default["recording"] == recording_id(own)
    assert dated == own
    assert episode(project).current == recordings(project)[3]


@pytest.mark.parametrize("how", [(), ("--teacher-forced",)])
def test_bundle_alone_is_enough(project, how):
    """The new recording comes after those of the bundle, whether or not the store had them."""

    record(project)
    for file in (project.root / "episodes").glob("episodes.db*"):
        file.unlink()
    further(project, *how)

    assert [bool(run.manifest.further) for run in recordings(project)] == [False, True]


def test_teacher_forced_asks_each_recorded_turn(project):
    """Requests, tools and output are the recorded ones; the answers are the new model's."""

    record(project)
    done = further(project, "--teacher-forced")
    assert done.returncode == 0, done.stderr
    old, new = recordings(project)
    answers = [[i.response.body for i in run.interactions] for run in (old, new)]
    is_tool = ["/v1/" not in i.request.url for i in old.interactions]

    assert done.stdout.startswith(f"This will ask {NEW}: about 4 calls, 1,137 tokens, $0.00")
    assert (new.manifest.further, new.manifest.models_answered) == ("teacher-forced", (NEW,))
    assert [i.request.body for i in new.interactions] == [i.request.body for i in old.interactions]
    assert [one == two for one, two in zip(*answers, strict=True)] == is_tool
    assert new.output == old.output


def test_teacher_forced_runs_no_program(project):
    """The code of today may do something else, or be gone."""

    record(project)
    (project.root / "examples/support_agent/agent.py").unlink()

    assert further(project, "--teacher-forced").returncode == 0


def test_teacher_forced_is_compared_and_not_replayed(project):
    """Its answers drift turn by turn; as a run of a program it is refused."""

    record(project)
    further(project, "--teacher-forced")
    drift = project.replay("drift", "case", "--json")
    with pytest.raises(TeacherForced) as refused:
        replay_episode(episode(project), CONFIG, recording=recordings(project)[1])
    sides = json.loads(drift.stdout)["sides"]

    assert (drift.returncode, sides["request"], sides["output"]) == (2, "no drift", "no drift")
    assert sides["response"] != "no drift"
    assert f"replay record --from case --model {NEW}" in str(refused.value).splitlines()[-1]
    further(project)
    assert resolve(episode(project), NEW).manifest.further == "free-running"


def test_teacher_forced_stops_where_the_model_does_not_answer(project):
    """Nothing is added, and what the provider said is shown."""

    record(project)
    done = project.replay(
        "record", "--from", "case", "--model", "gpt-nope", "--yes", "--teacher-forced"
    )

    assert (done.returncode, len(recordings(project))) == (2, 1), done.stdout
    assert "Call #1 of case was answered when it was recorded, and is not now: 404" in done.stderr


def test_teacher_forced_needs_the_key(project):
    """Keys are in no recording; the variable that holds this one is named."""

    record(project)
    done = further(project.where(OPENAI_API_KEY=""), "--teacher-forced")

    assert (done.returncode, done.stderr) == (
        2,
        "There is no key for openai: set OPENAI_API_KEY.\n",
    )


SENDS = "URL, json=SENT, headers=HEADERS).json()['model']"
CLIENTS = {
    "requests": f"import requests\n    return requests.post({SENDS}",
    "httpx": f"import httpx\n    return httpx.post({SENDS}",
    "urllib3": f"import urllib3\n    return urllib3.request('POST', {SENDS}",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_whatever_client_sends_it(project, client):
    """The model is another one in what goes out."""

    source = "import os\nURL = os.environ['OPENAI_BASE_URL'] + '/chat/completions'\n"
    source += "HEADERS = {'authorization': 'Bearer not-a-key'}\n"
    source += "SENT = {'model': 'gpt-4o', 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
    project.write("program.py", f"{source}\n\ndef main():\n    {CLIENTS[client]}\n")
    project.write("in.json", json.dumps({}))
    first = project.replay("record", "program:main", "--input", "in.json", "--id", "case")
    assert first.returncode == 0, first.stderr
    done = further(project)

    assert [run.output for run in recordings(project)] == ["gpt-4o-2024-08-06", NEW], done.stderr
