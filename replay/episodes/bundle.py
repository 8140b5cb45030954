"""
Bundles: an episode as text, one JSON value a line, made to be reviewed in a pull request.

A bundle is read from top to bottom:

    {"bundle": 1, "id": …, "entrypoint": …, "inputs": …}     the episode; tags and tenant, if any
    {"recording": "b2:…"}                                    begins a recording; its content hash
    {"manifest": {"python": …}}                              one entry a line
    {"call": 1, "method": …, "url": …, …}                    begins an interaction
    {"sent": …}                                              a piece of the request body
    {"received": …, "at": 0.05}                              a piece of the response body
    {"ended": {"output": …, "elapsed": …}}                   ends the recording
    {"end": 57, "digest": "b2:…"}                            lines above this one, and their hash

A piece is a string of text, `{"base64": …}`, or, where a body is JSON in one of the usual
spellings, one member of it a line (`{"sent": {"model": …}}`), a list of objects one object a line;
putting the pieces together gives the body back byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from replay.canonical import DEPTH, bytes_hash, content_hash, json_body, members, parsed_json
from replay.cassettes.coding import pieces
from replay.episodes.checked import BROKEN, checked
from replay.errors import Damaged
from replay.instants import instant
from replay.model import (
    Chunk,
    Episode,
    Failure,
    Headers,
    Interaction,
    Json,
    Manifest,
    Recording,
    Request,
    Response,
)
from replay.spelling import SPELLINGS, bytes_as_json, json_as_bytes, respelled, spelling_of

VERSION = 1

_CONFLICT = ("<<<<<<< ", "=======", ">>>>>>> ")

DEEPEST = DEPTH + 2
"""How deep a line may be: a value, and what stands around it."""

Line = dict[str, Any]


def dump(episode: Episode) -> str:
    """Write *episode* with all its recordings."""
    lines = [_spelled(line) for line in _episode_lines(episode)]
    end = {"end": len(lines), "digest": _digest(lines)}
    return "\n".join([*lines, _spelled(end)]) + "\n"


def load(text: str, path: str | Path = "the bundle") -> Episode:
    """
    Read what `dump` wrote.

    Raises:
        Damaged: a line is missing, cut off or changed; names the line where that can be told.

    """
    lines = text.replace("\r\n", "\n").split("\n")  # git may have checked it out so
    if lines[-1] == "":
        lines.pop()
    _refuse_conflicts(lines, path)
    parsed = [_parsed(line, number, path) for number, line in enumerate(lines, 1)]
    _check_end(lines, parsed, path)
    head = parsed[0]
    if head.get("bundle") != VERSION:
        what = f"its format is {head.get('bundle')!r}, this version reads {VERSION}"
        raise Damaged(path, what, 1, "Upgrade: pip install -U golden-replay")
    try:
        recordings = tuple(_recordings(parsed[1:-1], path))
        tags, tenant = tuple(head.get("tags", ())), head.get("tenant", "")
        return checked(
            Episode(head["id"], head["entrypoint"], head["inputs"], recordings, tags, tenant)
        )
    except BROKEN as error:
        raise Damaged(path, f"not a bundle: {type(error).__name__}: {error}") from error


def recording_id(recording: Recording) -> str:
    """Name a recording by its content."""
    return content_hash(recording)


def interaction_lines(step: int, interaction: Interaction) -> list[Line]:
    """Write one interaction; a recording in progress is journaled in these lines too."""
    request, response = interaction.request, interaction.response
    sent, sent_as = _exploded(request.body)
    head: Line = {
        "call": step,
        "method": request.method,
        "url": request.url,
        "headers": request.headers,
        "body": sent_as,
        "started": interaction.started,
        "elapsed": interaction.elapsed,
    }
    received: list[Line] = []
    if response:
        answered, received_as = _received(response)
        head |= {"status": response.status, "reason": response.reason, "answer": received_as}
        head["answer_headers"] = response.headers
        received = [{"received": piece} | at for piece, at in answered]
    if interaction.failure:
        head["failure"] = asdict(interaction.failure)
    return [head, *({"sent": piece} for piece in sent), *received]


def interactions(lines: Iterable[Line]) -> Iterator[Interaction]:
    """Read what `interaction_lines` wrote."""
    group: list[Line] = []
    for line in lines:
        if "call" in line and group:
            yield _interaction(group)
            group = []
        group.append(line)
    if group:
        yield _interaction(group)


def _episode_lines(episode: Episode) -> Iterator[Line]:
    head: Line = {"bundle": VERSION, "id": episode.id}
    head |= {"tenant": episode.tenant} if episode.tenant else {}
    head |= {"entrypoint": episode.entrypoint, "inputs": episode.inputs}
    yield head | ({"tags": episode.tags} if episode.tags else {})
    for recording in episode.recordings:
        yield from _recording_lines(recording)


def _recording_lines(recording: Recording) -> Iterator[Line]:
    yield {"recording": recording_id(recording)}
    for name, value in members(recording.manifest).items():
        yield {"manifest": {name: value}}
    for step, interaction in enumerate(recording.interactions, 1):
        yield from interaction_lines(step, interaction)
    ended: Line = {"output": recording.output, "elapsed": recording.elapsed}
    if recording.failure:
        ended["failure"] = asdict(recording.failure)
    yield {"ended": ended}


def _recordings(lines: list[Line], path: str | Path) -> Iterator[Recording]:
    name, manifest, calls = "", dict[str, Any](), list[Line]()
    for line in lines:
        if "recording" in line:
            name, manifest, calls = line["recording"], {}, []
        elif "manifest" in line:
            manifest |= line["manifest"]
        elif "ended" in line:
            yield _recording(name, manifest, calls, line["ended"], path)
        else:
            calls.append(line)


def _recording(
    name: str, manifest: Line, calls: list[Line], ended: Line, path: str | Path
) -> Recording:
    recording = Recording(
        manifest=manifest_from(manifest),
        interactions=tuple(interactions(calls)),
        output=ended["output"],
        failure=Failure(**ended["failure"]) if "failure" in ended else None,
        elapsed=ended["elapsed"],
    )
    if recording_id(recording) != name:
        raise Damaged(path, f"recording {name} does not have the content of that name")
    return recording


def manifest_from(entries: dict[str, Any]) -> Manifest:
    """Build a manifest from its JSON form; raise ValueError and its like where it is none."""
    lists = {"models_requested", "models_answered"}
    values: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in entries.items()}
    instant(values["clock"])
    return Manifest(**values)


def headers_from(pairs: list[list[str]]) -> Headers:
    """Build headers from their JSON form."""
    return tuple((name, value) for name, value in pairs)


def _interaction(lines: list[Line]) -> Interaction:
    head = lines[0]
    sent = [line["sent"] for line in lines if "sent" in line]
    received = [line for line in lines if "received" in line]
    request = Request(
        head["method"], head["url"], headers_from(head["headers"]), _joined(sent, head["body"])
    )
    return Interaction(
        request=request,
        response=_response(head, received) if "status" in head else None,
        failure=Failure(**head["failure"]) if "failure" in head else None,
        started=head["started"],
        elapsed=head["elapsed"],
    )


def _response(head: Line, received: list[Line]) -> Response:
    body = _joined([line["received"] for line in received], head["answer"])
    response = Response(head["status"], head["reason"], headers_from(head["answer_headers"]), body)
    if head["answer"] != "chunks":
        at = [line["at"] for line in received if "at" in line]
        return replace(response, chunks=(Chunk(len(body), at[0]),)) if at else response
    chunks = [Chunk(len(json_as_bytes(line["received"])), line["at"]) for line in received]
    return replace(response, chunks=tuple(chunks))


def _received(response: Response) -> tuple[list[tuple[Json, Line]], str]:
    """Cut a response body: by its chunks where there are several, else as any body."""
    whole = sum(chunk.size for chunk in response.chunks) == len(response.body)
    if whole and (len(response.chunks) > 1 or (response.chunks and not response.body)):
        cut = pieces(response.body, response.chunks)
        return [(bytes_as_json(piece), {"at": chunk.at}) for chunk, piece in cut], "chunks"
    exploded, spelling = _exploded(response.body)
    last = {"at": response.chunks[-1].at} if response.chunks and whole else {}
    marked = [(piece, Line()) for piece in exploded]
    if marked and last:
        marked[-1] = (marked[-1][0], last)
    return marked, spelling


def _exploded(body: bytes) -> tuple[list[Json], str]:
    """Cut *body* into the members of a JSON object, if that can be undone exactly."""
    value = _object(body)
    if value and (spelling := spelling_of(body, value)):
        return [p for name in value for p in _members(name, value[name])], spelling
    return ([bytes_as_json(body)] if body else []), "text"


def _members(name: str, value: Json) -> list[Json]:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [{name: [item]} for item in value]
    return [{name: value}]


def _joined(pieces: list[Json], spelling: str) -> bytes:
    if spelling not in SPELLINGS:
        return b"".join(map(json_as_bytes, pieces))
    value: dict[str, Json] = {}
    for piece in pieces:
        for name, item in piece.items():
            value[name] = [*value[name], *item] if name in value else item
    return respelled(value, spelling)


def _object(body: bytes) -> dict[str, Json] | None:
    value = json_body(body) if body.startswith(b"{") else None
    return value if isinstance(value, dict) else None


def _spelled(line: Line) -> str:
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _refuse_conflicts(lines: list[str], path: str | Path) -> None:
    for number, line in enumerate(lines, 1):
        if line.startswith(_CONFLICT):
            what = "it holds merge-conflict markers of git"
            hint = (
                f"Take one side: git checkout --ours {path} (or --theirs). Then add what the other "
                f"has: git show MERGE_HEAD:{path} > other.jsonl; replay import {path} other.jsonl; "
                "replay export EPISODE"
            )
            raise Damaged(path, what, number, hint)


def _parsed(line: str, number: int, path: str | Path) -> Line:
    try:
        value = parsed_json(line, DEEPEST)
    except ValueError as error:
        raise Damaged(path, f"not JSON: {error}", number) from error
    if not isinstance(value, dict):
        raise Damaged(path, "not a JSON object", number)
    return value


def _check_end(lines: list[str], parsed: list[Line], path: str | Path) -> None:
    if not parsed:
        raise Damaged(path, "the file is empty")
    end = parsed[-1]
    if "end" not in end:
        raise Damaged(path, "it is cut off: the last line is not its end", len(lines))
    if end["end"] != len(lines) - 1:
        raise Damaged(path, f"{end['end']} lines were written, {len(lines) - 1} are here")
    if end.get("digest") != _digest(lines[:-1]):
        raise Damaged(path, "a line was changed after it was written: the digest does not fit")


def _digest(lines: list[str]) -> str:
    return bytes_hash("\n".join(lines).encode())
