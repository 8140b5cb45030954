"""LIVE_SMOKE through a real inner pytest, against a server on loopback that changes its mind."""

import json
from contextlib import ExitStack

import pytest

from replay.golden.shapes import shape_differences
from replay.model import Interaction, Request, Response
from tests.conftest import Project, surroundings
from tests.server import plain, scripted

ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "get_order"}},
                ],
            },
        }
    ],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000},
}
TEST = """
import os, httpx, pytest

def ask():
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Where is it?"}]}
    reply = httpx.post(os.environ["BASE"] + "/v1/chat/completions", json=body).json()
    return reply["choices"][0]["finish_reason"]

@pytest.mark.golden("smoke")
@pytest.mark.live_smoke
def test_all(golden, mock_llm):
    mock_llm.tool_call("get_order", {"id": 1042})
    assert ask() == golden
    assert [r.model for r in mock_llm.requests] == ["gpt-4o"]
    assert "Where is it?" in golden.transcript

@pytest.mark.live_smoke
def test_other():
    assert ask() == "tool_calls"

@pytest.mark.live_smoke
def test_last():
    pass
"""


class Provider:
    """Answers every request with `answer`, which a test may change, and counts."""

    def __init__(self) -> None:
        self.answer = ANSWER
        self.asked = 0

    def __call__(self, connection, request) -> None:
        self.asked += 1
        plain(json.dumps(self.answer).encode(), b"content-type: application/json")(
            connection, request
        )


@pytest.fixture(scope="module")
def provider():
    """The provider on loopback; `address` is where."""
    found = Provider()
    with ExitStack() as stack:
        found.address = stack.enter_context(scripted(found))
        yield found


@pytest.fixture(scope="module")
def recorded(provider, tmp_path_factory):
    """A project with a golden test that was recorded there, and another one."""
    root = tmp_path_factory.mktemp("smoke")
    env = surroundings()
    project = Project(root, env | {"BASE": provider.address})
    project.write("pyproject.toml", "[tool.replay]\n").write("test_it.py", TEST)
    done = project.pytest("-q", "-k", "all", "--record-mode=rewrite", "--snapshot-update")
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture
def live(recorded, provider):
    """The project in LIVE_SMOKE, and the provider as it was."""
    provider.answer, provider.asked = ANSWER, 0
    return recorded.where(TEST_MODE="LIVE_SMOKE")


def kept(project) -> dict[str, bytes]:
    """Every cassette and golden."""
    folders = (project.root / "cassettes", project.root / "golden")
    return {p.name: p.read_bytes() for folder in folders for p in folder.iterdir()}


def test_one_test_runs_in_all_three_modes(live, provider):
    """On its mocks, on its cassette, and on real traffic; only the last one reaches the server."""

    asked, codes = [], []
    for mode in ("MOCK", "GOLDEN", "LIVE_SMOKE"):
        done = live.pytest("-q", "-rs", "--test-mode", mode)
        codes.append((mode, done.returncode, "1 passed" in done.stdout, "3 passed" in done.stdout))
        asked.append(provider.asked)

    assert codes == [
        ("MOCK", 0, True, False),
        ("GOLDEN", 0, True, False),
        ("LIVE_SMOKE", 0, False, True),
    ]
    assert asked == [0, 0, 2]
    assert "2 calls, $0.0250" in done.stdout


def test_another_shape_fails_and_nothing_is_written(live, provider):
    """Each field, type, tool and ending that differs; what the model says is its own affair."""

    before = kept(live)
    message = {"role": "assistant", "content": 5, "tool_calls": [{"function": {"name": "drop"}}]}
    provider.answer = {
        "id": "another",
        "new": "field",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "finish_reason": "length", "message": message}],
    }
    done = live.pytest("-q", "-k", "all")

    lines = done.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("The live answers"))
    assert [line for line in lines[at : at + 18] if line.startswith("  P")] == [
        "  POST /v1/chat/completions finish reasons",
        "  POST /v1/chat/completions tools called",
        "  POST /v1/chat/completions choices[].message.content",
        "  POST /v1/chat/completions choices[].message.tool_calls[].id",
        "  POST /v1/chat/completions choices[].message.tool_calls[].type",
    ]
    assert lines[at + 1 : at + 4] == [
        "  POST /v1/chat/completions finish reasons",
        "    recorded: 'tool_calls'",
        "    now:      'length'",
    ]
    assert "Nothing was written. If the change is good: pytest 'test_it.py::test_all'" in (
        done.stdout
    )
    assert "1 call, $0.0000; not priced: gpt-4o-2024-08-06" in done.stdout
    assert (done.returncode, kept(live)) == (1, before)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"TEST_MAX_CALLS": "1"}, "1 call spent, 1 allowed"),
        ({"TEST_MAX_DOLLARS": "0.01"}, "$0.0125 spent, $0.01 allowed"),
    ],
)
def test_the_budget_stops_the_run(live, provider, setting, said):
    """Before the request that would be too much, with the setting that allows it."""

    done = live.where(**setting).pytest("-q")

    (name,) = setting
    assert f"LIVE_SMOKE stopped before POST {provider.address}/v1/chat/completions" in done.stdout
    assert said in done.stdout
    assert f"{name}=…" in done.stdout
    assert "1 failed, 1 passed in" in done.stdout
    assert (provider.asked, done.returncode) == (1, 2)


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [
        ("--record-mode=rewrite", 4, "leave --record-mode and --adopt out"),
        ("-n2", 2, "add -n 0"),
    ],
)
def test_what_writes_or_divides_the_budget_is_refused(live, provider, option, code, said):
    """With a sentence, before anything is sent."""

    done = live.pytest("-q", option)

    out = done.stdout + done.stderr
    assert (done.returncode, said in out, provider.asked) == (code, True, 0)


def heard(*events: dict, path: str = "/v1/messages") -> Interaction:
    """An answer that was streamed in these events."""
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
    return Interaction(Request("POST", f"https://x.example{path}"), Response(200, body=body))


TEXT = {"type": "delta", "text": "Hi", "usage": None}


@pytest.mark.parametrize(
    ("live", "found"),
    [
        ([heard({"type": "start", "id": "2"}, TEXT, TEXT, TEXT)], []),
        ([heard({"type": "start", "id": "2"}), heard(TEXT | {"new": 1})], []),
        ([heard({"type": "start", "id": 2}, TEXT)], [("start id", "text", "number")]),
        (
            [heard({"type": "start", "id": "2"}, {"type": "delta", "usage": None})],
            [
                ("delta text", "text", "(absent)"),
            ],
        ),
        (
            [heard({"type": "start", "id": "2"}, TEXT | {"usage": {"tokens": 1}})],
            [
                ("delta usage", "null", "object"),
            ],
        ),
    ],
    ids=["same", "more", "type", "gone", "not null"],
)
def test_events_are_compared_by_their_type(live, found):
    """However many there are, and whatever is new in them."""

    differences = shape_differences([heard({"type": "start", "id": "1"}, TEXT)], live)

    assert [(d.path, d.recorded, d.now) for d in differences] == [
        (f"POST /v1/messages {path}", recorded, now) for path, recorded, now in found
    ]


def test_addresses_are_called_or_not():
    """A call that is new, and one that is gone."""

    (gone, new) = shape_differences([heard(path="/a")], [heard(path="/b")])

    assert (gone.path, gone.recorded, gone.now) == ("POST /a", "called", "not called")
    assert (new.path, new.recorded, new.now) == ("POST /b", "not called", "called")
