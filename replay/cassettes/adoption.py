"""Adoption: a request that changed on purpose is taken over, the answer it got is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from replay.atomic import drop_proposal, proposal
from replay.canonical import differences, fields
from replay.cassettes.files import read_cassette, write_cassette
from replay.errors import NothingProposed
from replay.model import Difference


@dataclass(frozen=True, slots=True)
class Adopted:
    """One request that was taken over; *step* counts from 1."""

    step: int
    differences: tuple[Difference, ...]


def adopt(path: Path) -> tuple[Adopted, ...]:
    """
    Take the requests of the proposal beside *path* over into the cassette.

    Raises:
        NothingProposed: there is no proposal, or it changes more than requests.
        Damaged: either file is.

    """
    beside = proposal(path)
    if not beside.is_file():
        raise NothingProposed(str(path), "no proposal lies beside it")
    old, new = read_cassette(path), read_cassette(beside)
    if [i.response for i in old.interactions] != [i.response for i in new.interactions]:
        raise NothingProposed(str(path), "what lies beside it is a new recording, with new answers")
    pairs = enumerate(zip(old.interactions, new.interactions, strict=True), 1)
    adopted = [
        Adopted(step, differences(fields(was.request), fields(now.request)))
        for step, (was, now) in pairs
    ]
    write_cassette(path, new.interactions, new.began or datetime.now(UTC))
    drop_proposal(path)
    return tuple(item for item in adopted if item.differences)
