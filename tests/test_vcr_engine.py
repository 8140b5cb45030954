"""Our engine behind `@pytest.mark.vcr`: the same tests, faster, and nothing lost."""

import json

import httpx
import pytest
import vcr
from vcr.persisters.filesystem import FilesystemPersister

from replay.cassettes.vcr_engine import use_cassette
from tests.server import plain, scripted

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


def test_vcr_tests_need_no_syrupy(vcr_project):
    """Another plugin may have its options: who has no golden tests can leave it out."""

    done = vcr_project.pytest("-q", "--block-network", "-p", "no:syrupy")

    assert done.returncode == 0, done.stdout + done.stderr


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

    assert "It takes: vcrpy, replay." in done.stdout + done.stderr


@pytest.fixture
def local():
    """The address of a server."""
    with scripted(plain(b"ok", b"x-token: abc")) as url:
        yield url


@pytest.fixture
def opened(tmp_path):
    """Open the cassette `x` there, with our engine and vcrpy's settings."""

    def use(name="x.yaml", *, rewrites=False, recorder=None, **settings):
        settings = {"record_mode": "new_episodes", **settings}
        recorder = recorder or vcr.VCR()
        path = str(tmp_path / name)
        return use_cassette(recorder, path, rewrites=rewrites, passed=lambda: True, **settings)

    return use


def test_what_does_not_change_keeps_its_text(vcr_project):
    """Comments, quotes and all; what is new is spelled by vcrpy."""

    cassette = vcr_project.root / CASSETTE
    text = cassette.read_text().replace("method: GET", 'method: "GET"  # by hand')
    cassette.write_text(text)
    vcr_project.edit("test_it.py", "    assert vcr", '    httpx.get(BASE + "/1039")\n    vcr')
    done = vcr_project.pytest("-q", "--record-mode=new_episodes")
    assert done.returncode == 0, done.stdout
    now = cassette.read_text()

    assert now.startswith(text.removesuffix("version: 1\n"))
    assert (now.count("/1039"), now.endswith("version: 1\n"), "replay:" in now) == (1, True, False)


def test_a_session_that_recorded_nothing_writes_nothing(tmp_path, local, opened):
    """Not even the same bytes: the file stays the file it is."""

    with opened():
        httpx.get(f"{local}/1")
    before = (tmp_path / "x.yaml").stat()
    with opened():
        httpx.get(f"{local}/1")
    after = (tmp_path / "x.yaml").stat()

    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(("name", "settings"), [("x.yaml", {}), ("x.json", {"serializer": "json"})])
def test_two_recorders_of_one_cassette_lose_nothing(tmp_path, local, opened, name, settings):
    """Who saves later adds to what is there by then; what stock vcrpy reads is whole."""

    with opened(name, **settings):
        httpx.get(f"{local}/1")
    with opened(name, **settings):
        httpx.get(f"{local}/2")
        with opened(name, **settings):
            httpx.get(f"{local}/3")
    with vcr.use_cassette(str(tmp_path / name), record_mode="none", **settings) as whole:
        asked = [request.uri[-1] for request in whole.requests]

    assert asked == ["1", "3", "2"]


def test_a_filter_that_came_later_reaches_what_is_there(tmp_path, local, opened):
    """As in vcrpy: text is kept only of what it leaves as it is."""

    with opened():
        httpx.get(f"{local}/1", headers={"authorization": "Bearer abc"})
        httpx.get(f"{local}/2")
    with opened(filter_headers=["authorization"]):
        httpx.get(f"{local}/3")
    text = (tmp_path / "x.yaml").read_text()

    assert ("Bearer" in text, [text.count(f"{local}/{n}") for n in (1, 2, 3)]) == (False, [1, 1, 1])


def test_what_is_recorded_anew_replaces_what_others_wrote(tmp_path, local, opened):
    """With a rewrite only its own requests stand there."""

    with opened():
        httpx.get(f"{local}/1")
    with opened(rewrites=True), opened():
        httpx.get(f"{local}/2")
    with opened(rewrites=True):
        httpx.get(f"{local}/3")
    text = (tmp_path / "x.yaml").read_text()

    assert [text.count(f"{local}/{n}") for n in (1, 2, 3)] == [0, 0, 1]


def test_unused_interactions_are_dropped(tmp_path, local, opened):
    """With vcrpy's setting for it; that nobody wants them does not make them another's."""

    with opened():
        httpx.get(f"{local}/1")
        httpx.get(f"{local}/2")
    with opened(drop_unused_requests=True):
        httpx.get(f"{local}/2")
    text = (tmp_path / "x.yaml").read_text()

    assert [text.count(f"{local}/{n}") for n in (1, 2)] == [0, 1]


def test_a_persister_of_the_project_stays_in_charge(tmp_path, local, opened):
    """Ours is for files; where the project keeps cassettes is its own affair."""

    kept = {}

    class Elsewhere(FilesystemPersister):
        @staticmethod
        def save_cassette(path, content, **_):
            kept[path] = len(content["requests"])

    recorder = vcr.VCR()
    recorder.register_persister(Elsewhere)
    with opened(recorder=recorder):
        httpx.get(f"{local}/1")

    assert (list(kept.values()), (tmp_path / "x.yaml").exists()) == ([1], False)


def test_a_serializer_of_the_project_writes_its_form(tmp_path, local, opened):
    """It is compared by what it says, and written whole."""

    class Lines:
        def serialize(self, value):
            return "\n".join(map(json.dumps, value["interactions"]))

        def deserialize(self, text):
            return {"interactions": [json.loads(line) for line in text.split("\n")]}

    recorder = vcr.VCR()
    recorder.register_serializer("lines", Lines())
    for number in (1, 2):
        with opened("x.txt", recorder=recorder, serializer="lines"):
            httpx.get(f"{local}/{number}")

    assert (tmp_path / "x.txt").read_text().count("\n") == 1
