"""Conversion: cassettes of any known form become ones of vcrpy's format v1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from replay.cassettes.check import SUFFIXES
from replay.cassettes.files import read_cassette, write_anew
from replay.cassettes.redaction import DEFAULTS, Redactor
from replay.config import Redaction
from replay.errors import WouldOverwrite


@dataclass(frozen=True, slots=True)
class Converted:
    """What was made of one file: where it is, its *form* before, what was *healed* on the way."""

    path: str
    form: str
    interactions: int
    healed: tuple[str, ...]


def convert(
    path: Path, folder: Path | None = None, *, rules: Redaction = DEFAULTS, force: bool = False
) -> Converted:
    """
    Write the cassette at *path* as `<stem>.yaml` into *folder*, by default its own; *path* stays.

    Secrets are replaced on the way, those that *rules* add as well.

    Raises:
        Damaged: it cannot be read.
        WouldOverwrite: there is such a file already, and *force* is not given.

    """
    suffix = next((s for s in SUFFIXES if path.name.endswith(s)), "")
    target = (folder or path.parent) / f"{path.name.removesuffix(suffix)}.yaml"
    if target.exists() and not force:
        raise WouldOverwrite(str(target), f"replay cassettes convert --force {path}")
    there = read_cassette(path)
    redactor = Redactor(rules, after=there.interactions)
    write_anew(target, map(redactor.interaction, there.interactions), there.began)
    return Converted(str(target), there.form, len(there.interactions), there.healed)
