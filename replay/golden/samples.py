"""Files to try the rules on: JSON, JSON lines or text."""

from __future__ import annotations

from pathlib import Path

from replay.canonical import parsed_json
from replay.cassettes.redaction import Redactor
from replay.config import Config
from replay.errors import Damaged
from replay.golden.chosen import rules_of
from replay.golden.normalization import Touch, explained
from replay.model import Json


def explain_file(path: Path, config: Config) -> tuple[Json, tuple[Touch, ...]]:
    """
    Normalize what is in *path* as a golden would be, after redaction; tell which rule did what.

    Raises:
        Damaged: it cannot be read, or is no text.

    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged(path, f"it cannot be read: {error}") from error
    return explained(Redactor(config.redact).json(_value(text)), rules_of(config))


def _value(text: str) -> Json:
    try:
        return parsed_json(text)
    except ValueError:
        pass
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [parsed_json(line) for line in lines] if len(lines) > 1 else text
    except ValueError:
        return text
