"""
What other tools call a cassette: one small reader each, found by content, not by name.

A reader takes what the file says as a value, and gives its interactions in the shape of vcrpy's
format v1, or None when the file is not its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from replay.cassettes.formats.betamax import betamax
from replay.cassettes.formats.cassetter import cassetter
from replay.cassettes.formats.datadog import datadog
from replay.cassettes.formats.go_vcr import go_vcr
from replay.cassettes.formats.langchain import langchain
from replay.cassettes.formats.nock import nock
from replay.cassettes.formats.pydantic_ai import pydantic_ai
from replay.cassettes.formats.vcrpy import vcrpy_0, vcrpy_1

Reader = Callable[[Any], list[Any] | None]


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of cassette and what reads it; *mixed* when our interactions may stand in it too."""

    name: str
    read: Reader
    mixed: bool = False


FORMS = (
    Form("go-vcr", go_vcr),
    Form("cassetter", cassetter),
    Form("pydantic-ai", pydantic_ai, mixed=True),
    Form("vcrpy v1", vcrpy_1, mixed=True),
    Form("vcrpy 0.x", vcrpy_0),
    Form("langchain", langchain),
    Form("betamax", betamax),
    Form("nock", nock),
    Form("Datadog", datadog),
)
"""In the order in which they are asked: those that only look like vcrpy's come before it."""
