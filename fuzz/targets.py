"""
What holds for any input, a function a reader: it returns, or an assertion or an error escapes.

The fuzzer calls these with what it makes up; the tests call them with what it once found.
"""

from __future__ import annotations

import binascii
import json
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from sqlite3 import IntegrityError
from tempfile import TemporaryDirectory
from unittest.mock import patch
from urllib.parse import quote

from fuzz.edits import ODD, edited
from fuzz.examples import ANY, COLUMNS, EXAMPLE, example_bundle, example_files
from replay.canonical import (
    bytes_hash,
    canonical_json,
    content_hash,
    fields,
    json_body,
    request_key,
)
from replay.cassettes.compiled import Compiled
from replay.cassettes.eventstream import MEDIA, framed, messages
from replay.cassettes.formats.vcrpy import vcrpy_1
from replay.cassettes.healing import built, parts
from replay.cassettes.limits import Allowance
from replay.cassettes.matching import Matcher
from replay.cassettes.reading import CassetteFile, read_source
from replay.cassettes.redaction import Redactor
from replay.cassettes.rewriting import New
from replay.cassettes.rewriting import rewritten as written
from replay.cassettes.scanner import Scanner
from replay.cassettes.yaml_quick import FRAMES, read_quick
from replay.cassettes.yaml_values import NotYaml, parse_yaml
from replay.config import Matching, Redaction
from replay.drift.report import Pair, report
from replay.episodes import bundle
from replay.episodes.imports import read_recorded
from replay.episodes.imports.har import har_text
from replay.episodes.store import Store
from replay.episodes.upkeep import verify
from replay.errors import BadName, Damaged, ReplayError
from replay.golden.changes import golden_change
from replay.golden.extension import GoldenExtension
from replay.golden.shapes import shape_differences
from replay.instants import MOST
from replay.llm.calls import read_call
from replay.llm.exchange import exchange, sse_data
from replay.llm.rewriting import rewritten
from replay.llm.transcript import transcript
from replay.model import (
    Chunk,
    Episode,
    Failure,
    Interaction,
    Recording,
    Request,
    Response,
)

SECRET = "Zk3vQ9xLw7TfR2mYb8Nc5HdJ6sPgA4eU1iKoVqXt"
"""What nobody can guess of the key that is planted."""

_KEY = f"sk-proj-{SECRET}".encode()
_PATH = Path("fuzzed.yaml")
_URLS = (
    "https://api.openai.com/v1/chat/completions",
    "https://api.openai.com/v1/responses",
    "https://api.anthropic.com/v1/messages",
    "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.0-flash:generateContent",
    "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude/converse-stream",
    "https://api.cohere.com/v2/chat",
    "http://localhost:11434/api/chat",
)
_MEDIA = (
    "application/json",
    "text/event-stream",
    f"application/{MEDIA}",
    "application/x-www-form-urlencoded",
    'multipart/form-data; boundary="b"',
    "text/plain",
)


_CALL = Interaction(
    Request("POST", _URLS[0], (("content-type", "application/json"),), b'{"model": "gpt-4o"}'),
    Response(200, "OK", (), b"[1, 2]", (Chunk(3, 0.1), Chunk(3, 0.2))),
)


def cassette(data: bytes) -> None:
    """A cassette is read or refused; what is read can be written, and is read again as it was."""
    try:
        source = read_source(_PATH, data)
    except Damaged:
        return
    for interaction in source.interactions:
        request_key(interaction.request)
        fields(interaction.request)
        exchange(interaction)
    text = written(None, [New(interaction) for interaction in source.interactions])
    assert read_source(_PATH, text.encode()).interactions == source.interactions


def quick(data: bytes) -> None:
    """Whatever the fast reader reads, a YAML parser reads the same."""
    for head, tail in FRAMES:
        text = f"{head}{data.decode('utf-8', 'replace')}{tail}"
        fast = read_quick(text)
        if fast is None:
            continue
        raw = vcrpy_1(parse_yaml(text).value)
        assert raw is not None
        slow = [parts(item, print) for item in raw]
        assert [_restored(item) for item in fast] == [_restored(item) for item in slow]


def _restored(found: object) -> object:
    try:
        return built(found, Allowance(), lambda _: None)  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        return type(error)


def yaml(data: bytes) -> None:
    """YAML is read or refused."""
    try:
        parse_yaml(data.decode("utf-8", "replace"))
    except NotYaml:
        return


def compiled(data: bytes) -> None:
    """A compiled form that lies is not believed, whatever its checksum."""
    kept = CassetteFile("vcrpy v1", (_CALL, replace(_CALL, failure=Failure("builtins.OSError"))))
    with TemporaryDirectory() as folder:
        cache = Compiled(Path(folder))
        cache.keep(b"", kept)
        (path,) = Path(folder).glob("*.v*")
        head, rest = path.read_bytes().split(b"\n", 1)
        made = bytearray(rest[4:])
        at = int.from_bytes(data[:2], "big") % len(made)
        made[at : at + len(data[3:]) - 1 + data[2:3].count(b"+")] = data[3:]
        path.write_bytes(head + b"\n" + struct.pack(">I", zlib.crc32(made)) + made)
        found = cache.load(b"")
    assert found is None or isinstance(found, CassetteFile)


def stream(data: bytes) -> None:
    """Events are cut out of any body; what is no JSON object is left out."""
    for said in sse_data(data):
        assert isinstance(said, str)
    found = exchange(Interaction(Request("POST", _URLS[0]), Response(200, body=data)))
    assert found
    assert all(isinstance(event, dict) for event in found.events)


def amazon(data: bytes) -> None:
    """The messages of a body lie one behind the other, and each can be framed again."""
    data = _checksummed(data)
    found, end = messages(data), 0
    for message in found:
        assert message.span[0] == end < message.span[1]
        end = message.span[1]
        again = messages(framed(message, message.says) if message.headers is not None else b"")
        assert [other.says for other in again] == [message.says] or message.headers is None
    assert end in (0, len(data))


def _checksummed(data: bytes) -> bytes:
    """Let the checksums of the preludes be right, which no fuzzer guesses."""
    made, at = bytearray(data), 0
    while at + 12 <= len(made):
        size = struct.unpack_from(">I", made, at)[0] % 64
        struct.pack_into(">I", made, at, size)
        struct.pack_into(">I", made, at + 8, binascii.crc32(made[at : at + 8]))
        at += max(size, 12)
    return bytes(made)


def call(data: bytes) -> None:
    """Any exchange with a model can be told, and asked of another model."""
    url = _URLS[data[0] % len(_URLS)] if data else _URLS[0]
    sent, _, received = data[1:].partition(b"\0\0")
    interaction = Interaction(Request("POST", url, (), sent), Response(200, "", (), received))
    read_call(interaction)
    "".join(transcript([interaction]))
    rewritten(interaction.request, model="other")


def episode(data: bytes) -> None:
    """A bundle is read or refused; what is read is written as it was."""
    lines = data.decode("utf-8", "replace").split("\n")
    digest = bytes_hash("\n".join(lines).encode())
    text = "\n".join([*lines, json.dumps({"end": len(lines), "digest": digest})]) + "\n"
    try:
        found = bundle.load(text)
    except Damaged:
        return
    assert bundle.load(bundle.dump(found)) == found


def forged(data: bytes) -> None:
    """A bundle whose names and digests fit, and whose values do not, is refused or as good."""
    lines = [json.dumps(line) for line in edited(example_bundle(), data)]
    digest = bytes_hash("\n".join(lines).encode())
    text = "\n".join([*lines, json.dumps({"end": len(lines), "digest": digest})]) + "\n"
    with patch.object(bundle, "recording_id", _any_name):
        try:
            found = bundle.load(text)
        except Damaged:
            return
        assert bundle.load(bundle.dump(found)) == found
    _used(found)


def _any_name(recording: Recording) -> str:
    return content_hash(recording) and ANY


def recorded(data: bytes) -> None:
    """A file of another tool is imported or refused; what is imported is as good as recorded."""
    forms = example_files()
    values = edited(forms[data[0] % len(forms)] if data else forms[0], data[1:])
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.json")
        path.write_text("\n".join(json.dumps(value) for value in values))
        try:
            found = read_recorded(path, Redaction()).episode
        except Damaged:
            return
    assert bundle.load(bundle.dump(found)) == found
    _used(found)


def _used(episode: Episode) -> None:
    """Do with *episode* what the verbs do."""
    with Store(":memory:", tenant=episode.tenant) as store:
        try:
            store.add(episode)
        except BadName:
            return
        assert store.get(episode.id) == episode
        store.summaries()
    for recording in episode.recordings:
        har_text(recording)
        shape_differences(recording.interactions, recording.interactions)
        "".join(transcript(recording.interactions))
        report("a", "b", [Pair("a", (recording,), (recording,))])
        for interaction in recording.interactions:
            request_key(interaction.request)
            fields(interaction.request)
            _REDACTOR.interaction(interaction)


def stored(data: bytes) -> None:
    """A store in which anything may stand anywhere says so, or only what was written."""
    with Store(":memory:") as store:
        written = bundle.load(EXAMPLE.read_text())
        store.add(written, read=len(data) % 2 == 0)  # the last byte of an odd number is no other's
        store.note(store.begin("other", "2026-01-01", 2**22 + 1), 1, _CALL)
        db = store.file.db.conn
        db.execute("PRAGMA foreign_keys = OFF")
        for at in range(0, len(data) - 1, 2):
            table, column = COLUMNS[data[at] % len(COLUMNS)]
            odd = ODD[data[at + 1] % len(ODD)]
            value = odd if isinstance(odd, int | float) and abs(odd) < MOST else json.dumps(odd)
            if data[at] > 127 and isinstance(odd, str):
                value = odd.encode("utf-8", "surrogatepass")
            with suppress(IntegrityError):
                db.execute(f"UPDATE {table} SET {column} = ?", [value])
        catch_up = partial(list, store.catch_up())
        for read in (catch_up, store.summaries, store.incomplete, lambda: store.search("order")):
            with suppress(Damaged):
                read()
        list(verify(store))
        with suppress(ReplayError):
            assert all(found in written.recordings for found in store.get(written.id).recordings)


def golden(data: bytes) -> None:
    """A golden that somebody has edited can be shown, and compared with what there is."""
    text = data.decode("utf-8", "replace")
    golden_change(Path("x.json"), data, b'{"a": ["b"]}')
    golden_change(Path("x.json"), json.dumps(edited(_GOLDEN, data)).encode(), data)
    GoldenExtension().matches(serialized_data="{}", snapshot_data=text)


_GOLDEN = {"a": {"<lines>": ["b", "c"]}, "d": [{"e": 1}]}
_REDACTOR, _SCANNER = Redactor(), Scanner()


def redaction(data: bytes) -> None:
    """A key is found between any bytes, redacting again changes nothing, and nothing raises."""
    media = _MEDIA[data[0] % len(_MEDIA)] if data else _MEDIA[-1]
    before, _, after = data[1:].partition(b"\0")
    headers = (("content-type", media), ("x-any", before.decode("latin-1")))
    url = f"https://api.example.com/?q={quote(after)}&key={SECRET}"
    body = before + b" " + _KEY + b" " + after
    once = _REDACTOR.interaction(
        Interaction(Request("POST", url, headers, body), Response(200, "", headers, body))
    )
    assert _REDACTOR.interaction(once) == once
    assert not list(_SCANNER.findings([once]))
    assert SECRET not in once.request.url
    assert once.response
    for half in (once.request, once.response):
        assert SECRET.encode() not in half.body


def hidden(data: bytes) -> None:
    """Any interaction is redacted without an error, compressed or not."""
    headers = (("content-encoding", ("gzip", "br", "zstd", "deflate")[len(data) % 4]),)
    for own in ((), headers):
        once = _REDACTOR.interaction(
            Interaction(Request("POST", _URLS[0], own, data), Response(200, "", own, data))
        )
        assert _REDACTOR.interaction(once) == once


_RULES = Matcher(Matching(("a", "$..id", "b[*]"), ("nonce",), {"run": r"run_\w+"}))


def matching(data: bytes) -> None:
    """Every request has one key: however its JSON is spelled, whatever its boundary is called."""
    for media in _MEDIA:
        request = Request("POST", _URLS[0], (("content-type", media),), data)
        assert _RULES.key(request) == _RULES.key(replace(request))
        _RULES.fields(request)
        _RULES.tokens(request)
    parts = data.replace(b"--", b"")
    assert len({_RULES.key(_form(name, parts)) for name in (b"one", b"Other", b"a.b(c")}) == 1
    request = Request(data[:40].decode("latin-1"), data.decode("latin-1"), (), data)
    _RULES.key(request)
    if (value := json_body(data)) is not None:
        spelled = replace(request, body=canonical_json(value).encode("utf-8", "surrogatepass"))
        assert request_key(request) == request_key(spelled)


def _form(boundary: bytes, part: bytes) -> Request:
    media = f'multipart/form-data; Boundary="{boundary.decode()}"'
    start, end = b"--" + boundary + b"\r\n\r\n", b"\r\n--" + boundary + b"--\r\n"
    return Request("POST", _URLS[0], (("content-type", media),), start + part + end)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        *(cassette, quick, yaml, compiled, stream, amazon),
        *(call, episode, redaction, hidden, matching, forged, recorded, stored, golden),
    )
}
