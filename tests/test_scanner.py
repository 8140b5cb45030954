"""The scanner: it says where a secret stands, lets none be written, and cleans old cassettes."""

import gzip
import json
import pickle
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from replay.cassettes import files
from replay.cassettes.check import cassette_paths
from replay.cassettes.cleaning import scan
from replay.cassettes.files import read_cassette, write_cassette
from replay.cassettes.redaction import Redactor
from replay.cassettes.scanner import Finding, Scanner, guard
from replay.cli import main
from replay.config import Redaction
from replay.episodes.folder import export_bundle, read_bundle
from replay.episodes.store import Store
from replay.errors import SecretFound
from replay.model import (
    Chunk,
    Episode,
    Failure,
    Interaction,
    Manifest,
    Recording,
    Request,
    Response,
)
from tests.planting import deltas, message, planted

ROOT = Path(__file__).parent.parent
BEGAN = datetime(2026, 11, 21, 8, tzinfo=UTC)
KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
COOKIE = "rQ7vWmJdK2x.9fA0-1747148049"

OLD = f"""\
# Recorded before anybody thought of it
version: 1
interactions:
- request:
    body: '{{"model": "gpt-4o", "input": "I am in /Users/ann/work"}}'
    headers:
      Authorization: [Bearer {KEY}]
      content-length: ['999']
      x-trace:   "{KEY}"   # odd spacing
    method: post
    uri: https://api.example.com/v1?key={KEY}&q=1
  response:
    body: {{string: "caf\\xE9 {KEY}"}}
    headers:
      Set-Cookie:
      - __cf_bm={COOKIE}; path=/;
        HttpOnly
    status: {{code: 200, message: OK}}
- request:
    body: null
    headers: {{}}
    method: GET
    uri: https://api.example.com/clean
  response:
    body:
      string: |
        data: nothing

        data: at all
    headers: {{}}
    status: {{code: 200, message: OK}}
"""
"""As vcrpy writes, and a person edits."""

CLEAN = OLD[: OLD.index("- request")] + OLD[OLD.index("- request:\n    body: null") :]


def command(*arguments):
    """Run `replay cassettes scan`."""
    return CliRunner().invoke(main, ["cassettes", "scan", *map(str, arguments)])


def answer(body, media="application/json", headers=()):
    """A response with that body."""
    return Response(200, "OK", (("content-type", media), *headers), body)


def said(interaction):
    """What the scanner says of an interaction."""
    return [str(finding) for finding in Scanner().findings([interaction])]


ASKED = Request("GET", "https://api.example.com/v1")


# Where


def test_findings_name_the_place():
    """Headers, parameters, paths in JSON, events of streams, bytes of other bodies, failures."""

    events = deltas("chat", ["It is ", KEY[:20], KEY[20:]])
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    body = json.dumps({"a": [{"b": f"see {KEY}"}], "login": json.dumps({"password": "x1"})})
    asked = Request(
        "POST",
        f"https://ann:pw@x.example.com/{KEY}?token=abc",
        (("X-Api-Key", "abc"), ("X-Trace", KEY)),
        body.encode(),
    )
    found = said(Interaction(asked, answer(stream, "text/event-stream"), Failure("E", f"no {KEY}")))

    assert found == [
        "#1 request, URL: url-credentials",
        "#1 request, URL: openai-key",
        "#1 request, URL parameter token: token",
        "#1 request, header x-api-key: x-api-key",
        "#1 request, header x-trace: openai-key",
        "#1 request, body, a[0].b: openai-key",
        "#1 request, body, login: password",
        "#1 response, body, event 2, choices[0].delta.content: openai-key",
        "#1 failure, message: openai-key",
    ]


@pytest.mark.parametrize(
    ("body", "media", "place"),
    [
        (f"é {KEY}".encode(), "text/plain", "body, byte 3"),
        (f'{{"{KEY}": 1}}'.encode(), "application/json", "body, byte 2"),
        (f'{{"a": {{"{KEY}": "AKIAABCDEFGHIJKLMNOP"}}}}'.encode(), "", "body, byte 8"),
        (gzip.compress(f'{{"a": "{KEY}"}}'.encode(), mtime=0), "application/json", "body, a"),
        (f'{{"a":1}}\n{{"b":"{KEY}"}}'.encode(), "application/x-ndjson", "body, event 2, b"),
        (message(json.dumps({"a": KEY}).encode()), "application/vnd.amazon.eventstream", "body, a"),
    ],
)
def test_places_of_bodies(body, media, place):
    """However it is packed; a name that is a secret itself is not shown as one."""

    found = list(Scanner().findings([Interaction(ASKED, answer(body, media))]))

    assert found[0] == Finding(1, "response", place, "openai-key")
    assert KEY not in repr(found)


def test_no_value_is_ever_shown():
    """Of hundreds of planted secrets, none is in a finding or in the error, also pickled."""

    case = planted(random.Random(1))
    with pytest.raises(SecretFound) as error:
        guard("x.yaml", [case.interaction])
    shown = repr(error.value) + str(error.value) + repr(pickle.loads(pickle.dumps(error.value)))

    assert len(error.value.places) > 20
    assert [secret for secret in case.secrets if secret in shown] == []


MASKS = (
    *("REDACTED", "[FILTERED]", "**REDACTED**", "X-API-KEY-XXX", "test_api_key", "dummy", "xxxx"),
    *("sk-...", "<your key>", "${API_KEY}", "your-api-key-here", "", "<secret:x-api-key:1>"),
)


@pytest.mark.parametrize("value", MASKS)
def test_masks_are_no_secrets(value):
    """What another tool or a person has put in place of a secret is left as it is."""

    body = json.dumps({"api_key": value, "password": value})
    asked = Request("POST", "https://x/", (("x-api-key", value),), body.encode())

    assert said(Interaction(asked)) == []


def test_examples_and_homes_of_nobody_are_no_secrets():
    """Keys from manuals, keys that are meant to be public, users that machines have."""

    text = "AKIAIOSFODNN7EXAMPLE, /home/runner/x, /Users/runner, postgres://user:pass@db/x"
    body = json.dumps({"text": text, "api_key": "phc_abcdefghijklmnopqrstuvwxyz"})

    assert said(Interaction(ASKED, answer(body.encode()))) == []


# The guard


def test_the_writer_refuses_a_secret(tmp_path):
    """One that came past redaction stops the write: the file is as it was, and alone."""

    path = tmp_path / "x.yaml"
    write_cassette(path, [Interaction(ASKED, answer(b"old"))], BEGAN)
    before = path.read_bytes()

    with pytest.raises(SecretFound) as error:
        write_cassette(path, [Interaction(ASKED, answer(f'{{"a":"{KEY}"}}'.encode()))], BEGAN)

    assert str(error.value) == (
        f"{path} would hold secrets, and was not written:\n"
        "  #1 response, body, a: openai-key\n"
        "They came past redaction. Those of an older cassette: replay cassettes scan --fix"
    )
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".tmp"] == []


def test_redacted_interactions_pass_the_guard():
    """Of every kind: what the redactor is content with, so is the guard."""

    for seed in range(30):
        guard("x.yaml", [Redactor().interaction(planted(random.Random(seed)).interaction)])


def episode(**changes):
    """An episode with one recording."""
    manifest = Manifest("2026-11-21T08:00:00+00:00", pinned=True, seed=0)
    recording = Recording(manifest, (Interaction(ASKED, answer(b"{}")),), output={"a": 1})
    return Episode("case", "m:f", changes.pop("inputs", {}), (replace(recording, **changes),))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"inputs": {"login": {"password": "hunter2"}}}, "inputs, login.password: password"),
        ({"output": f"it was {KEY}"}, "outputs, [0]: openai-key"),
        ({"failure": Failure("E", KEY)}, "failures, [0].message: openai-key"),
        (
            {"interactions": (Interaction(replace(ASKED, headers=(("x-api-key", "a1"),))),)},
            "#1 request, header x-api-key: x-api-key",
        ),
    ],
)
def test_bundles_are_guarded(tmp_path, changes, place):
    """Of an episode everything is written, also what is not redacted."""

    with Store(tmp_path / "s.db") as store:
        store.add(episode(**changes))
        with pytest.raises(SecretFound) as error:
            export_bundle(store, "case", tmp_path)

    assert error.value.places == (place,)
    assert not list(tmp_path.glob("*.jsonl"))


def test_bundles_may_hold_paths():
    """What a program is given and returns may name files and people; that is its business."""

    guard(
        "x.jsonl", [], {"inputs": {"cwd": "/Users/ann/work"}, "outputs": ["mail ann@example.com"]}
    )


# Old cassettes


def test_scan_reports_and_changes_nothing(tmp_path):
    """Where each secret stands, exit code 1, and what to do."""

    path = tmp_path / "old.yaml"
    path.write_text(OLD)
    done = command(path)

    assert done.output.splitlines() == [
        f"{path}: #1 request, URL parameter key: key",
        f"{path}: #1 request, header authorization: openai-key",
        f"{path}: #1 request, header x-trace: openai-key",
        f"{path}: #1 request, body, input: home",
        f"{path}: #1 response, header set-cookie: cookie",
        f"{path}: #1 response, body, byte 6: openai-key",
        "6 secrets in 1 of 1 file; 0 fixed.",
        "Replace them by placeholders: the same command with --fix",
    ]
    assert done.exit_code == 1
    assert path.read_text() == OLD


def test_fix_changes_the_secrets_and_nothing_else(tmp_path):
    """Comments, order, quotes and folds stay; equal secrets get equal placeholders."""

    path = tmp_path / "old.yaml"
    path.write_text(OLD)
    done = command("--fix", path)
    expected = (
        OLD.replace(f"key={KEY}", "key=<secret:key:1>")
        .replace(KEY, "<secret:openai-key:1>")
        .replace("/Users/ann", "<secret:home:2>")
        .replace(COOKIE, "<secret:cookie:3>")
    )

    assert done.output.splitlines()[-1] == "6 secrets in 1 of 1 file; 1 fixed."
    assert done.exit_code == 0
    assert path.read_text() == expected
    assert command(path).output == "0 secrets in 0 of 1 file; 0 fixed.\n"
    assert command(path).exit_code == 0


def test_fixed_cassettes_still_play(tmp_path):
    """With a secret or with its placeholder, as long as it stands in the same place."""

    path = tmp_path / "old.yaml"
    path.write_text(OLD)
    command("--fix", path)
    done = CliRunner().invoke(main, ["cassettes", "check", str(path)])

    assert done.output.startswith("1 of 1 file whole; interactions: 2 played, 0 missed.\n")


def test_clean_files_are_not_touched(tmp_path):
    """Not even written again."""

    path = tmp_path / "clean.yaml"
    path.write_text(CLEAN)
    before = path.stat()
    done = command("--fix", tmp_path)

    assert done.exit_code == 0
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_numbers_go_on_after_those_in_the_file(tmp_path):
    """A cassette that was redacted in part."""

    path = tmp_path / "part.yaml"
    path.write_text(CLEAN.replace("nothing", "<secret:jwt:7>").replace("at all", KEY))
    scan(path, Redaction(), fix=True)

    assert "data: <secret:openai-key:8>" in path.read_text()


def test_secrets_that_no_edit_reaches_are_written_anew(tmp_path):
    """In a compressed body; the interactions without any keep their text."""

    packed = gzip.compress(f'{{"a": "{KEY}"}}'.encode())
    old = yaml.safe_load(OLD)["interactions"][1]
    old["response"] |= {"headers": {"content-encoding": ["gzip"]}, "body": {"string": packed}}
    path = tmp_path / "packed.yaml"
    path.write_text(CLEAN + yaml.safe_dump([old]))
    found = scan(path, Redaction(), fix=True)
    text = path.read_text()

    assert [str(finding) for finding in found.findings] == ["#2 response, body, a: openai-key"]
    assert text.startswith(CLEAN)
    assert read_cassette(path).interactions[1].response.body == b'{"a": "<secret:openai-key:1>"}'
    assert scan(path, Redaction()).findings == ()


def test_our_own_cassettes_are_fixed_with_their_chunks(tmp_path, monkeypatch):
    """The sizes of chunks stand beside the body, and go along."""

    path = tmp_path / "own.yaml"
    body = f"data: a {KEY}\n\ndata: b\n\n".encode()
    chunks = (Chunk(12, 0.1), Chunk(len(body) - 12, 0.2))
    got = Interaction(ASKED, replace(answer(body, "text/event-stream"), chunks=chunks))
    with monkeypatch.context() as patch:
        patch.setattr(files, "guard", lambda *_: None)
        write_cassette(path, [got], BEGAN)
    scan(path, Redaction(), fix=True)

    assert read_cassette(path).interactions == (Redactor().interaction(got),)


@pytest.mark.parametrize("name", ["x.json", "x.yaml.gz"])
def test_other_forms_are_fixed_as_they_are(tmp_path, name):
    """JSON stays JSON, and what was packed stays packed."""

    path = tmp_path / name
    text = json.dumps(yaml.safe_load(OLD), indent=3) if name == "x.json" else OLD
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    found = scan(path, Redaction(), fix=True)
    data = path.read_bytes()
    now = gzip.decompress(data).decode() if name.endswith("gz") else data.decode()

    assert found.fixed
    assert len(now.splitlines()) == len(text.splitlines())
    assert scan(path, Redaction()).findings == ()


def test_json_that_is_no_cassette_is_scanned_as_text(tmp_path):
    """Of a form that nobody told us of, with the path of what is found; its layout stays."""

    path = tmp_path / "other.json"
    path.write_text(
        f'{{ "cwd" : "/home/ann/x",\n  "messages":[ {{"api_key":"a1b2"}},"{KEY}" ] }}\n'
    )
    shown = command(path).output.splitlines()
    command("--fix", path)

    assert shown[:-2] == [
        f"{path}: text, cwd: home",
        f"{path}: text, messages[0].api_key: api-key",
        f"{path}: text, messages[1]: openai-key",
    ]
    assert path.read_text() == (
        '{ "cwd" : "<secret:home:1>/x",\n  "messages":[ {"api_key":"<secret:api-key:2>"},'
        '"<secret:openai-key:3>" ] }\n'
    )


def test_conversion_redacts_by_the_rules_of_the_project(tmp_path, monkeypatch):
    """What another tool recorded comes over without its secrets; the file it came from stays."""

    (tmp_path / "pyproject.toml").write_text('[tool.replay.redact]\njson = ["model"]\n')
    (tmp_path / "x.json").write_text(json.dumps(yaml.safe_load(OLD)))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["cassettes", "convert", "x.json"])
    asked = json.loads(read_cassette(tmp_path / "x.yaml").interactions[0].request.body)

    assert done.exit_code == 0, done.output
    assert asked == {"model": "<secret:model:2>", "input": "I am in <secret:home:3>/work"}
    assert KEY in (tmp_path / "x.json").read_text()


def test_what_cannot_be_read_is_said(tmp_path):
    """A cassette that is cut off may hold more than is seen; it is left as it is."""

    path = tmp_path / "cut.yaml"
    path.write_text(OLD[: OLD.index("/work")])
    before = path.read_bytes()
    done = command("--fix", path, tmp_path / "missing.yaml")

    assert done.exit_code == 2
    assert f"{path}: text, input: home" in done.output
    assert f"{path}: not all of it: not YAML" in done.output
    assert f"{tmp_path / 'missing.yaml'}: not all of it: it cannot be opened" in done.output
    assert path.read_bytes() == before


def test_findings_for_machines(tmp_path):
    """One JSON object a file."""

    for name, text in (("a.yaml", OLD), ("b.yaml", CLEAN)):
        (tmp_path / name).write_text(text)
    lines = [json.loads(line) for line in command("--json", tmp_path).output.splitlines()]

    assert [(line["path"][-6:], len(line["findings"]), line["fixed"]) for line in lines] == [
        ("a.yaml", 6, False),
        ("b.yaml", 0, False),
    ]
    assert lines[0]["findings"][3] == {
        "interaction": 1,
        "part": "request",
        "place": "body, input",
        "kind": "home",
    }


def test_rules_of_the_project_are_used(tmp_path, monkeypatch):
    """What a project calls a secret is one in its old cassettes, too."""

    (tmp_path / "pyproject.toml").write_text(
        '[tool.replay.redact]\njson = ["model"]\npatterns = {word = "nothing"}\n'
    )
    (tmp_path / "x.yaml").write_text(OLD)
    monkeypatch.chdir(tmp_path)
    output = command("x.yaml").output

    assert "x.yaml: #1 request, body, model: model\n" in output
    assert "x.yaml: #2 response, body, byte 6: word\n" in output


def test_what_is_committed_here_is_clean():
    """Every cassette and bundle of this project holds no secret, and redaction changes none."""

    recorded = [read_cassette(path).interactions for path in cassette_paths([ROOT / "cassettes"])]
    for path in (ROOT / "episodes").glob("*.jsonl"):
        recorded += [recording.interactions for recording in read_bundle(path)[0].recordings]
    interactions = [interaction for some in recorded for interaction in some]

    assert len(interactions) > 10
    assert [str(finding) for finding in Scanner().findings(interactions)] == []
    assert [i for i in interactions if Redactor().interaction(i) != i] == []
