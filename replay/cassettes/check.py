"""Play every interaction of a cassette back through a real HTTP client, and say what happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from replay.cassettes.files import read_cassette
from replay.cassettes.guard import guarded
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape
from replay.errors import CassetteMiss, Damaged, Unhermetic
from replay.model import Interaction

SUFFIXES = (".yaml", ".yml", ".json", ".yaml.gz")
"""How the names of cassettes end."""

_SET_BY_CLIENT = frozenset({"content-length", "host", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class FileCheck:
    """
    How one file played: numbers of interactions, and a sentence for each that did not.

    *unread* says why the file could not be read at all, *healed* what was put right on reading,
    without which it might not have played.
    """

    path: str
    form: str = ""
    played: int = 0
    missed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    healed: tuple[str, ...] = ()
    unread: str = ""

    @property
    def exit_code(self) -> int:
        """0 everything in it played, 1 something did not, 2 it could not be read."""
        return 2 if self.unread else int(bool(self.missed or self.refused))


def cassette_paths(paths: list[Path]) -> Iterator[Path]:
    """List the cassettes in *paths*: files as they are, folders searched."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(p for p in path.rglob("*") if p.is_file() and p.name.endswith(SUFFIXES))
        if not found:
            raise Damaged(path, "there is no cassette in this folder")
        yield from found


def check(path: Path) -> FileCheck:
    """Play the file at *path*."""
    try:
        cassette = read_cassette(path)
    except Damaged as error:
        line = f", in line {error.line}" if error.line else ""
        return FileCheck(str(path), unread=f"{error.what}{line}")
    missed, refused, played = [], [], 0
    tape = Tape(cassette.interactions, source=str(path), ignore_hosts=())
    with guarded(), using(tape), httpx.Client() as client:
        for step, interaction in enumerate(cassette.interactions, 1):
            try:
                wrong = _played_wrong(client, interaction)
            except (CassetteMiss, Unhermetic) as error:
                missed.append(f"#{step}: {str(error).splitlines()[0]}")
            except Exception as error:  # noqa: BLE001 - whatever a client refuses is the finding
                refused.append(f"#{step}: {type(error).__name__}: {error}")
            else:
                played += not wrong
                missed += [f"#{step}: {wrong}"] if wrong else []
    told = tuple(missed), tuple(refused), cassette.healed
    return FileCheck(str(path), cassette.form, played, *told)


def _played_wrong(client: httpx.Client, interaction: Interaction) -> str:
    """Send the recorded request; say what came back other than recorded, or nothing."""
    request, recorded = interaction.request, interaction.response
    headers = [(k, v) for k, v in request.headers if k.lower() not in _SET_BY_CLIENT]
    try:
        answer = client.request(request.method, request.url, headers=headers, content=request.body)
    except httpx.HTTPError:
        if interaction.failure:
            return ""
        raise
    if recorded is None:
        return "the recorded failure was not raised"
    if answer.status_code != recorded.status:
        return f"status {answer.status_code} instead of {recorded.status}"
    if answer.content != recorded.body:
        return f"{len(answer.content)} bytes other than the {len(recorded.body)} recorded"
    return ""
