"""Recording a further version: another model, live; tools answer from the recording."""

import json

import pytest

from replay.episodes.store import Store
from tests.test_record_replay import record

NEW = "gpt-4.1-2025-04-14"


def further(project, *arguments):
    return project.replay("record", "--from", "case", "--model", NEW, "--yes", *arguments)


def recordings(project):
    with Store(project.root / "episodes/episodes.db") as store:
        return store.get("case").recordings


@pytest.mark.parametrize("function", ["answer", "answer_async"])
def test_further_version(project, offline, function):
    """The new model is asked, the shop is not; both versions replay against their own output."""

    record(project, entrypoint=f"examples.support_agent.agent:{function}")
    done = further(project)
    assert done.returncode == 0, done.stdout + done.stderr
    old, new = recordings(project)
    frozen = [offline.replay("frozen", "case", "--model", m) for m in (NEW, "gpt-4o-2024-08-06")]

    assert done.stdout.startswith(f"This will ask {NEW}: about 4 calls, 1,137 tokens, $0.00")
    assert new.manifest.models_answered == (NEW,)
    assert new.manifest.models_requested == (NEW,)
    assert old.output["reply"] != new.output["reply"]
    assert [run.returncode for run in frozen] == [0, 0], frozen[0].stdout + frozen[0].stderr


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

    assert (done.returncode, "After 1 calls, $0.0" in done.stderr) == (1, True), done.stderr
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
