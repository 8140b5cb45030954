"""Reading one interaction as an LLM call, whatever provider it went to."""

from __future__ import annotations

from collections.abc import Iterable

from replay.llm import anthropic, bedrock, cohere, gemini, ollama, openai_chat, openai_responses
from replay.llm.conversation import Call
from replay.llm.exchange import Exchange, Family, exchange
from replay.model import Interaction

_FAMILIES: tuple[Family, ...] = (
    bedrock,
    gemini,
    anthropic,
    ollama,
    cohere,
    openai_responses,
    openai_chat,
)
"""From what is told by its path to what half of the world speaks."""


def read_call(interaction: Interaction) -> Call | None:
    """
    Read *interaction* as an LLM call; None when it is none.

    Nothing in a payload is an error: what is not as the provider documents it is left out.
    """
    try:
        found = exchange(interaction)
        family = family_of(found) if found else None
        return family.read(found) if family and found else None
    except RecursionError:  # nested deeper than any payload is
        return None


def read_calls(interactions: Iterable[Interaction]) -> list[Call]:
    """Read those of *interactions* that are LLM calls."""
    return [call for call in map(read_call, interactions) if call]


def models_of(calls: Iterable[Call]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the models that were requested, and those that answered, each once."""
    calls = list(calls)
    requested = dict.fromkeys(call.requested for call in calls if call.requested)
    answered = dict.fromkeys(call.answered for call in calls if call.answered)
    return tuple(requested), tuple(answered)


def family_of(it: Exchange) -> Family | None:
    """Find whose format *it* is in."""
    return next((family for family in _FAMILIES if family.fits(it)), None)
