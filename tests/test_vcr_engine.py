"""Our engine behind `@pytest.mark.vcr`: the same tests, faster, and nothing lost."""

import pytest

TEST = """
import os, httpx, pytest, requests
BASE = os.environ.get("ORDERS_URL", "{base}")

@pytest.mark.vcr(match_on=["method", "uri", "body"])
def test_it(vcr):
    assert httpx.get(BASE + "/1042").json()["status"] == "shipped"
    assert requests.get(BASE + "/1038").json()["id"] == "1038"
    assert vcr.play_count == ({plays})
"""
CASSETTE = "cassettes/test_it/test_it.yaml"


@pytest.fixture
def vcr_project(project):
    """A plain pytest-recording project, with the one setting."""
    text = TEST.format(base=project.env["ORDERS_URL"], plays="len(vcr) if vcr.rewound else 0")
    settings = '[tool.replay]\nengine = "replay"\n'
    project = project.write("test_it.py", text).write("pyproject.toml", settings)
    done = project.pytest("-q", "--record-mode=once")
    assert done.returncode == 0, done.stdout
    return project


def test_plain_tests_record_and_replay(vcr_project):
    """Blocked from the network, and without it."""

    done = vcr_project.where(ORDERS_URL="").pytest("-q", "--block-network")

    assert done.returncode == 0, done.stdout
    assert (vcr_project.root / CASSETTE).exists()


def test_stock_vcrpy_plays_what_the_engine_recorded(vcr_project):
    """The cassettes are vcrpy's: the setting can be taken back."""

    done = vcr_project.where(REPLAY_ENGINE="vcrpy").pytest("-q", "--block-network")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("mode", ["rewrite"])
def test_rewriting_replaces_the_cassette(vcr_project, mode):
    """When the test passed; what is no longer sent is gone."""

    cassette = vcr_project.root / CASSETTE
    before = cassette.read_text()
    vcr_project.edit(
        "test_it.py", '    assert requests.get(BASE + "/1038").json()["id"] == "1038"\n', ""
    )
    done = vcr_project.pytest("-q", f"--record-mode={mode}")

    assert done.returncode == 0, done.stdout
    assert ("/1038" in before, "/1038" in cassette.read_text()) == (True, False)


def test_rewriting_keeps_the_old_cassette_when_the_provider_is_down(vcr_project):
    """pytest-recording deletes it first; then it is gone."""

    before = (vcr_project.root / CASSETTE).read_bytes()
    down = vcr_project.where(ORDERS_URL="http://127.0.0.1:9")
    done = down.pytest("-q", "--record-mode=rewrite")

    assert done.returncode == 1
    assert (vcr_project.root / CASSETTE).read_bytes() == before


def test_rewriting_keeps_the_old_cassette_when_the_test_fails(vcr_project):
    """What a failing test recorded is not taken for good."""

    before = (vcr_project.root / CASSETTE).read_bytes()
    vcr_project.edit("test_it.py", '"shipped"', '"lost"')
    done = vcr_project.pytest("-q", "--record-mode=rewrite")

    assert done.returncode == 1
    assert (vcr_project.root / CASSETTE).read_bytes() == before


def test_damaged_cassette_is_not_taken_for_missing(vcr_project):
    """Stock vcrpy goes live with `once`, and overwrites it."""

    cassette = vcr_project.root / CASSETTE
    cassette.write_text(cassette.read_text()[:200] + "\n  - [")
    before = cassette.read_bytes()
    done = vcr_project.pytest("-q", "--record-mode=once")

    assert done.returncode == 1
    assert "not YAML" in done.stdout
    assert cassette.read_bytes() == before


OLD = """
version: 1
interactions:
- request: {method: GET, uri: "http://old.example/", body: "", headers: {}}
  response:
    status_code: 200
    http_version: HTTP/1.1
    content: "{}"
    headers: {content-type: [application/json], content-encoding: [gzip]}
"""


OLD_TEST = """
import httpx, pytest

@pytest.mark.vcr
def test_old():
    old = httpx.get("http://old.example/")
    assert (old.json(), old.reason_phrase) == ({}, "OK")
"""


def test_a_cassette_of_vcrpys_old_httpx_plays(vcr_project):
    """Its body is text, and says of itself that it is compressed; its status has no reason."""

    vcr_project.write("cassettes/test_old/test_old.yaml", OLD).write("test_old.py", OLD_TEST)

    done = vcr_project.pytest("-q", "--block-network", "test_old.py")

    assert done.returncode == 0, done.stdout


def test_a_miss_is_vcrpys_own(vcr_project):
    """Projects that catch it keep catching it."""

    vcr_project.edit("test_it.py", "/1042", "/1041")
    done = vcr_project.pytest("-q", "--block-network")

    assert "CannotOverwriteExistingCassetteException" in done.stdout


def test_unknown_engine_is_told(vcr_project):
    """With the two there are."""

    done = vcr_project.where(REPLAY_ENGINE="betamax").pytest("-q")

    assert "vcrpy or replay" in done.stdout + done.stderr
