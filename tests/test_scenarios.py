"""The committed scenarios: golden tests of the example agent, and that their three forms agree."""

import json
from pathlib import Path

import pytest

from examples.support_agent.agent import answer, answer_async
from replay.canonical import request_key
from replay.cassettes.files import read_cassette
from replay.episodes.folder import read_bundle
from replay.episodes.versions import resolve
from replay.golden.normalization import normalized

ROOT = Path(__file__).parent.parent
SCENARIOS = sorted(path.stem for path in (ROOT / "episodes").glob("episode_*.jsonl"))


def inputs(stem: str) -> dict[str, str]:
    """The keyword arguments that the scenario calls the agent with."""
    path = ROOT / "examples/support_agent/scenarios" / f"{stem}.json"
    return json.loads(path.read_text())


@pytest.mark.golden("{stem}")
@pytest.mark.parametrize("stem", ["episode_12345", "episode_12347"])
def test_answers(stem, golden):
    """The agent answers as approved."""

    assert answer(**inputs(stem)) == golden


@pytest.mark.golden("episode_12346")
async def test_answers_async(golden):
    """The async agent answers as approved."""

    assert await answer_async(**inputs("episode_12346")) == golden


@pytest.mark.parametrize("stem", SCENARIOS)
def test_three_forms_agree(stem):
    """Cassette, episode and golden of a scenario tell of the same calls and the same output."""

    episode, _ = read_bundle(ROOT / "episodes" / f"{stem}.jsonl")
    cassette = read_cassette(ROOT / "cassettes" / f"{stem}.yaml")
    golden = json.loads((ROOT / "golden" / f"{stem}.json").read_text())

    assert inputs(stem) == episode.inputs
    recording = resolve(episode, "gpt-4o-2024-08-06")
    assert calls(recording.interactions) == calls(cassette.interactions)
    assert golden == normalized(recording.output)


def calls(interactions):
    """What a scenario sends, in order: the first request exactly, ids of its own run aside."""
    return [
        (i.request.method, i.request.url, i.response.status) for i in interactions
    ], request_key(interactions[0].request)


def test_every_scenario_is_complete():
    """No scenario lacks one of its three forms."""

    stems = [sorted(p.stem for p in (ROOT / folder).glob(pattern)) for folder, pattern in FOLDERS]

    assert stems == [SCENARIOS] * 3


FOLDERS = [
    ("cassettes", "episode_*.yaml"),
    ("episodes", "episode_*.jsonl"),
    ("golden", "episode_*.json"),
]
